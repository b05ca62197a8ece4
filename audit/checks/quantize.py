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
from audit.keys import FindingKey
from hfru_core.evaluate import answers, judged, share
from hfru_core.model.vlm import VLM
from hfru_core.stats import wilson
from hfru_core.types import Sample

RETAINED = 32
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
PARTS = ("tower", "projector", "decoder")
SWITCH = (
    "An adapter that was not merged is a switch, not a deletion: whoever has the files can scale "
    "it down or remove it. Strength 0 is the base model."
)

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


def part_of(vlm: VLM, name: str) -> str:
    """Which of PARTS a weight belongs to."""
    paths = {"tower": vlm.family.tower, "projector": vlm.family.projector}
    return next((part for part, path in paths.items() if name.startswith(path)), "decoder")


@torch.no_grad()
def rounded(vlm: VLM, scheme: str) -> VLM:
    """A copy, any adapter merged, whose linear weights are rounded by `scheme`."""
    copy = vlm.merged()
    for weight in linears(copy).values():
        weight.copy_(SCHEMES[scheme](weight)[1])
    return copy


@torch.no_grad()
def same_codes(vlm: VLM, base: VLM, scheme: str) -> dict[str, Measure]:
    """The share of weights whose code is the base's, for each of PARTS; without adapters."""
    hits, counts = dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0)
    own, other = linears(vlm), linears(base)
    for name, weight in own.items():
        same = SCHEMES[scheme](weight)[0] == SCHEMES[scheme](other[name])[0]
        hits[part_of(vlm, name)] += int(same.sum())
        counts[part_of(vlm, name)] += same.numel()
    return {p: measure(hits[p], counts[p]) for p in PARTS}


def measure(hits: int, n: int) -> Measure:
    return Measure(hits / n, n, *wilson(hits, n)) if n else NOTHING


def answers_of(case: Case, name: str, copy: VLM, rows: Sequence[Sample]) -> list[str]:
    """The answers of a copy of a model; where none of its weights differs, those of the model."""
    if unchanged(case.models[name], copy):
        return protocol(case, rows).said[name]
    return answers(copy, rows)


def unchanged(vlm: VLM, copy: VLM) -> bool:
    """Whether a copy is the model bit by bit: equal weights, no adapter apart, nothing in front."""
    plain = type(vlm) is VLM and vlm.model is vlm.core
    own, other = vlm.core.state_dict(), copy.core.state_dict()
    return plain and own.keys() == other.keys() and all(torch.equal(own[n], other[n]) for n in own)


def naming(case: Case, rows: Sequence[Sample], texts: Sequence[str]) -> Measure:
    """The share of answers on forget images that name a forgotten concept."""
    return of(share(named(case, rows, texts)))


def retention(case: Case, rows: Sequence[Sample], texts: Sequence[str]) -> Measure:
    """The share of retain images that are still named correctly."""
    return of(share(row.named for row in judged(case.data, rows, texts)))


def quantize(case: Case) -> Iterator[Finding]:
    """Naming and retention in fewer bits, weights that did not move, an adapter's strengths."""
    rows, kept = asked(case, "forget"), asked(case, "retain", "quantize retained", RETAINED)
    opened = {name: vlm.merged() for name, vlm in case.models.items()}
    for scheme in SCHEMES:
        yield from coarser(case, opened, scheme, rows, kept)
        yield from unmoved(opened, scheme)
    if case.unlearned.model is not case.unlearned.core:
        yield switch(case, rows, kept)


def coarser(
    case: Case, opened: dict[str, VLM], scheme: str, rows: Sequence[Sample], kept: Sequence[Sample]
) -> Iterator[Finding]:
    """Naming and retention of every model rounded in the same way."""
    said, retained = {}, {}
    for name, vlm in opened.items():
        ask = partial(both, case, name, vlm, scheme, rows, kept)
        said[name], texts = case.once_for(name, ("rounded", scheme), ask)
        retained[name] = retention(case, kept, texts)
    rates = {name: naming(case, rows, texts) for name, texts in said.items()}
    shown = tuple(
        Example.of(rows[i].image, rows[i].question, {m: texts[i] for m, texts in said.items()})
        for i, hit in enumerate(named(case, rows, said["unlearned"]))
        if hit
    )
    note = f"Linear weights rounded to {scheme}, to the nearest level; not GPTQ or AWQ."
    key, retained_key = KEYS[scheme]
    yield Finding(
        "quantize",
        key,
        f"the concept is named in {scheme}",
        "leak",
        "higher",
        **measures(rates),
        params=(("scheme", scheme),),
        examples=shown[:4],
        note=note,
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


def both(
    case: Case, name: str, vlm: VLM, scheme: str, rows: Sequence[Sample], kept: Sequence[Sample]
) -> tuple[list[str], list[str]]:
    """What a rounded model answers about forget images, and about retain images."""
    copy = rounded(vlm, scheme)
    return answers_of(case, name, copy, rows), answers_of(case, name, copy, kept)


def unmoved(opened: dict[str, VLM], scheme: str) -> Iterator[Finding]:
    """The share of weights whose code is the base model's; 1 is a part that was not changed."""
    shares = {name: same_codes(vlm, opened["base"], scheme) for name, vlm in opened.items()}
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
    rates, retained = [], []
    for vlm in strengths(case):
        rates.append(naming(case, rows, answers_of(case, "base", vlm, rows)))
        retained.append(retention(case, kept, answers_of(case, "base", vlm, kept)))
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


def strengths(case: Case) -> Iterator[VLM]:
    """One copy of the unlearned model, its adapter at each of STRENGTHS in turn."""
    copy = case.unlearned.merged()
    finish = {name: p.clone() for name, p in copy.model.named_parameters()}
    start = dict(case.base.merged().model.named_parameters())
    for strength in STRENGTHS:
        with torch.no_grad():
            for name, p in copy.model.named_parameters():
                torch.lerp(start[name], finish[name], strength, out=p)
        yield copy
