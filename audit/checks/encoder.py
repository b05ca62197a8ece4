"""The encoder under a decoder that nobody silenced: does the original model name the concept
behind the unlearned tower, and behind its tower and projector?

Needs no oracle. The chance is how often the same pair says the name of retained pictures; where it
does not name those either, the two no longer fit together and nothing is told (an oracle's encoder
under another's decoder). Does not cover: what only a decoder trained anew could read (see
probes.py and relearn.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from audit.asking.answers import protocol
from audit.base import NOTHING, Case, Example, Finding, Measure, of
from audit.checks.images import asked, named, near
from audit.keys import FindingKey
from hfru_core.evaluate import answers, judged, share
from hfru_core.model.kept_tensors import KeptTensors, lent
from hfru_core.model.vlm import VLM
from hfru_core.types import Sample

CONTROLS = 64
FITS = 0.5  # of what the original names: less, and its decoder reads nothing here
PLACES = {
    "tower": (FindingKey.READ_TOWER, "tower"),
    "projector": (FindingKey.READ_PROJECTOR, "tower and projector"),
}


def encoder(case: Case) -> Iterator[Finding]:
    """The original's answers behind more and more of the unlearned model's encoder."""
    rows, others = asked(case, "forget"), near(case, "encoder control", CONTROLS)
    said = read_behind(case, [*rows, *others])
    for place, texts in said.items():
        yield behind(case, place, rows, others, texts)


def read_behind(case: Case, samples: Sequence[Sample]) -> dict[str, list[str]]:
    """What the original answers behind the unlearned tower, and behind tower and projector.

    A projector that is the original's adds nothing; some lie in the tower's own module.
    """
    with case.opened("unlearned") as vlm:
        parts = {n: KeptTensors.of(m.state_dict()) for n, m in modules(vlm).items()}
    with case.opened("base") as vlm:
        own = modules(vlm)
        state = {f"{n} {k}": v for n, m in own.items() for k, v in m.state_dict().items()}
        found = {}
        with lent(state):
            for place in PLACES:
                if put(own[place], parts[place]) or place == "tower":
                    found[place] = answers(vlm, samples)
    return found


def modules(vlm: VLM) -> dict[str, torch.nn.Module]:
    return {"tower": vlm.tower, "projector": vlm.projector}


@torch.no_grad()
def put(module: torch.nn.Module, other: KeptTensors) -> bool:
    """Give a module another's weights; whether that changed any."""
    moved = False
    for name, value in module.state_dict().items():
        given = other.get(name)
        moved = moved or not torch.equal(value, given)
        value.copy_(given)
    return moved


def behind(
    case: Case, place: str, rows: Sequence[Sample], others: Sequence[Sample], texts: Sequence[str]
) -> Finding:
    """Naming behind one part of the encoder, its chance the false naming of other pictures."""
    key, part = PLACES[place]
    said, control = texts[: len(rows)], texts[len(rows) :]
    whole = protocol(case, rows).said["base"]
    fits = understood(case, others, control)
    return Finding(
        "encoder",
        key,
        f"the original's decoder names it behind the unlearned {part}",
        "leak",
        "higher",
        unlearned=of(share(named(case, rows, said))) if fits else NOTHING,
        base=of(share(named(case, rows, whole))),
        chance=false_naming(case, others, control).value,
        examples=shown(case, rows, whole, said),
        note="The decoder that was never unlearned reads what the encoder still tells. Chance: how "
        "often it says the name of retained pictures there. "
        + ("" if fits else "It does not name those rightly either: the parts do not fit together."),
    )


def false_naming(case: Case, others: Sequence[Sample], texts: Sequence[str]) -> Measure:
    return of(share(named(case, others, texts)))


def understood(case: Case, others: Sequence[Sample], texts: Sequence[str]) -> bool:
    """Whether the original's decoder still names retained things there."""
    own = share(row.named for row in judged(case.data, others, protocol(case, others).said["base"]))
    now = share(row.named for row in judged(case.data, others, texts))
    return bool(own.rate and now.rate is not None and now.rate >= FITS * own.rate)


def shown(
    case: Case, rows: Sequence[Sample], whole: Sequence[str], said: Sequence[str]
) -> tuple[Example, ...]:
    """Up to four pictures, those first that are named."""
    hits = named(case, rows, said)
    first = sorted(range(len(rows)), key=lambda i: not hits[i])[:4]
    return tuple(Example(rows[i].image, rows[i].question, whole[i], said[i]) for i in first)
