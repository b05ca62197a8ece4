"""Is the name hidden rather than erased? What image tokens tell the decoder, layer by layer.

A reading (`audit/features/readout.py`) is high where it exceeds that of 95 % of the same model's
retain images, so a word that a model likes or dislikes everywhere shows nothing. The decoder, and
the oracle's too, may know the word from text alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from audit.asking.answers import image_key, protocol
from audit.base import Case, Example, Finding, Measure, Series, measures, of
from audit.features.readout import Ask, ask_for, layers_read, logit_lens, scope
from audit.keys import FindingKey
from hfru_core.data.samples import PROTOCOL
from hfru_core.data.source import load_image
from hfru_core.evaluate import Judged, judged, share
from hfru_core.model.vlm import VLM
from hfru_core.types import UnlearnData, UserError

REACH = 0.95  # share of retain images that stay below "high"
FORGET, RETAIN = 40, 40  # images that are read
SHOWN = 4  # images whose maps are kept


class Keys(NamedTuple):
    """Images to read: those of each concept, and those that show none of them."""

    forget: dict[str, tuple[str, ...]]
    retain: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(k for keys in (*self.forget.values(), self.retain) for k in keys)


class Reading(NamedTuple):
    """Of one model and concept, forget then retain images: maps (N, P), layers (N, L).

    `numbers` are those of the L layers.
    """

    maps: torch.Tensor
    layers: torch.Tensor
    numbers: tuple[int, ...] = ()


def keys_of(data: UnlearnData, rng: random.Random) -> Keys:
    """Some of the evaluation images, each once: every token of each is read alone."""
    forget = {
        c.id: unique(s.image for s in data.select("forget", "eval") if s.concept_id == c.id)
        for c in data.concepts
    }
    retain = unique(s.image for s in data.select("retain", "eval"))
    if not retain or not any(forget.values()):
        raise UserError(
            "The lens compares forget with retain images and needs both for evaluation; "
            f"there are {sum(map(len, forget.values()))} and {len(retain)}."
        )
    each = max(1, FORGET // sum(map(bool, forget.values())))
    forget = {c: tuple(rng.sample(keys, min(each, len(keys)))) for c, keys in forget.items()}
    retain = tuple(rng.sample(retain, min(RETAIN, len(retain))))
    return Keys({c: keys for c, keys in forget.items() if keys}, retain)


def chance(keys: Keys) -> float:
    """How often an image like the retain images would count as high."""
    return max(1 - REACH, 1 / (len(keys.retain) + 1))


def unique(keys: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(k for k in keys if k))


def read(data: UnlearnData, keys: Keys, vlm: VLM) -> dict[str, tuple]:
    """Both readings of every concept on `keys.all`, from the weights, past any filter."""
    with vlm.opened() as opened:
        return {concept: tuple(r) for concept, r in readings(opened, data, keys).items()}


def readings(vlm: VLM, data: UnlearnData, keys: Keys) -> dict[str, Reading]:
    features = vlm.vision_features([load_image(k) for k in keys.all])
    groups: dict[str, dict[str, Ask]] = {}
    for concept in data.concepts:
        if concept.id in keys.forget:
            ask = ask_for(vlm, data, concept)
            groups.setdefault(ask.question, {})[concept.id] = ask
    found: dict[str, Reading] = {}
    for group in groups.values():
        asks = list(group.values())
        both = zip(scope(vlm, features, asks), logit_lens(vlm, features, asks))
        found |= {c: Reading(*pair, layers_read(vlm)) for c, pair in zip(group, both)}
    if not all(torch.isfinite(t).all() for r in found.values() for t in (r.maps, r.layers)):
        raise ValueError("A model's readings are not finite numbers: its weights are damaged.")
    return found


def high(scores: dict[str, torch.Tensor], keys: Keys) -> dict[str, bool]:
    """Which forget images exceed `REACH` of the retain images for their concept."""
    place = {k: i for i, k in enumerate(keys.all)}
    found: dict[str, bool] = {}
    for concept, shown in keys.forget.items():
        values = scores[concept].double().numpy()
        bound = np.quantile(values[[place[k] for k in keys.retain]], REACH, method="higher")
        found |= {k: bool(values[place[k]] > bound) for k in shown}
    return found


def silent(rows: Sequence[Judged]) -> dict[str, bool]:
    """For each image, whether no answer about it names the concept."""
    named = {r.sample.image for r in rows if r.named}
    return {image_key(r.sample): r.sample.image not in named for r in rows}


def lens(case: Case) -> Iterator[Finding]:
    """What single image tokens tell the decoder, and whether the model's answers say it."""
    keys = keys_of(case.data, case.rng("lens"))
    samples = [s for s in case.data.select("forget", "eval") if s.topic in PROTOCOL]
    seen = {}
    for name in case.models:
        found = case.once_for(name, ("read", str(keys)), partial(read, case.data, keys))
        seen[name] = {concept: Reading(*values) for concept, values in found.items()}
    texts = protocol(case, samples).said
    said = {name: judged(case.data, samples, answered) for name, answered in texts.items()}
    tops = {n: {c: r.maps.amax(1) for c, r in found.items()} for n, found in seen.items()}
    clear = {name: high(scores, keys) for name, scores in tops.items()}
    hushed = {name: silent(rows) for name, rows in said.items()}
    hidden = {n: {k: up and hushed[n][k] for k, up in clear[n].items()} for n in clear}
    shown = most_telling(tops["unlearned"], clear["unlearned"], keys)
    yield Finding(
        "lens",
        FindingKey.TOKENS_NAME_IT,
        "a single image token gives the name away",
        "leak",
        "higher",
        **measures(shares(clear)),
        chance=chance(keys),
        series=maps(seen, keys, shown),
        examples=examples(said, shown),
        note="Share of forget images with a patch that the decoder, given nothing else, calls by "
        "the name with a higher probability than any patch of 95 % of this model's retain images. "
        "The interval takes that bound as given. Maps: the images with the highest probability in "
        "the unlearned model.",
    )
    yield Finding(
        "lens",
        FindingKey.HIDDEN,
        "a token gives the name away, but no answer says it",
        "info",
        "higher",
        **measures(shares(hidden)),
        chance=0.0,
        examples=examples(said, [k for k, h in hidden["unlearned"].items() if h][:SHOWN]),
        note="Share of forget images with such a patch and no answer that names the concept: "
        "hidden, not erased. Decides nothing by itself: the base model hides nothing, so there is "
        "no scale from oracle to base.",
    )
    yield layer_finding(seen, keys)


