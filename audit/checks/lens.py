"""Is the name hidden rather than erased? What image tokens tell the decoder, layer by layer.

A reading (`audit/features/readout.py`) is high where it passes what 95 % of the same model's retain
pictures reach, so a word that a model likes or dislikes everywhere shows nothing. The decoder,
and the oracle's too, may know the word from text alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from audit.asking.answers import protocol
from audit.base import Case, Example, Finding, Measure, Series, of
from audit.features.readout import Ask, ask_for, logit_lens, scope
from hfru_core.data.samples import PROTOCOL
from hfru_core.data.source import load_image
from hfru_core.evaluate import Judged, answers, judged, share
from hfru_core.model.vlm import VLM
from hfru_core.stats import bootstrap
from hfru_core.types import Sample, UnlearnData, UserError

REACH = 0.95  # share of retain pictures that stay below "high"
RETAIN = 64
SHOWN = 4  # pictures whose maps are kept


class Keys(NamedTuple):
    """Pictures to read: those of each concept, and those that show none of them."""

    forget: dict[str, tuple[str, ...]]
    retain: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(k for keys in (*self.forget.values(), self.retain) for k in keys)


class Reading(NamedTuple):
    """Of one model and concept, forget then retain pictures: maps (N, P), layers (N, L)."""

    maps: torch.Tensor
    layers: torch.Tensor


def keys_of(data: UnlearnData, rng: random.Random) -> Keys:
    """The evaluation pictures, each once; `RETAIN` of the retain pictures are enough."""
    forget = {
        c.id: unique(s.image for s in data.select("forget", "eval") if s.concept_id == c.id)
        for c in data.concepts
    }
    retain = unique(s.image for s in data.select("retain", "eval"))
    if not retain or not any(forget.values()):
        raise UserError(
            "The lens compares forget with retain pictures and needs both for evaluation; "
            f"there are {sum(map(len, forget.values()))} and {len(retain)}."
        )
    retain = tuple(rng.sample(retain, min(RETAIN, len(retain))))
    return Keys({c: keys for c, keys in forget.items() if keys}, retain)


def chance(keys: Keys) -> float:
    """How often a picture like the retain pictures would count as high."""
    return max(1 - REACH, 1 / (len(keys.retain) + 1))


def unique(keys: Iterator[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(k for k in keys if k))


def read(vlm: VLM, data: UnlearnData, keys: Keys) -> dict[str, Reading]:
    """Both readings of every concept, of `keys.all`; whoever holds the weights needs no filter."""
    vlm = vlm.merged()
    features = vlm.vision_features([load_image(k) for k in keys.all])
    groups: dict[str, dict[str, Ask]] = {}
    for concept in data.concepts:
        if concept.id in keys.forget:
            ask = ask_for(vlm, data, concept)
            groups.setdefault(ask.question, {})[concept.id] = ask
    found = {}
    for group in groups.values():
        asks = list(group.values())
        both = zip(scope(vlm, features, asks), logit_lens(vlm, features, asks))
        found |= {c: Reading(*pair) for c, pair in zip(group, both)}
    if not all(torch.isfinite(t).all() for r in found.values() for t in r):
        raise ValueError("A model gives no finite numbers: its weights are damaged.")
    return found


def high(scores: dict[str, torch.Tensor], keys: Keys) -> dict[str, bool]:
    """Which forget pictures pass what `REACH` of the retain pictures reach for their concept."""
    place = {k: i for i, k in enumerate(keys.all)}
    found = {}
    for concept, mine in keys.forget.items():
        values = scores[concept].double().numpy()
        bound = np.quantile(values[[place[k] for k in keys.retain]], REACH, method="higher")
        found |= {k: bool(values[place[k]] > bound) for k in mine}
    return found


def silent(rows: Sequence[Judged]) -> dict[str, bool]:
    """The pictures of which no answer names the concept."""
    named = {r.sample.image for r in rows if r.named}
    return {r.sample.image: r.sample.image not in named for r in rows}


def lens(case: Case) -> Iterator[Finding]:
    """What single image tokens tell the decoder, alone and beside what the model says."""
    keys = keys_of(case.data, case.rng("lens"))
    samples = [s for s in case.data.select("forget", "eval") if s.topic in PROTOCOL]
    seen = {
        name: case.once_for(name, ("read", str(keys)), partial(read, vlm, case.data, keys))
        for name, vlm in case.models.items()
    }
    told = protocol(case, samples).said
    said = {name: judged(case.data, samples, texts) for name, texts in told.items()}
    tops = {n: {c: r.maps.amax(1) for c, r in found.items()} for n, found in seen.items()}
    clear = {name: high(scores, keys) for name, scores in tops.items()}
    hushed = {name: silent(rows) for name, rows in said.items()}
    hidden = {n: {k: up and hushed[n][k] for k, up in clear[n].items()} for n in clear}
    shown = most_telling(tops["unlearned"], clear["unlearned"], keys)
    yield Finding(
        "lens",
        "single image tokens name it",
        "leak",
        "higher",
        chance=chance(keys),
        series=maps(seen, keys, shown),
        examples=examples(said, shown),
        note="Share of forget pictures with a patch that, shown to the decoder alone, is called "
        "by the name more surely than 95 % of this model's retain pictures have one. The interval "
        "takes that bound as given. Maps: the pictures where the unlearned model is surest.",
        **shares(clear),
    )
    yield Finding(
        "lens",
        "hidden, not erased",
        "info",
        "higher",
        chance=0.0,
        examples=examples(said, [k for k, h in hidden["unlearned"].items() if h][:SHOWN]),
        note="Share of forget pictures with such a patch and no answer that names the concept. "
        "Decides nothing by itself: the base model does not hide, so there is no way to measure "
        "from oracle to base.",
        **shares(hidden),
    )
    yield layer_finding(seen, keys)


def layer_finding(seen: dict[str, dict[str, Reading]], keys: Keys) -> Finding:
    """The logit lens in every layer; its number is that of the surest layer and patch."""

    def reached(found: dict[str, Reading], layer: int | None) -> dict[str, bool]:
        pick = {
            c: r.layers.amax(1) if layer is None else r.layers[:, layer] for c, r in found.items()
        }
        return high(pick, keys)

    depth = next(iter(seen["base"].values())).layers.shape[1]
    curves = tuple(
        Series(
            name,
            tuple(map(float, range(depth))),
            tuple(share(reached(found, i).values()).rate for i in range(depth)),
        )
        for name, found in seen.items()
    )
    return Finding(
        "lens",
        "logit lens on image tokens",
        "info",
        "higher",
        chance=chance(keys),
        series=curves,
        params=(("norm", "final norm before W_U"),),
        note="Read it against base: a small decoder is not trained to name anything at an image "
        "position, and where base itself is at chance the lens is blind. So it decides nothing.",
        **shares({name: reached(found, None) for name, found in seen.items()}),
    )


def shares(hits: dict[str, dict[str, bool]]) -> dict[str, Measure]:
    """One measure a model."""
    return {name: of(share(found.values())) for name, found in hits.items()}


def most_telling(tops: dict[str, torch.Tensor], clear: dict[str, bool], keys: Keys) -> list[str]:
    """The forget pictures with the highest maps, high ones first."""
    place = {k: i for i, k in enumerate(keys.all)}
    sure = {k: tops[c][place[k]].item() for c, mine in keys.forget.items() for k in mine}
    return sorted(sure, key=lambda k: (clear[k], sure[k]), reverse=True)[:SHOWN]


def maps(
    seen: dict[str, dict[str, Reading]], keys: Keys, shown: Sequence[str]
) -> tuple[Series, ...]:
    """Heat maps as series, named 'map MODEL KEY': a value for every patch, row by row."""
    place = {k: i for i, k in enumerate(keys.all)}
    owner = {k: c for c, mine in keys.forget.items() for k in mine}
    rows = {(n, k): found[owner[k]].maps[place[k]] for n, found in seen.items() for k in shown}
    return tuple(
        Series(f"map {name} {key}", tuple(map(float, range(len(row)))), tuple(row.tolist()))
        for (name, key), row in rows.items()
    )


def examples(said: dict[str, Sequence[Judged]], shown: Sequence[str]) -> tuple[Example, ...]:
    """What the models answer about these pictures when asked for the name."""
    texts = {
        n: {r.sample.image: r for r in rows if r.sample.topic == "name"} for n, rows in said.items()
    }
    return tuple(
        Example(k, texts["base"][k].sample.question, **{n: t[k].text for n, t in texts.items()})
        for k in shown
        if k in texts["base"]
    )


# Activation patching: whole towers are cut and joined, on copies.


def joined(early: VLM, late: VLM) -> Iterator[VLM]:
    """`late` with the tower's layers below l taken from `early`, for l = 0 ... depth.

    Continuing from another model's hidden states at layer l is the same as having its layers up
    to there; l = 0 is its patch embedding alone. One model, changed in place from level to level.
    """
    early, model = early.merged(), late.merged()
    if shapes(early) != shapes(model):
        raise UserError("The towers differ in architecture: their layers cannot be joined.")
    take(part(model, "embeddings"), part(early, "embeddings"))
    yield model
    for mine, theirs in zip(part(model, "encoder.layers"), part(early, "encoder.layers")):
        take(mine, theirs)
        yield model


def take(mine: torch.nn.Module, theirs: torch.nn.Module) -> None:
    mine.load_state_dict(theirs.state_dict())


def part(vlm: VLM, end: str) -> torch.nn.Module:
    """The tower's first module whose path ends so."""
    return next(m for name, m in vlm.tower.named_modules() if name.endswith(end))


