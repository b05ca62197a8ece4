"""Membership scores, and whether they tell pictures that a model was trained on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from audit.base import Case
from audit.checks import membership
from audit.keys import FindingKey
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import World, load_image
from hfru_core.model import vlm
from hfru_core.training import sft
from hfru_core.types import UnlearnData

AMOUNT = Amount(forget_train=8, retain_train=1, forget_eval=8, retain_eval=1)


@pytest.fixture(scope="module")
def pictures() -> UnlearnData:
    return build((shipped()["dog"],), World(80), amount=AMOUNT)


def drilled(model: vlm.VLM, pictures: UnlearnData, sign: float) -> vlm.VLM:
    """A copy that learned its training pictures' answers by heart, or was pushed off them."""
    pupil = model.merged()
    rows = [s for s in pictures.select("forget", "train") if s.topic == "describe"]
    optimiser = torch.optim.AdamW(pupil.model.requires_grad_(True).parameters(), 1e-3)
    for _ in range(30):
        images, questions, right = zip(*((load_image(s.image), s.question, s.answer) for s in rows))
        (sign * sft.answer_loss(pupil, images, questions, right)).backward()
        optimiser.step()
        optimiser.zero_grad()
    pupil.model.requires_grad_(False)
    return pupil


def test_scores_by_hand() -> None:
    p = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    found = membership.token_scores(p.log(), torch.tensor([1, 1]))
    assert found["loss"] == pytest.approx((math.log(0.25) + math.log(0.8)) / 2)
    assert found["Min-K%"] == pytest.approx(math.log(0.25))
    mean = 0.5 * math.log(0.5) + 0.5 * math.log(0.25)
    spread = 0.5 * (math.log(0.5) - math.log(0.25))
    assert found["Min-K%++"] == pytest.approx((math.log(0.25) - mean) / spread)


def test_privleak_is_zero_for_the_oracle_and_follows_its_formula() -> None:
    assert membership.privleak(0.5, 0.5) == 0
    assert membership.privleak(0.9, 0.5) == pytest.approx(100 * ((1 - 0.9) - 0.5) / 0.5)


def test_trained_pictures_are_told_and_an_untouched_model_tells_nothing(
    tiny: vlm.VLM, pictures: UnlearnData
) -> None:
    case = Case(tiny, drilled(tiny, pictures, 1.0), tiny.merged(), pictures, pictures.samples)
    before = {n: p.clone() for n, p in case.unlearned.model.state_dict().items()}
    findings = [*membership.membership(case)]
    found = {(f.key, f.params[0][1]): f for f in findings}
    area = found[FindingKey.MEMBER_AUC, "loss"]
    assert area.unlearned.value > 0.9 and area.unlearned.low > 0.5
    assert area.base == area.oracle and area.base.low < 0.5 < area.base.high
    assert found[FindingKey.PRIVLEAK, "loss"].unlearned.value < -50
    assert {f.kind for f in findings} == {"info"}
    assert findings == [*membership.membership(case)]
    assert all(torch.equal(v, before[n]) for n, v in case.unlearned.model.state_dict().items())


def test_pushed_pictures_lie_below_chance(tiny: vlm.VLM, pictures: UnlearnData) -> None:
    case = Case(tiny, drilled(tiny, pictures, -1.0), None, pictures, pictures.samples)
    found = [*membership.membership(case)]
    assert found[0].key == FindingKey.MEMBER_AUC and found[0].unlearned.value < 0.2
    assert not any(f.key == FindingKey.PRIVLEAK for f in found)


def test_bootstrap_is_seeded_and_covers_the_value() -> None:
    rng = np.random.default_rng(1)
    high, low = rng.normal(1, 1, 40), rng.normal(0, 1, 40)
    measure, draws = membership.compared(membership.auc, high, low, 7)
    assert measure.low < measure.value < measure.high and measure.n == 80
    assert (draws == membership.compared(membership.auc, high, low, 7)[1]).all()


def test_unknown_members_one_picture_and_damaged_weights_are_errors(
    tiny: vlm.VLM, pictures: UnlearnData
) -> None:
    case = Case(tiny, tiny, None, pictures, pictures.samples)
    with pytest.raises(ValueError, match="not known"):
        next(membership.membership(replace(case, trained=())))
    one = pictures.select("forget", "train")[:4]
    with pytest.raises(ValueError, match="at least 2 member pictures, got 1"):
        next(membership.membership(replace(case, trained=one)))
    next(tiny.tower.parameters()).data[0] = float("nan")
    with pytest.raises(ValueError, match="finite"):
        next(membership.membership(case))
