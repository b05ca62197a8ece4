"""The original's decoder behind the unlearned encoder: hidden is seen, forgotten is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from audit.base import Case
from audit.checks import encoder
from audit.checks.encoder import read_behind
from audit.checks.images import asked
from audit.criteria import leaks
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.evaluate import answers
from hfru_core.model import vlm
from hfru_core.model.vlm import VLM
from hfru_core.types import UnlearnData

FEW = Amount(forget_train=1, retain_train=1, forget_eval=24, retain_eval=30)


@pytest.fixture(scope="module")
def data() -> UnlearnData:
    return build((shipped()["dog"],), amount=FEW)


def silenced() -> VLM:
    """The bundled model with a decoder that can't say anything."""
    model = vlm.load(device="cpu")
    with torch.no_grad():
        for p in model.decoder.layers.parameters():
            p.mul_(-1.0)
    return model


def blind() -> VLM:
    """The bundled model with a tower that sees nothing."""
    model = vlm.load(device="cpu")
    with torch.no_grad():
        for p in model.tower.parameters():
            p.mul_(0.0)
    return model


def test_a_silenced_decoder_hides_nothing_and_what_does_not_fit_tells_nothing(
    data: UnlearnData,
) -> None:
    base = vlm.load(device="cpu")
    (found,) = encoder.encoder(Case(base, silenced(), None, data))
    assert leaks(found) is True and found.unlearned.value == 1.0 and found.chance == 0.0
    (nothing,) = encoder.encoder(Case(base, blind(), None, data))
    assert leaks(nothing) is None and "do not fit" in nothing.note


def test_tower_and_projector_are_put_in_one_after_the_other(
    tiny: VLM, other_folder, small_data: UnlearnData
) -> None:
    other = vlm.load(other_folder, device="cpu")
    rows = asked(Case(tiny, other, None, small_data), "forget")
    before = answers(tiny, rows)
    found = read_behind(Case(tiny, other, None, small_data), rows)
    assert list(found) == ["tower", "projector"] and answers(tiny, rows) == before
    whole = replace(tiny.merged())
    for part, source in ((whole.tower, other.tower), (whole.projector, other.projector)):
        part.load_state_dict(source.state_dict())
    assert found["projector"] == answers(whole, rows)
