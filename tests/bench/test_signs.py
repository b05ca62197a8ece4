"""The shipped benchmark shows of every method what its paper says of it: which way, not how far.

Means over tasks and seeds, each method's own budget, the plain request.
"""

from __future__ import annotations

import operator

import pytest

from hfru_core.bench.jobs import REFERENCES
from hfru_core.bench.results_file import load
from hfru_core.bench.table import Group, group
from hfru_core.methods import METHODS
from tests.conftest import ROOT

IS = {"<": operator.lt, ">": operator.gt}
REFUSES = ("refusal > 0.2", "retain > 0.8")
WRONG_NAMES = ("hallucination > 0.2", "retain > 0.9")
# What a method is known for; a bound is a number, or another method's mean.
SIGNS = {
    "base": ("forget < 0.05", "relearned > 0.9"),
    "oracle": ("forget > 0.99", "relearned < 0.2", "nf4 < 0.05"),
    "output-filter": ("forget > 0.99", "nf4 > 0.9", "probe > oracle"),
    "hfru": ("forget > 0.95", "retain > 0.95", "abstraction > 0.9", "hallucination < 0.05"),
    "hfru:paper": ("forget > 0.95", "retain > 0.9", "hallucination > hfru"),
    "hfru:deep": ("forget > 0.98", "abstraction > 0.9", "probe < hfru", "relearned < hfru"),
    "pubg": ("forget > 0.95", "refusal < 0.05", "hallucination < 0.05", "abstraction > 0.3"),
    "mmunlearner": ("forget > 0.5", "facts > 0.95"),
    "ga": ("forget > 0.95", "retain < 0.5", "degenerate > 0.5"),
    "graddiff": ("forget > 0.95", "retain > ga", "degenerate < ga"),
    "klmin": ("forget > 0.95", "retain > ga"),
    # On people NPO misses one seed of three and EUL two, which docs/bench.md says.
    "npo": ("forget > 0.8", "retain > ga", "degenerate < ga"),
    "simnpo": ("forget > base", "retain > npo", "degenerate < ga"),
    "idknll": REFUSES, "idkpo": REFUSES, "idkap": REFUSES, "evasive": REFUSES, "idk-pd": REFUSES,
    "me": ("degenerate > 0.1", "retain > 0.9"),
    "rmu": ("forget > 0.95", "degenerate > 0.3", "retain > 0.5"),
    "undial": ("degenerate < 0.1", "forget > base"),
    "siu": WRONG_NAMES, "salun": WRONG_NAMES,
    "ga-pd": ("forget > 0.95", "retain > ga"), "graddiff-pd": ("forget > 0.95", "retain > ga"),
    "kl-pd": ("forget > 0.95", "retain > klmin"),
    "eul": ("forget > 0.5", "retain > ga"),
    "icu": ("forget > 0.9", "retain > ga"), "su": ("forget > 0.9", "retain > ga"),
    "leace": ("probe < base", "retain > 0.9"),
    # The weights stay as they are: what is hidden by steering is in them.
    "rmuse": ("forget > base", "retain > 0.8", "nf4 > 0.9", "relearned > 0.9"),
    # That it comes back more slowly than GradDiff is not seen here, which docs/bench.md says.
    "ssiuu": ("forget > 0.9", "retain > ga"),
    # Here they keep the rest and hardly forget, which docs/bench.md says.
    "manu": ("retain > 0.9", "forget < 0.5", "forget > base"),
    "nspu": ("retain > 0.9", "hallucination < 0.1", "forget < 0.5", "forget > base"),
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped() -> dict[str, Group]:
    rows = load(ROOT / "assets" / "reports" / "bench.json").rows
    plain = [
        r
        for r in rows
        if r.budget == "own"
        and r.request == "plain"
        and r.source == "world"
        and r.scope == published_scope(r.method, r.scope)
    ]
    return {g.first.method: g for g in group(plain, over="tasks")}


def published_scope(method: str, scope: str) -> str:
    """Rows of another scope are another comparison."""
    found = METHODS.get(method.partition(":")[0])
    return scope if found is None or ":" in method else found.scope


def test_every_method_and_reference_is_there(shipped: dict[str, Group]) -> None:
    assert {m.partition(":")[0] for m in shipped} >= {*METHODS, *REFERENCES}
    assert {*SIGNS} == {*shipped}


def wrong(method: str, signs: tuple[str, ...], shipped: dict[str, Group]) -> list[str]:
    """The signs that the means of a method do not have."""
    found = []
    for sign in signs:
        key, compare, bound = sign.split()
        other = shipped[bound].cell(key).mean if bound in shipped else float(bound)
        mean = shipped[method].cell(key).mean
        found += [] if IS[compare](mean, other) else [f"{sign}: {mean:.3f} against {other:.3f}"]
    return found


@pytest.mark.parametrize("method", SIGNS)
def test_a_method_does_what_its_paper_says(method: str, shipped: dict[str, Group]) -> None:
    assert not wrong(method, SIGNS[method], shipped)


@pytest.mark.parametrize("method", [m for m in SIGNS if m not in REFERENCES])
def test_a_model_to_which_nothing_was_done_has_no_methods_signs(
    method: str, shipped: dict[str, Group]
) -> None:
    assert wrong("base", SIGNS[method], shipped)
