"""The map of neighbours, with a stand-in for umap-learn and, where it is installed, with itself."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest
from sklearn.decomposition import PCA

from audit.base import Case
from audit.checks import neighbours
from audit.checks.geometry import View
from audit.features import probing
from audit.features.probing import Picture
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.model import vlm
from hfru_core.types import UserError


def axes(n_neighbors: int, random_state: int, n_jobs: int) -> PCA:
    """Two axes under UMAP's name."""
    return PCA(2)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("umap")
    module.UMAP, module.__spec__ = axes, ModuleSpec("umap", None)
    monkeypatch.setitem(sys.modules, "umap", module)


@pytest.fixture
def view(tiny: vlm.VLM) -> View:
    """Dogs among the cats after unlearning; twenty pictures each."""
    amount = Amount(forget_train=1, retain_train=2, forget_eval=20, retain_eval=20)
    known = build((shipped()["dog"],), retain=(shipped()["cat"],), amount=amount)
    shown: list[Picture] = [p for p in probing.pictures(known) if p.split == "eval"]
    base = np.random.default_rng(0).normal(size=(len(shown), 6))
    dogs = np.array([p.concept == "dog" for p in shown])
    base[dogs, 0] += 20
    after = base.copy()
    after[dogs, 0] -= 20
    features = {"base": {"projector": base}, "unlearned": {"projector": after}}
    return View(Case(tiny, tiny, None, known), shown, features)


def gap(points: np.ndarray, dogs: np.ndarray) -> float:
    return float(np.linalg.norm(points[dogs].mean(0) - points[~dogs].mean(0)))


def check(view: View) -> None:
    found = neighbours.neighbour_map(view)
    maps = {s.name: np.array([s.x, s.y]).T for s in found.series}
    dogs = np.array([e.question == "forget: dog" for e in found.examples])
    assert set(maps) == {"map base", "map unlearned"} and dogs.sum() == 20
    assert gap(maps["map unlearned"], dogs) < 0.5 * gap(maps["map base"], dogs)
    assert found.kind == "info" and 0.7 < found.base.low < found.base.value < found.base.high <= 1
    assert neighbours.neighbour_map(view).series == found.series


def test_dogs_that_became_cats_lie_among_the_cats(view: View, stand_in: None) -> None:
    check(view)


def test_so_they_do_with_umap_itself(view: View) -> None:
    pytest.importorskip("umap", reason="umap-learn, which is optional, is not installed")
    check(view)


def test_few_pictures_are_refused_and_without_umap_nothing_is_drawn(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="needs 34 images, got 3"):
        neighbours.neighbour_map(view._replace(shown=view.shown[:3]))
    monkeypatch.setattr(neighbours, "find_spec", lambda name: None)
    assert list(neighbours.neighbours(view.case)) == []
