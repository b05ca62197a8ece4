"""Similarity and distances on features whose answer is known, and the map on a tiny model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.base import Case, Finding, guarded
from audit.checks.geometry import (
    View,
    abstractions,
    cka,
    distances,
    embedding_map,
    geometry,
    inner,
    jackknife,
    laid_over,
    look,
    separation,
    similarities,
)
from audit.features import probing
from audit.keys import FindingKey
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.model import vlm
from hfru_core.types import UnlearnData, UserError


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_cka_is_its_formula(rng: np.random.Generator) -> None:
    """Kornblith et al. 2019, in features instead of inner products."""
    x, y = rng.normal(size=(20, 5)), rng.normal(size=(20, 7))
    x, y = x - x.mean(0), y - y.mean(0)
    plain = np.linalg.norm(y.T @ x) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert cka(inner(x + 3), inner(y - 1)) == pytest.approx(plain)


def test_cka_forgets_rotation_and_scale_and_nothing_else(rng: np.random.Generator) -> None:
    x = rng.normal(size=(400, 6))
    turned = 3 * x @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 5
    assert cka(inner(x), inner(turned)) == pytest.approx(1)
    assert cka(inner(x), inner(rng.normal(size=(400, 6)))) < 0.05


def test_separation_counts_the_spread_within_a_class(rng: np.random.Generator) -> None:
    one, other = rng.normal(size=(4000, 4)), rng.normal(size=(4000, 4))
    other[:, 0] += 6
    assert separation(one, other) == pytest.approx(3, rel=0.05)  # 6 / sqrt(4)
    assert separation(7 * one, 7 * other) == pytest.approx(separation(one, other))


def test_few_pictures_of_one_class_look_no_farther_apart(rng: np.random.Generator) -> None:
    gaps = [separation(*rng.normal(size=(2, 5, 100))) for _ in range(200)]
    assert np.median(gaps) < 0.1


def test_jackknife_covers_a_known_mean(rng: np.random.Generator) -> None:
    x, rows, hits = rng.normal(size=(300, 40)), np.arange(40), 0
    for row in x:
        m = jackknife(lambda g: row[g[0]].mean(), [rows], least=-9)  # noqa: B023
        hits += m.low <= 0 <= m.high
    assert 0.9 <= hits / 300 <= 0.99
    with pytest.raises(UserError, match="At least 3"):
        jackknife(lambda g: 0.0, [rows, rows[:2]])


# Findings.


@pytest.fixture(scope="module")
def few_dogs() -> UnlearnData:
    near = tuple(shipped()[i] for i in ("cat", "horse"))
    amount = Amount(forget_train=1, retain_train=2, forget_eval=6, retain_eval=8)
    return build((shipped()["dog"],), retain=near, amount=amount)


@pytest.fixture(autouse=True)
def few_vague(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "VAGUE", {"train": 1, "eval": 5})


def view_of(tiny: vlm.VLM, known: UnlearnData, **models: np.ndarray) -> View:
    shown = [
        p for p in probing.pictures(known) + probing.vague_images(known, 0) if p.split == "eval"
    ]
    found = {
        m: {"tower 0": x[: len(shown)], "projector": x[: len(shown)]} for m, x in models.items()
    }
    return View(Case(tiny, tiny, None, known), shown, found)


def moved(view: View, x: np.ndarray, onto: str) -> View:
    """The dogs of the unlearned model put among other pictures."""
    y, dogs, there = x.copy(), view.of("dog"), view.of(onto)
    y[dogs] += x[there].mean(0) - x[dogs].mean(0)
    layers = dict.fromkeys(view.features["base"], y)
    return view._replace(features={**view.features, "unlearned": layers})


@pytest.fixture
def view(tiny: vlm.VLM, few_dogs: UnlearnData, rng: np.random.Generator) -> View:
    """Three classes far apart, the same in both models."""
    plain = view_of(tiny, few_dogs, base=np.zeros((60, 6)), unlearned=np.zeros((60, 6)))
    x = rng.normal(size=(len(plain.shown), 6))
    for axis, concept in enumerate(("dog", "cat", "horse", "animal")):
        x[plain.of(concept), axis] += 12
    return view_of(tiny, few_dogs, base=x, unlearned=x)


def test_a_concept_that_moves_onto_its_abstraction_is_seen(view: View) -> None:
    x = view.features["base"]["projector"]
    after = next(abstractions(moved(view, x, "animal")))
    assert after.unlearned.value < 0.5 < 3 < after.base.value
    assert after.unlearned.low <= after.unlearned.value <= after.unlearned.high
    assert {s.name for s in after.series} == {"base", "unlearned"}
    stays = next(distances(view))
    assert stays.unlearned == stays.base and stays.base.value > 3


def test_similarity_falls_on_the_pictures_that_moved_only(view: View) -> None:
    x = view.features["base"]["projector"].copy()
    x[view.of("forget")] = np.random.default_rng(1).normal(size=(6, 6))
    changed = {**view.features, "unlearned": dict.fromkeys(view.features["base"], x)}
    found = {f.key: f for f in similarities(view._replace(features=changed))}
    assert found[FindingKey.CKA_BASE_RETAIN].unlearned.value == pytest.approx(1)
    assert found[FindingKey.CKA_BASE_FORGET].unlearned.value < 0.95
    assert all(f.kind == "info" and f.base.value is None for f in found.values())


def test_maps_before_and_after_are_linked_by_image(view: View) -> None:
    x = view.features["base"]["projector"]
    found = next(embedding_map(moved(view, x, "animal")))
    maps = {s.name: np.array([s.x, s.y]).T for s in found.series}
    assert set(maps) == {"map base", "map unlearned"}
    assert [e.image for e in found.examples] == [p.key for p in view.shown]
    assert {e.question for e in found.examples} == {
        "forget: dog",
        "retain: cat",
        "retain: horse",
        "abstraction: animal",
    }
    dogs = np.isin(np.arange(len(view.shown)), view.of("dog"))
    shift = np.linalg.norm(maps["map base"] - maps["map unlearned"], axis=1)
    assert np.allclose(shift[~dogs], 0) and (shift[dogs] > 1).all()


def test_points_on_the_map_carry_what_was_said(view: View) -> None:
    found = next(embedding_map(view))
    told = [e for e in found.examples if not e.question.startswith("abstraction")]
    assert told and all(e.base and e.base == e.unlearned for e in told)


def test_an_oracle_is_laid_over_the_retained_pictures() -> None:
    rng = np.random.default_rng(0)
    base, rows = rng.normal(size=(20, 2)), np.arange(12)
    turn = np.array([[0.0, -1.0], [-1.0, 0.0]])
    assert np.allclose(laid_over(3 * base @ turn + 5, base, rows), base)
    other = base.copy()
    other[12:] += 9  # what is not retained does not move the map
    assert np.allclose(laid_over(other, base, rows)[:12], base[:12])


def test_photographs_have_no_abstraction_to_measure(view: View) -> None:
    shown = [p for p in view.shown if p.role != "abstraction"]
    found = next(abstractions(view._replace(shown=shown)))
    assert found.unlearned.value is None and found.error is None and "no images" in found.note


def test_one_forget_picture_is_an_error_and_not_a_number(
    tiny: vlm.VLM, few_dogs: UnlearnData
) -> None:
    key = next(s.image for s in few_dogs.select("forget", "eval"))
    kept = tuple(s for s in few_dogs.samples if s.role == "retain" or s.image == key)
    found = list(
        guarded("geometry", geometry, Case(tiny, tiny, None, replace(few_dogs, samples=kept)))
    )
    assert [f.key for f in found if f.error] == [
        FindingKey.SIMILARITIES,
        FindingKey.DISTANCES,
        FindingKey.ABSTRACTIONS,
    ]
    assert all(f.unlearned.value is None for f in found if f.error)


def bare(findings: list[Finding]) -> list[Finding]:
    return [replace(f, seconds=0.0) for f in findings]


def test_same_seed_same_findings_and_untouched_models(
    tiny: vlm.VLM, other_folder, few_dogs: UnlearnData
) -> None:
    other = vlm.load(other_folder, device="cpu")
    before = {k: v.clone() for k, v in tiny.core.state_dict().items()}
    case = Case(tiny, tiny, other, few_dogs)
    first, again = (bare(list(guarded("geometry", geometry, replace(case)))) for _ in range(2))
    assert first == again and not any(f.error for f in first)
    assert all(torch.equal(v, before[k]) for k, v in tiny.core.state_dict().items())
    alike = {f.key: f for f in first}[FindingKey.CKA_BASE_FORGET]
    assert alike.unlearned.value == pytest.approx(1) and alike.oracle.value < 0.999
    assert {f.kind for f in first} == {"info"}


def test_damaged_weights_are_an_error(tiny: vlm.VLM, few_dogs: UnlearnData) -> None:
    broken = tiny.merged()
    next(broken.tower.parameters()).data.fill_(float("nan"))
    with pytest.raises(ValueError, match="unlearned model's features"):
        look(Case(tiny, broken, None, few_dogs))
