"""Quantization: does the forgotten name come back when the model is stored in fewer bits?

An update smaller than the width of a bin is rounded away, and the base weight is back (Zhang et
al., 2410.16454). Every linear weight, the tower's too, is rounded and put back at full precision:
bf16; int8 with one scale for each output row (LLM.int8(), 2208.07339); nf4 in blocks of 64 (QLoRA,
2305.14314). As loaders do, the output head is left out. An adapter that was not merged is also
scaled up and down: it is a switch, not a deletion.

Does not cover: activations in fewer bits, GPTQ and AWQ, which choose the rounding by data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from bitsandbytes import functional as bits
from torch import nn

from audit.asking.answers import protocol
from audit.base import NOTHING, Case, Example, Finding, Measure, Series, measures, of
from audit.checks.images import asked, named
from audit.checks.weights import base_weights, part_of
from audit.keys import FindingKey
from hfru_core.evaluate import answers, judged, share
from hfru_core.model.kept_tensors import KeptTensors, lent
from hfru_core.model.vlm import VLM
from hfru_core.stats import wilson
from hfru_core.types import Sample

RETAINED = 32
STRENGTHS = (0.0, 0.5, 1.0, 1.5)
PARTS = ("tower", "projector", "decoder")
SWITCH = (
    "An adapter that was not merged is a switch, not a deletion: whoever has the files can scale "
    "it down or remove it. Strength 0 is the base model."
)

Questions = tuple[Sequence[Sample], Sequence[Sample]]  # about forget and about retain images
Said = tuple[list[str], list[str]]
# Each takes a weight (out, in) and returns its codes (out, in) and its rounded value.
Rounding = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def bf16(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eight bits of mantissa; the code is the value."""
    codes = weight.to(torch.bfloat16)
    return codes, codes.to(weight.dtype)


def int8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """255 even levels between plus and minus the largest weight of an output row."""
    scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
    codes = (weight / scale).round()
    return codes, codes * scale


def nf4(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """16 levels at the quantiles of a normal distribution, scaled in blocks of 64 weights."""
    packed, state = bits.quantize_4bit(weight.contiguous(), blocksize=64, quant_type="nf4")
    codes = torch.stack([packed >> 4, packed & 15], -1).flatten()[: weight.numel()]
    return codes.view(weight.shape), bits.dequantize_4bit(packed, state).to(weight.dtype)


SCHEMES: dict[str, Rounding] = {"bf16": bf16, "int8": int8, "nf4": nf4}
KEYS = {  # of naming and of retention
    "bf16": (FindingKey.NAMED_BF16, FindingKey.RETAINED_BF16),
    "int8": (FindingKey.NAMED_INT8, FindingKey.RETAINED_INT8),
    "nf4": (FindingKey.NAMED_NF4, FindingKey.RETAINED_NF4),
}


def linears(vlm: VLM) -> dict[str, torch.Tensor]:
    """The weights (out, in) of all linear layers by name, but for the output head.

    A convolution of one pixel is one too.
    """
    head = vlm.core.get_output_embeddings()
    return {
        name: module.weight.flatten(1)  # a view
        for name, module in vlm.core.named_modules()
        if is_linear(module) and module is not head
    }


def is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (
        isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
    )


@torch.no_grad()
def round_all(weights: dict[str, torch.Tensor], exact: KeptTensors, scheme: str) -> bool:
    """Round weights in place, one after the other; whether any of them has changed."""
    moved = False
    for name, weight in weights.items():
        before = exact.get(name)
        weight.copy_(SCHEMES[scheme](before)[1])
        moved = moved or not torch.equal(weight, before)
    return moved


@torch.no_grad()
def same_codes(vlm: VLM, base: KeptTensors, scheme: str) -> dict[str, Measure]:
    """The share of weights whose code is the base's, for each of PARTS; without adapters."""
    hits, counts = dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0)
    for name, weight in linears(vlm).items():
        other = base.get(f"{name}.weight").flatten(1)
        part = part_of(vlm, f"{name}.weight")
        hits[part] += equal_codes(weight, other, SCHEMES[scheme])
        counts[part] += weight.numel()
    return {p: measure(hits[p], counts[p]) for p in PARTS}


def equal_codes(one: torch.Tensor, other: torch.Tensor, rounding: Rounding) -> int:
    """How many weights have the same code."""
    if torch.equal(one, other):
        return one.numel()
    return int((rounding(one)[0] == rounding(other)[0]).sum())


def measure(hits: int, n: int) -> Measure:
    return Measure(hits / n, n, *wilson(hits, n)) if n else NOTHING


def is_exact(vlm: VLM) -> bool:
    """Whether a model's answers are those of its weights: nothing in front."""
    return type(vlm) is VLM


def is_plain(vlm: VLM) -> bool:
    """Whether a model is its weights alone: no adapter apart, nothing in front."""
    return type(vlm) is VLM and vlm.model is vlm.core


def naming(case: Case, rows: Sequence[Sample], texts: Sequence[str]) -> Measure:
    """The share of answers on forget images that name a forgotten concept."""
    return of(share(named(case, rows, texts)))


def retention(case: Case, rows: Sequence[Sample], texts: Sequence[str]) -> Measure:
    """The share of retain images that are still named correctly."""
    return of(share(row.named for row in judged(case.data, rows, texts)))