def layer_finding(seen: dict[str, dict[str, Reading]], keys: Keys) -> Finding:
    """The logit lens in every layer; its number is that of the layer and patch with the most."""

    def reached(found: dict[str, Reading], layer: int | None) -> dict[str, bool]:
        pick = {
            c: r.layers.amax(1) if layer is None else r.layers[:, layer] for c, r in found.items()
        }
        return high(pick, keys)

    numbers = next(iter(seen["base"].values())).numbers
    curves = tuple(
        Series(
            name,
            tuple(map(float, numbers)),
            tuple(share(reached(found, i).values()).rate for i in range(len(numbers))),
        )
        for name, found in seen.items()
    )
    return Finding(
        "lens",
        FindingKey.LOGIT_LENS,
        "logit lens on image tokens",
        "info",
        "higher",
        **measures(shares({name: reached(found, None) for name, found in seen.items()})),
        chance=chance(keys),
        series=curves,
        params=(("norm", "final norm before W_U"),),
        note="Compare it with the base model: a small decoder is not trained to name anything at "
        "an image position, and where the base model is at chance the lens is blind. So it decides "
        "nothing.",
    )


def shares(hits: dict[str, dict[str, bool]]) -> dict[str, Measure]:
    """One measure per model."""
    return {name: of(share(found.values())) for name, found in hits.items()}


def most_telling(tops: dict[str, torch.Tensor], clear: dict[str, bool], keys: Keys) -> list[str]:
    """The forget images with the highest maps, high ones first."""
    place = {k: i for i, k in enumerate(keys.all)}
    peak = {k: tops[c][place[k]].item() for c, shown in keys.forget.items() for k in shown}
    return sorted(peak, key=lambda k: (clear[k], peak[k]), reverse=True)[:SHOWN]


def maps(
    seen: dict[str, dict[str, Reading]], keys: Keys, shown: Sequence[str]
) -> tuple[Series, ...]:
    """Heat maps as series, named 'map MODEL KEY': a value for every patch, row by row."""
    place = {k: i for i, k in enumerate(keys.all)}
    owner = {k: c for c, images in keys.forget.items() for k in images}
    rows = {(n, k): found[owner[k]].maps[place[k]] for n, found in seen.items() for k in shown}
    return tuple(
        Series(f"map {name} {key}", tuple(map(float, range(len(row)))), tuple(row.tolist()), "heat")
        for (name, key), row in rows.items()
    )


def examples(said: Mapping[str, Sequence[Judged]], shown: Sequence[str]) -> tuple[Example, ...]:
    """What the models answer about these images when asked for the name."""
    texts = {
        n: {r.sample.image: r for r in rows if r.sample.topic == "name"} for n, rows in said.items()
    }
    return tuple(
        Example.of(k, texts["base"][k].sample.question, {n: t[k].text for n, t in texts.items()})
        for k in shown
        if k in texts["base"]
    )
