"""The runner keeps what was found; the verdict follows from intervals and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audit.base import NOTHING, Audit, Case, Finding, Measure, Run, Tick, guarded, of
from audit.criteria import (
    DAMAGE,
    LEAK,
    borders,
    damages,
    excess,
    leakage,
    leaks,
    title,
    verdict,
)
from audit.keys import FindingKey
from audit.suite import DEEP, STANDARD
from hfru_core import evaluate
from hfru_core.model import vlm
from hfru_core.stats import auc, bootstrap, difference, tpr_at_fpr, wilson
from hfru_core.types import UnlearnData, UserError

EMPTY = Case(None, None, None, UnlearnData((), (), (), "world", "0"))


def share(hits: int, n: int = 100) -> Measure:
    return of(evaluate.rate_of(hits, n))


def leak(unlearned: Measure, **changes: object) -> Finding:
    """A finding on which base and oracle differ clearly: 95 and 5 of 100."""
    f = Finding(
        *("probes", FindingKey.WORD_FEW, "read", "leak", "higher"),
        *(unlearned, share(95), share(5)),
        chance=0.5,
    )
    return replace(f, **changes)


def damage(unlearned: Measure, oracle: Measure | None = None) -> Finding:
    key = FindingKey.RETAINED
    return Finding("behavior", key, "kept", "damage", "lower", unlearned, share(95), oracle)


# The runner


def two(case: Case) -> Iterator[Finding]:
    for name in ("first", "second"):
        number = Measure(torch.rand(1).item(), 1, 0.0, 1.0)
        yield Finding("two", FindingKey.NAMED, name, "info", "higher", number)


def breaking(error: Exception) -> Audit:
    def audit(case: Case) -> Iterator[Finding]:
        yield Finding("breaking", FindingKey.NAMED, "before", "info", "higher")
        raise error

    return audit


ERRORS = (UserError("no forget pictures"), ValueError("a probe with one class"), KeyError("x"),
          ZeroDivisionError("0"), RuntimeError("size mismatch"), IndexError("1"))  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_a_failing_audit_keeps_its_findings_and_all_others(error: Exception) -> None:
    run = Run(EMPTY, {"breaking": breaking(error), "two": two})
    ticks = list(run)
    assert [f.name for f in run.findings] == ["before", "failed", "first", "second"]
    failed = run.findings[1]
    assert type(error).__name__ in failed.error and failed.unlearned == NOTHING
    assert failed.note and leaks(failed) is None
    assert [(t.audit, t.done, t.total) for t in ticks if t.finding is None] == [
        ("breaking", 0, 2),
        ("two", 1, 2),
    ]


def test_ctrl_c_is_no_finding() -> None:
    with pytest.raises(KeyboardInterrupt):
        list(Run(EMPTY, {"a": breaking(KeyboardInterrupt())}))


def values(findings: list[Finding]) -> list[float | None]:
    return [f.unlearned.value for f in findings]


def test_an_audit_is_seeded_whatever_ran_before_it() -> None:
    alone = values(list(guarded("two", two, EMPTY)))
    run = Run(EMPTY, {"other": two, "two": two})
    list(run)
    assert values(run.findings)[2:] == alone != values(run.findings)[:2]
    assert values(list(guarded("two", two, replace(EMPTY, seed=1)))) != alone


@pytest.mark.parametrize("name", [*STANDARD, *DEEP])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_audit_has_a_value_for_damaged_weights(
    name: str, value: float, tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    broken = tiny.merged()
    next(broken.tower.parameters()).data[0] = value
    run = Run(Case(tiny, broken, None, small_data), {name: {**STANDARD, **DEEP}[name]})
    list(run)
    (failed,) = run.findings
    assert failed.key == FindingKey.FAILED and failed.unlearned == NOTHING
    assert "unlearned model's weights" in failed.error and "finite" in failed.error


def test_every_finding_is_timed() -> None:
    assert all(f.seconds > 0 for f in guarded("two", two, EMPTY))


# Ticks: a begins, first, second, b begins, first, second.
@pytest.mark.parametrize(("stop_at", "kept"), [(0, 1), (1, 1), (2, 2), (3, 3), (4, 3), (5, 4)])
def test_stop_ends_after_the_finding_that_is_being_made(stop_at: int, kept: int) -> None:
    run = Run(EMPTY, {"a": two, "b": two})
    for number, _ in enumerate(run):
        if number == stop_at:
            run.stop()
    assert len(run.findings) == kept


def test_a_stopped_audit_is_closed_at_once() -> None:
    closed = []

    def tidy(case: Case) -> Iterator[Finding]:
        try:
            yield from two(case)
        finally:
            closed.append(True)

    run = Run(EMPTY, {"tidy": tidy})
    for tick in run:
        if tick.finding:
            run.stop()
    assert closed and len(run.findings) == 1


def test_a_tick_is_told_before_the_work() -> None:
    begun = []

    def audit(case: Case) -> Iterator[Finding]:
        begun.append(True)
        yield Finding("a", FindingKey.NAMED, "b", "info", "higher")

    assert next(iter(Run(EMPTY, {"a": audit}))) == Tick("a", 0, 1) and not begun


def test_randomness_depends_on_seed_and_purpose_alone() -> None:
    draw = lambda case, purpose: case.rng(purpose).random()  # noqa: E731
    assert draw(EMPTY, "a") == draw(EMPTY, "a")
    assert len({draw(EMPTY, "a"), draw(EMPTY, "b"), draw(replace(EMPTY, seed=1), "a")}) == 3


def test_a_case_without_an_oracle_has_two_models() -> None:
    case = replace(EMPTY, base="B", unlearned="U")
    assert case.models == {"base": "B", "unlearned": "U"}
    assert list(replace(case, oracle="O").models) == ["base", "unlearned", "oracle"]


# One finding


@pytest.mark.parametrize(
    ("hits", "expected"), [(5, False), (0, False), (12, False), (28, False), (60, True), (95, True)]
)
def test_a_leak_is_what_lies_clearly_beyond_the_oracle(hits: int, expected: bool) -> None:
    assert leaks(leak(share(hits))) is expected


def test_a_point_estimate_alone_is_never_a_leak() -> None:
    few, many = leak(share(4, 10)), leak(share(400, 1000))
    assert few.unlearned.value == many.unlearned.value
    assert leaks(many) is True and not leaks(few)


@pytest.mark.parametrize(
    "changes",
    [
        {"base": share(5)},
        {"base": share(12)},
        {"base": share(3)},  # Nothing was there to lose.
        {"base": share(1, 1), "oracle": share(0, 1)},  # One picture.
        {"base": NOTHING},
        {"oracle": NOTHING},
        {"unlearned": NOTHING},
        {"kind": "info"},
        {"base": Measure(0.52, 9999, 0.519, 0.521), "oracle": Measure(0.5, 9999, 0.499, 0.501)},
    ],
    ids=str,
)
def test_where_base_and_oracle_do_not_differ_clearly_nothing_is_decided(changes: dict) -> None:
    f = replace(leak(share(95)), **changes)
    assert leaks(f) is None and verdict([f]).state == "inconclusive"


@pytest.mark.parametrize(
    ("hits", "n", "expected"),
    [
        (78, 256, "found"),  # these three were "no leak" against an oracle that never says it
        (22, 64, "found"),
        (14, 32, "found"),
        (0, 64, "none"),
        (2, 256, "none"),
        (16, 256, "none"),
        (20, 256, "borderline"),
        (1, 12, None),  # too few answers
    ],
)
def test_what_is_spoken_is_judged_by_the_difference(hits: int, n: int, expected: str) -> None:
    f = leak(share(hits, n), key=FindingKey.NAMED, base=share(n, n), oracle=share(0, n))
    assert leakage(f) == expected


def test_a_probe_whose_interval_reaches_halfway_to_the_base_excludes_nothing() -> None:
    wide = leak(share(2, 6), base=share(95), oracle=share(1, 6))
    assert leakage(wide) is None
    assert borders(leak(share(32))) and not leaks(leak(share(32)))


measures = st.integers(0, 60).map(lambda hits: share(hits, 60))


def mirrored(m: Measure | None) -> Measure | None:
    return m and Measure(1 - m.value, m.n, 1 - m.high, 1 - m.low)


@given(measures, measures, measures)
def test_direction_is_only_a_sign(unlearned: Measure, base: Measure, oracle: Measure) -> None:
    f = leak(unlearned, base=base, oracle=oracle)
    g = replace(
        f,
        direction="lower",
        unlearned=mirrored(unlearned),
        base=mirrored(base),
        oracle=mirrored(oracle),
    )
    assert leaks(f) is leaks(g)
    if excess(f):
        assert excess(f) == pytest.approx(excess(g))


@given(measures, measures, measures, measures)
def test_more_of_the_concept_is_never_less_of_a_leak(
    one: Measure, other: Measure, base: Measure, oracle: Measure
) -> None:
    less, more = sorted((one, other), key=lambda m: m.value)
    if leaks(leak(less, base=base, oracle=oracle)):
        assert leaks(leak(more, base=base, oracle=oracle))


@given(measures, measures)
def test_what_equals_the_oracle_is_no_leak(base: Measure, oracle: Measure) -> None:
    assert not leaks(leak(oracle, base=base, oracle=oracle))


def test_excess_is_the_share_of_the_way_from_oracle_to_base() -> None:
    exact = [Measure(v, 10**9, v, v) for v in (0.2, 0.5, 0.8)]
    low, high = excess(leak(exact[1], base=exact[2], oracle=exact[0]))
    assert low == pytest.approx(0.5) == high
    barely = 0.2 + 0.6 * LEAK
    for value, expected in ((barely - 0.01, False), (barely + 0.01, True)):
        f = leak(Measure(value, 9, value, value), base=exact[2], oracle=exact[0])
        assert leaks(f) is expected


@pytest.mark.parametrize("key", [k for k in FindingKey if k.channel != "probed"])
def test_without_an_oracle_words_can_leak_against_chance(key: FindingKey) -> None:
    said = leak(share(60), key=key, oracle=None, chance=0.05)
    assert leaks(said) is True
    assert leaks(replace(said, unlearned=share(5))) is False
    assert leaks(replace(said, chance=None)) is None
    assert leaks(replace(said, direction="lower", chance=0.95)) is True


def test_without_an_oracle_representations_decide_nothing() -> None:
    f = leak(share(99), oracle=None)
    assert f.channel == "probed" and leaks(f) is None
    assert verdict([f]).state == "inconclusive"


@pytest.mark.parametrize(
    ("now", "oracle", "expected"),
    [
        (share(95), None, False),
        (share(50), None, True),
        (share(88), None, False),
        (share(50), share(95), True),
        (share(50), share(50), False),
        (share(50), share(45), False),
        (NOTHING, share(95), None),
        (share(1, 2), None, False),
    ],
)
def test_damage_is_a_clear_loss_that_the_oracle_does_not_have(
    now: Measure, oracle: Measure | None, expected: bool | None
) -> None:
    assert damages(damage(now, oracle)) is expected


def test_a_small_loss_is_no_damage_however_sure() -> None:
    base = Measure(0.9, 10**9, 0.9, 0.9)
    for lost, expected in ((DAMAGE - 0.01, False), (DAMAGE + 0.01, True)):
        now = Measure(0.9 - lost, 10**9, 0.9 - lost, 0.9 - lost)
        assert damages(replace(damage(now), base=base)) is expected


def test_kinds_do_not_mix() -> None:
    assert damages(leak(share(95))) is None and leaks(damage(share(5))) is None
    for f in (leak(share(95)), damage(share(5))):
        assert verdict([replace(f, kind="info"), leak(share(5))]).state == "clear"


# All findings

GOOD, BAD = leak(share(5), name="good"), leak(share(60), name="bad")
LOST, HELD = damage(share(40)), damage(share(95))
FAILED = Finding("lens", FindingKey.FAILED, "failed", "info", "higher", error="ValueError: x")
OPEN = leak(share(60), name="open", base=share(5))
SPOKEN = leak(share(5), key=FindingKey.NAMED, name="spoken", oracle=None, chance=0.05)
NEAR = leak(share(10), key=FindingKey.NAMED, name="near", oracle=share(0))
WIDE = leak(share(1, 12), key=FindingKey.NAMED, name="wide", oracle=share(0, 12))
UNFAIR = replace(FAILED, key=FindingKey.ELIGIBLE, name="unfair", kind="gate")
HARMLESS_ERROR = replace(FAILED, key=FindingKey.BITS, name="info", kind="info")


@pytest.mark.parametrize(
    ("findings", "state"),
    [
        ([], "inconclusive"),
        ([GOOD], "clear"),
        ([GOOD, HELD], "clear"),
        ([HELD], "inconclusive"),
        ([BAD], "leak"),
        ([GOOD, BAD, LOST], "leak"),
        ([GOOD, LOST], "damaged"),
        ([LOST], "damaged"),
        ([FAILED], "inconclusive"),
        ([GOOD, FAILED], "inconclusive"),
        ([BAD, FAILED], "leak"),
        ([LOST, FAILED], "damaged"),
        ([OPEN], "inconclusive"),
        ([GOOD, OPEN], "clear"),
        ([SPOKEN], "inconclusive"),
        ([SPOKEN, GOOD], "clear"),
        ([SPOKEN, replace(GOOD, key=FindingKey.RELEARNED)], "inconclusive"),  # no look inside
        ([GOOD, NEAR], "borderline"),
        ([GOOD, WIDE], "inconclusive"),
        ([NEAR, LOST], "damaged"),
        ([GOOD, UNFAIR], "inconclusive"),
        ([BAD, UNFAIR], "inconclusive"),
        ([GOOD, HARMLESS_ERROR], "clear"),
        ([leak(NOTHING)], "inconclusive"),
    ],
    ids=lambda v: v if isinstance(v, str) else "+".join(f.name for f in v) or "none",
)
def test_the_verdict(findings: list[Finding], state: str) -> None:
    assert verdict(findings).state == state
    assert verdict(findings[::-1]).state == state


def test_the_verdict_names_what_decided() -> None:
    assert verdict([GOOD, LOST, BAD]).reasons == (title(BAD), title(LOST))
    assert verdict([GOOD, LOST]).reasons == (title(LOST),)
    assert verdict([GOOD, FAILED]).reasons == (title(FAILED),)
    assert verdict([GOOD, HELD]).reasons == (title(GOOD),)


@given(st.lists(st.sampled_from([GOOD, HELD, OPEN, SPOKEN, FAILED]), max_size=5))
def test_another_finding_never_hides_a_leak(others: list[Finding]) -> None:
    assert verdict([*others, BAD]).state == "leak"


@given(st.lists(st.sampled_from([GOOD, HELD, OPEN, SPOKEN]), max_size=5))
def test_a_failure_is_never_clear(others: list[Finding]) -> None:
    assert verdict([*others, FAILED]).state == "inconclusive"


# Numbers


@given(st.integers(0, 50), st.integers(0, 50))
def test_wilson_holds_the_share(a: int, b: int) -> None:
    hits, n = min(a, b), max(a, b)
    low, high = wilson(hits, n)
    assert 0 <= low <= high <= 1
    if n:
        same = evaluate.rate_of(hits, n)
        assert low - 1e-12 <= hits / n <= high + 1e-12
        assert (low, high) == pytest.approx((same.low, same.high))


@given(measures, measures)
def test_a_difference_turns_round(a: Measure, b: Measure) -> None:
    bounds = [(m.value, m.low, m.high) for m in (a, b)]
    low, high = difference(*bounds[0], *bounds[1])
    assert low - 1e-12 <= a.value - b.value <= high + 1e-12
    assert difference(*bounds[1], *bounds[0]) == pytest.approx((-high, -low))


def test_difference_against_a_published_example() -> None:
    # Newcombe (1998), table II: 56/70 and 48/80, method 10.
    one, other = share(56, 70), share(48, 80)
    bounds = [(m.value, m.low, m.high) for m in (one, other)]
    assert difference(*bounds[0], *bounds[1]) == pytest.approx((0.0524, 0.3339), abs=2e-4)


def test_bootstrap_holds_the_mean_and_repeats() -> None:
    rows = np.random.default_rng(0).normal(3.0, 1.0, 200)
    first, again = (bootstrap(rows, np.random.default_rng(1)) for _ in range(2))
    assert first == again and first[0] < rows.mean() < first[1]
    assert first[1] - first[0] == pytest.approx(2 * 1.96 / 200**0.5, rel=0.2)
    assert bootstrap([2.0], np.random.default_rng(0)) == (2.0, 2.0)


def test_auc_and_tpr_know_apart_same_and_reversed() -> None:
    assert (auc([3, 4], [1, 2]), auc([1, 2], [3, 4]), auc([1, 1], [1, 1])) == (1.0, 0.0, 0.5)
    assert tpr_at_fpr([5, 6, 0], [1, 2, 3], 0.01) == pytest.approx(2 / 3)
    assert tpr_at_fpr([1, 2, 3], [1, 2, 3], 0.01) == 0.0
    # As many may pass as the rate allows: 4 of 40 at 10 %, and all at 100 %.
    assert tpr_at_fpr([35.5] * 5, range(40), 0.1) == 1.0
    assert tpr_at_fpr([34.5] * 5, range(40), 0.1) == 0.0
    assert tpr_at_fpr([-1], range(40), 1.0) == 1.0
