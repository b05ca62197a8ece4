"""What a row's leakage columns hold: every one of them, found by keys and never by titles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.base import Finding
from audit.criteria import verdict
from audit.keys import FindingKey
from audit.suite import STANDARD
from hfru_core.adapters import folder
from hfru_core.bench import measure
from hfru_core.bench.jobs import Entry, Job
from hfru_core.bench.measure import COLUMNS, Bench, beside, leak_values
from hfru_core.model import vlm
from hfru_core.paths import ASSETS, MODEL


@pytest.fixture(scope="module")
def audited() -> list[Finding]:
    """A shipped adapter on very few images: the standard audits with a column, a short attack."""
    with pytest.MonkeyPatch.context() as patch:
        few = {name: STANDARD[name] for name in ("behavior", "probes", "quantize")}
        patch.setattr(measure, "STANDARD", few)
        patch.setattr(measure, "STEPS", (0, 4, 8))
        bench = Bench(MODEL, pictures=4)
        unlearned = folder.load(vlm.load(), ASSETS / "adapters" / "dog")
        return list(bench.findings(Job(Entry("hfru"), "dog", 0), unlearned, lambda _: None))


def test_every_column_is_filled(audited: list[Finding]) -> None:
    assert not [f.error for f in audited if f.key == FindingKey.FAILED]
    values = leak_values(audited)
    assert list(values) == list(COLUMNS)
    for column in values.values():
        assert column["n"] and column["low"] <= column["rate"] <= column["high"]
    assert {name: list(v) for name, v in beside(audited).items()} == {
        "base": list(COLUMNS),
        "oracle": list(COLUMNS),
    }


def test_titles_are_for_people_only(audited: list[Finding]) -> None:
    reworded = [replace(f, name=f"finding {i}", audit="x") for i, f in enumerate(audited)]
    assert leak_values(reworded) == leak_values(audited)
    assert beside(reworded) == beside(audited)
    assert verdict(reworded).state == verdict(audited).state
    bare = [replace(f, oracle=None) for f in audited]
    assert verdict([replace(f, name="x", audit="y") for f in bare]).state == verdict(bare).state


def test_of_several_contexts_the_strongest_counts(audited: list[Finding]) -> None:
    contexts = [f for f in audited if f.key in COLUMNS["in_context"]]
    assert len(contexts) == 3
    column = leak_values(audited)["in_context"]
    assert column["rate"] == max(f.unlearned.value or 0.0 for f in contexts)
    nothing = [f for f in audited if f.key not in COLUMNS["in_context"]]
    assert "in_context" not in leak_values(nothing)