def quantize(case: Case) -> Iterator[Finding]:
    """Naming and retention in fewer bits, weights that did not move, an adapter's strengths."""
    rows, kept = asked(case, "forget"), asked(case, "retain", "quantize retained", RETAINED)
    known, others = (protocol(case, part).said for part in (rows, kept))
    found = {}
    for name in case.models:
        ask = partial(in_every_scheme, (rows, kept), (known[name], others[name]))
        found[name] = case.once_for(name, ("rounded",), ask)
    shares = all_shares(case)
    for scheme in SCHEMES:
        yield from coarser(case, {n: said[scheme] for n, said in found.items()}, scheme, rows, kept)
        yield from unmoved(shares[scheme], scheme)
    if case.unlearned.model is not case.unlearned.core:
        yield switch(case, rows, kept)


def in_every_scheme(questions: Questions, exact: Said, vlm: VLM) -> dict[str, Said]:
    """What a model answers about forget and retain images when it is rounded, by scheme.

    `exact` is what it says as it is: the answers where rounding moves no weight.
    """
    found = {}
    with vlm.opened() as opened, lent(linears(opened)) as kept:
        for scheme in SCHEMES:
            moved = round_all(linears(opened), kept, scheme)
            asked_anew = moved or not is_plain(vlm)
            rows, others = questions
            found[scheme] = (
                (answers(opened, rows), answers(opened, others)) if asked_anew else exact
            )
    return found


def coarser(
    case: Case,
    answered: dict[str, Said],
    scheme: str,
    rows: Sequence[Sample],
    kept: Sequence[Sample],
) -> Iterator[Finding]:
    """Naming and retention of every model rounded in the same way."""
    said = {name: texts for name, (texts, _) in answered.items()}
    retained = {name: retention(case, kept, texts) for name, (_, texts) in answered.items()}
    rates = {name: naming(case, rows, texts) for name, texts in said.items()}
    shown = tuple(
        Example.of(rows[i].image, rows[i].question, {m: texts[i] for m, texts in said.items()})
        for i, hit in enumerate(named(case, rows, said["unlearned"]))
        if hit
    )
    note = f"Linear weights rounded to {scheme}, to the nearest level; not GPTQ or AWQ."
    key, retained_key = KEYS[scheme]
    false = share(named(case, kept, answered["unlearned"][1]))
    yield Finding(
        "quantize",
        key,
        f"the concept is named in {scheme}",
        "leak",
        "higher",
        **measures(rates),
        chance=false.rate,
        params=(("scheme", scheme),),
        examples=shown[:4],
        note=f"{note} Chance: how often the name comes up so about other pictures.",
    )
    yield Finding(
        "quantize",
        retained_key,
        f"retained things are named in {scheme}",
        "info",
        "lower",
        **measures(retained),
        note=note,
    )


def all_shares(case: Case) -> dict[str, dict[str, dict[str, Measure]]]:
    """The share of weights with the base model's code, by scheme, model and part."""
    exact = base_weights(case)
    shares: dict[str, dict[str, dict[str, Measure]]] = {scheme: {} for scheme in SCHEMES}
    for name in case.models:
        with case.opened(name) as opened:
            for scheme in SCHEMES:
                shares[scheme][name] = same_codes(opened, exact, scheme)
    return shares


def unmoved(shares: dict[str, dict[str, Measure]], scheme: str) -> Iterator[Finding]:
    """The share of weights whose code is the base model's; 1 is a part that was not changed."""
    for part in PARTS:
        yield Finding(
            "quantize",
            FindingKey.SAME_CODES,
            f"weights of the {part} with the base model's {scheme} code",
            "info",
            "higher",
            **measures({name: found[part] for name, found in shares.items()}),
            params=(("scheme", scheme), ("part", part)),
            note="A count of weights, not of behaviour: unchanged codes hold what they held, but "
            "they need not hold the concept.",
        )


def switch(case: Case, rows: Sequence[Sample], kept: Sequence[Sample]) -> Finding:
    """Naming and retention at every strength of an adapter that was not merged.

    Strength s is base + s * (unlearned - base), which is LoRA's scaling (Ilharco et al.,
    2212.04089, for weights in general).
    """
    said = [protocol(case, part).said for part in (rows, kept)]
    known = {0.0: "base", 1.0: "unlearned"}  # what was heard of them already
    rates, retained = [], []
    for strength, vlm in strengths(case):
        if strength in known and is_exact(case.models[known[strength]]):
            texts, others = (texts[known[strength]] for texts in said)
        else:
            texts, others = (answers(vlm, part) for part in (rows, kept))
        rates.append(naming(case, rows, texts))
        retained.append(retention(case, kept, others))
    curves = (("named", rates), ("retained", retained))
    off, full = rates[0], naming(case, rows, protocol(case, rows).said["base"])
    return Finding(
        "quantize",
        FindingKey.ADAPTER_OFF,
        "the concept is named with the adapter off",
        "info",
        "higher",
        unlearned=off,
        base=full,
        series=tuple(Series(n, STRENGTHS, tuple(m.value for m in ms)) for n, ms in curves),
        note=SWITCH,
    )


def strengths(case: Case) -> Iterator[tuple[float, VLM]]:
    """The unlearned model with its adapter at each of STRENGTHS in turn."""
    start = base_weights(case)
    with case.opened("unlearned") as opened:
        own = {
            name: p
            for name, p in opened.model.named_parameters()
            if not torch.equal(p, start.get(name))
        }
        with lent(own) as finish:
            for strength in STRENGTHS:
                with torch.no_grad():
                    for name, p in own.items():
                        torch.lerp(start.get(name), finish.get(name), strength, out=p)
                yield strength, opened
