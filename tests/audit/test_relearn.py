"""Relearning brings back what was hidden, teaches nobody in a few steps, and leaves no trace."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.base import Case
from audit.checks import relearn
from audit.criteria import leaks
from hfru_core.adapters import folder
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import World
from hfru_core.model import vlm
from hfru_core.paths import ASSETS

AMOUNT = Amount(forget_train=8, retain_train=8, forget_eval=10, retain_eval=4)
ATTACK = relearn.Attack("forget", 8, "all", 1, "leak")
STEPS = (0, 4, 8)


def oracle(name: str) -> vlm.VLM:
    """A model that never saw a dog: it has to be taught."""
    return vlm.load(ASSETS / "oracles" / name, device="cpu")


@pytest.fixture(scope="module")
def case() -> Case:
    pictures = build((shipped()["dog"],), World(77), amount=AMOUNT)
    hidden = folder.load(vlm.load(device="cpu"), ASSETS / "adapters" / "dog")
    return Case(vlm.load(device="cpu"), hidden, oracle("dog-elephant"), pictures)


def state(model: vlm.VLM) -> dict[str, torch.Tensor]:
    return {n: p.clone() for n, p in model.model.state_dict().items()}


def test_hidden_comes_back_and_an_innocent_twin_does_not(case: Case) -> None:
    before = {name: state(m) for name, m in case.models.items()}
    found, cost = relearn.attacked(case, ATTACK, STEPS)
    curve = dict((s.name, s.y) for s in found.series)
    assert curve["unlearned"][0] < 0.2 and curve["base"][0] > 0.8
    assert leaks(found) is True
    assert cost.unlearned.value < cost.oracle.value
    for name, m in case.models.items():
        assert all(torch.equal(v, before[name][n]) for n, v in m.model.state_dict().items())
        assert not any(p.requires_grad for p in m.core.parameters())
    innocent = replace(case, unlearned=oracle("dog-elephant-11"))
    # So few pictures can show that a leak is there, and not that there is none.
    assert leaks(next(relearn.attacked(innocent, ATTACK, STEPS))) is None


def test_same_seed_same_findings(case: Case, monkeypatch) -> None:
    attack, steps = relearn.Attack("retain", 2, "tower", 1, "info"), (0, 1)
    pictures = build((shipped()["dog"],), World(77), amount=Amount(4, 4, 3, 3))
    few = replace(case, data=pictures)
    monkeypatch.setattr(relearn, "REPORTED", (1,))
    assert [*relearn.attacked(few, attack, steps)] == [*relearn.attacked(few, attack, steps)]


def test_lessons_are_disjoint_from_what_is_measured(case: Case) -> None:
    shown = {s.image for s in relearn.training_examples(case, ATTACK, 0)}
    assert len(shown) == 8
    assert not shown & {s.image for s in case.data.samples if s.split == "eval"}


def test_spread_takes_concepts_in_turn_and_fewer_are_the_first_of_more() -> None:
    both = build((shipped()["dog"], shipped()["elephant"]), World(5), amount=AMOUNT)
    rows = both.select("forget", "train")
    four, six = (relearn.spread(rows, n, random.Random(3)) for n in (4, 6))
    concept = {s.image: s.concept_id for s in rows}
    assert six[:4] == four
    assert sorted(concept[key] for key in four) == ["dog", "dog", "elephant", "elephant"]


def test_half_is_reached_at_the_first_checkpoint_or_at_the_last() -> None:
    steps = (0, 1, 2, 4)
    curves = ([0, 0.2, 0.6, 0.9], [0, 0.1, 0.2, 0.3], [0.5, 0.1, 0.1, 0.1])
    assert [relearn.first_step(0.5, np.array(c), steps) for c in curves] == [2, 4, 0]
    sure, never = np.zeros((1, 4, 9)), np.zeros((1, 4, 5))
    sure[:, 2:] = 1
    cost = relearn.cost(0.5, (sure, never), steps, np.random.default_rng(0))
    assert (cost.value, cost.low, cost.high, cost.n) == (2, 2, 2, 9)


def test_naming_everything_is_no_recovery() -> None:
    every = np.ones((2, 3, 40)), np.ones((2, 3, 20))
    measure = relearn.reported(every, STEPS)
    assert measure.value == 0 and measure.low < 0 < measure.high


def test_a_base_that_names_nothing_gives_no_value(case: Case) -> None:
    silent = (np.zeros((1, 3, 5)), np.zeros((1, 3, 5)))
    found = relearn.half(case, ATTACK, {"base": silent, "unlearned": silent}, STEPS, ())
    assert found.error and found.unlearned.value is None


def test_weights_that_are_no_numbers_and_missing_pictures_are_errors(case: Case) -> None:
    broken = vlm.load(device="cpu")
    next(broken.tower.parameters()).data.fill_(float("nan"))
    with pytest.raises(ValueError, match="finite"):
        list(relearn.attacked(replace(case, base=broken), ATTACK, STEPS))
    for kept, missing in (("retain", "forget"), ("forget", "retain")):
        bare = replace(case.data, samples=tuple(s for s in case.data.samples if s.role == kept))
        with pytest.raises(ValueError, match=f"no {missing} images"):
            list(relearn.attacked(replace(case, data=bare), ATTACK, STEPS))