def shapes(vlm: VLM) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in vlm.tower.state_dict().items()}


def naming(early: VLM, late: VLM, data: UnlearnData, samples: Sequence[Sample]) -> np.ndarray:
    """Whether the concept is named, (levels, pictures), by `late` behind layers of `early`."""
    return np.array(
        [
            [r.named for r in judged(data, samples, answers(model, samples))]
            for model in joined(early, late)
        ],
        dtype=float,
    )


def patching(case: Case) -> Iterator[Finding]:
    """At which depth the name is lost, and at which it comes back (arXiv 2605.24614, UDS)."""
    samples = [s for s in case.data.select("forget", "eval") if s.topic == "name"]
    if not samples:
        raise UserError("Patching asks for the name on forget pictures, and there are none.")
    kept = naming(case.unlearned, case.base, case.data, samples)
    back = naming(case.base, case.unlearned, case.data, samples)
    rng = np.random.default_rng(case.rng("patching").getrandbits(64))
    levels = tuple(map(float, range(len(kept))))
    curves = (
        Series("unlearned states, then base layers", levels, tuple(kept.mean(1))),
        Series("base states, then unlearned layers", levels, tuple(back.mean(1))),
    )
    yield Finding(
        "lens",
        "names read by base layers from unlearned states",
        "info",
        "higher",
        unlearned=mean(kept[1:].mean(0), rng),
        base=mean(kept[0], rng),
        series=curves,
        note="Mean over the tower's layers l: states of the unlearned model up to l, the base "
        "model from there. 1 is untouched. No oracle: its states mean something else. l = 0 in "
        "the curve is the base model unless the patch embedding was changed.",
    )
    known = back[:, back[-1] > 0]  # pictures that base's whole tower makes the decoder name
    yield Finding(
        "lens",
        "depth at which the name comes back",
        "info",
        "lower",
        unlearned=mean(known.argmax(0) / (len(back) - 1), rng),
        base=Measure(0.0, known.shape[1], 0.0, 0.0),
        series=curves,
        unscored=back.shape[1] - known.shape[1],
        note="Base states up to layer l, the unlearned model from there: the smallest l that "
        "names the concept, as a share of the tower. Near 0: only the first layers changed.",
    )


def mean(values: np.ndarray, rng: np.random.Generator) -> Measure:
    """A mean over pictures with its bootstrap interval."""
    if not len(values):
        return Measure(None, 0, None, None)
    return Measure(float(values.mean()), len(values), *bootstrap(values, rng))
