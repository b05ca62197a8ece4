"""Changed pictures: what they look like, what they bring back, and how far a push may go."""

import random
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from audit.base import Case
from audit.checks import images, pixels
from audit.criteria import leaks
from audit.keys import FindingKey
from hfru_core.adapters import folder
from hfru_core.concepts import shipped
from hfru_core.data import drawn
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import World, load_image
from hfru_core.model import vlm
from hfru_core.paths import ASSETS

ADAPTER = ASSETS / "adapters" / "dog"
AMOUNT = Amount(forget_train=1, retain_train=1, forget_eval=10, retain_eval=4)


@dataclass(kw_only=True)
class Pretender(vlm.VLM):
    """Honest about the pictures that it knows, the base model about any other."""

    honest: vlm.VLM
    known: frozenset[bytes]

    def answer(self, pictures, questions, max_new=32):
        honest = self.honest.answer(pictures, questions, max_new)
        plain = super().answer(pictures, questions, max_new)
        rows = zip(pictures, honest, plain)
        return [h if image.tobytes() in self.known else p for image, h, p in rows]


@pytest.fixture(scope="module")
def case() -> Case:
    pictures = build((shipped()["dog"],), World(79), amount=AMOUNT)
    hidden = folder.load(vlm.load(device="cpu"), ADAPTER)
    return Case(vlm.load(device="cpu"), hidden, hidden, pictures)


@pytest.mark.parametrize("change", images.CHANGES)
@pytest.mark.parametrize("key", ["world:1/eval/dog/0", "world:1/eval/Tobin Harrick/0"])
def test_a_change_keeps_the_size_of_the_image(change: str, key: str) -> None:
    image = load_image(key)
    changed, again, *others = (
        images.CHANGES[change].apply(key, random.Random(i)) for i in (1, 1, 2, 3, 4, 5)
    )
    assert changed.size == image.size and changed.mode == "RGB"
    assert changed.tobytes() == again.tobytes() != image.tobytes()
    drawn_at_random = change != "flip" and not (change == "style" and "Tobin" in key)
    assert any(other.tobytes() != changed.tobytes() for other in others) is drawn_at_random


def test_another_style_is_the_same_scene() -> None:
    key = next(
        k
        for k in (f"world:1/eval/dog/{i}" for i in range(50))
        if drawn.picture_of(k).style == "sketch"
    )
    sketch = np.asarray(load_image(key), float)
    others = [np.asarray(images.restyled(key, random.Random(i)), float) for i in range(4)]
    assert np.ptp(sketch, axis=-1).mean() < 15 < max(np.ptp(o, axis=-1).mean() for o in others)


def test_names_only_what_is_there() -> None:
    both = build((shipped()["dog"], shipped()["elephant"]), World(5), amount=AMOUNT)
    dog = next(s for s in both.select("forget", "eval") if s.names == ("dog",))
    dog = replace(dog, topic="name")
    assert images.names_it(both, dog, "A dog.")
    assert not images.names_it(both, dog, "An elephant.")
    assert images.names_it(both, replace(dog, names=("dog", "elephant")), "An elephant.")
    other = next(s for s in both.select("retain", "eval") if s.image)
    assert images.names_it(both, replace(other, topic="name"), "An elephant.")


def test_what_comes_back_in_another_look_is_a_leak(case: Case) -> None:
    rows = images.asked(case, "forget")
    base = case.base
    pretender = Pretender(
        base.model,
        base.processor,
        base.family,
        base.device,
        base.name,
        honest=case.unlearned,
        known=frozenset(load_image(s.image).tobytes() for s in rows),
    )
    planted = {f.key: f for f in images.images(replace(case, unlearned=pretender))}
    assert planted[FindingKey.UNCHANGED].unlearned.value < 0.2
    worst = planted[FindingKey.ANY_CHANGE]
    assert leaks(worst) is True and worst.examples
    honest = [*images.images(case)]
    assert leaks(honest[0]) is False
    assert honest == [*images.images(replace(case))]


def test_a_push_stays_in_its_budget_and_does_what_it_should(case: Case) -> None:
    rows = images.asked(case, "forget")[:3]
    model = case.unlearned.merged()
    before = {n: p.clone() for n, p in model.model.state_dict().items()}
    targets = [s.answer for s in rows]
    nothing = pixels.perturb(model, rows, targets, 0)
    found = pixels.perturb(model, rows, targets, 8)
    for clean, image in zip(nothing, found):
        gap = np.abs(np.asarray(clean, int) - np.asarray(image, int))
        assert 0 < gap.max() <= 8
    questions = [s.question for s in rows]
    assert model.answer(nothing, questions) == model.answer(
        [load_image(s.image) for s in rows], questions
    )

    def loss(pictures: list) -> float:
        with torch.no_grad():
            inputs = model.inputs(pictures, questions)
            return pixels.target_loss(model, inputs, pixels.encode_answers(model, targets)).item()

    assert loss(found) < 0.5 * loss(nothing)
    assert all(torch.equal(v, before[n]) for n, v in model.model.state_dict().items())


def test_pgd_pairs_forgotten_with_retained_pictures(case: Case, monkeypatch) -> None:
    monkeypatch.setattr(pixels, "ATTACKED", 2)
    monkeypatch.setattr(pixels, "PGD_STEPS", 1)
    found = [*pixels.pgd(replace(case, oracle=None))]
    assert [f.kind for f in found] == ["leak", "info"] * len(pixels.BUDGETS)
    assert all(f.unlearned.n == 2 and f.oracle is None for f in found)
    assert all((leaks(f) is None) is (f.kind == "info") for f in found)  # by their chance
    assert found == [*pixels.pgd(replace(case, oracle=None))]


def test_a_pattern_is_in_the_corners_alone_and_is_held_against_other_pictures(
    case: Case, monkeypatch
) -> None:
    monkeypatch.setattr(pixels, "FEW", 3)
    monkeypatch.setattr(pixels, "FEW_STEPS", 1)
    monkeypatch.setattr(pixels, "PATCH_STEPS", 1)
    push, patch = pixels.briefly(case)
    assert (push.key, patch.key) == (FindingKey.PGD, FindingKey.PATCH)
    assert patch.base.value > 0.5 and patch.chance == 0.0
    with case.opened("base") as base:
        rows = images.asked(case, "forget")[:2]
        pattern = pixels.patch_for(base, rows, [s.answer for s in rows])
        mask = pixels.corners(pattern)
    assert ((pattern != 0.5) <= mask.bool()).all() and 0.1 < mask.mean() < 0.2


def test_no_forget_pictures_is_an_error(case: Case) -> None:
    bare = replace(case.data, samples=case.data.select("retain", "eval"))
    for audit in (images.images, pixels.pgd, pixels.briefly):
        with pytest.raises(ValueError, match="no forget images"):
            next(audit(replace(case, data=bare)))
