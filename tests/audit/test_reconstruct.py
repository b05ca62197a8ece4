"""Drawings from image tokens: coordinates are undone, noise is not read, strangers are refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from audit.base import NOTHING, Case, guarded
from audit.checks.reconstruct import (
    FOLDER,
    INFO,
    WEIGHTS,
    Painter,
    carried,
    drawings,
    load_painter,
    paint,
    reconstruct,
)
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.model import vlm
from hfru_core.types import UnlearnData, UserError

FEW = Amount(forget_train=1, retain_train=32, forget_eval=10, retain_eval=16)


@pytest.fixture(scope="module")
def bundled() -> vlm.VLM:
    return vlm.load(device="cpu")


@pytest.fixture(scope="module")
def faces() -> UnlearnData:
    return build((shipped()["tobin_harrick"],), amount=FEW)


@pytest.fixture
def folder(tiny: vlm.VLM, tmp_path: Path) -> Path:
    """A painter of the random model, untrained."""
    torch.manual_seed(0)
    shape = {"side": 7, "width": 128, "hidden": 8}
    save_file(dict(Painter(**shape).state_dict()), tmp_path / WEIGHTS)
    base = {"name": tiny.name, "fingerprint": tiny.fingerprint()}
    (tmp_path / INFO).write_text(json.dumps({"base": base, "shape": shape}))
    return tmp_path


def turned(model: vlm.VLM) -> vlm.VLM:
    """The same tower, its projected tokens in another coordinate system."""
    copy, generator = model.merged(), torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(128, 128, generator=generator)).Q
    with torch.no_grad():
        last = copy.projector.linear_2
        last.weight.copy_(turn @ last.weight)
        last.bias.copy_(turn @ last.bias)
    return copy


def blind(model: vlm.VLM) -> vlm.VLM:
    """A tower that sees nothing: every picture gives the same tokens."""
    copy = model.merged()
    with torch.no_grad():
        next(copy.tower.parameters()).mul_(0)
    return copy


def test_the_shipped_painter_is_small_and_of_the_bundled_model(bundled: vlm.VLM) -> None:
    painter = load_painter(bundled)
    assert (FOLDER / WEIGHTS).stat().st_size < 5_000_000
    assert paint(painter, torch.zeros(1, 49, 128))[0].size == (56, 56)


def test_what_is_left_is_drawn_in_any_coordinates_and_noise_is_not(
    bundled: vlm.VLM, faces: UnlearnData
) -> None:
    drawn, control = reconstruct(Case(bundled, turned(bundled), blind(bundled), faces))
    assert drawn.base.value > 0.6 and control.base.value > 0.5
    assert abs(drawn.unlearned.value - drawn.base.value) <= 0.2
    assert drawn.oracle.value == 0.0 and drawn.base.n == 10


def test_drawings_of_one_model_are_the_same_twice(
    tiny: vlm.VLM, small_data: UnlearnData, folder: Path
) -> None:
    case = Case(tiny, tiny.merged(), None, small_data)
    before = [p.clone() for p in case.unlearned.model.parameters()]
    assert list(reconstruct(case, folder)) == list(reconstruct(case, folder))
    keys = [small_data.select("forget", "eval")[0].image]
    drawn = drawings(case, keys, folder)
    assert set(drawn) == {"base", "unlearned"}
    assert np.array_equal(drawn["base"][0], drawn["unlearned"][0])
    assert all(map(torch.equal, before, case.unlearned.model.parameters()))


def test_a_linear_map_is_recovered() -> None:
    generator = torch.Generator().manual_seed(0)
    own = torch.randn(20, 9, 4, generator=generator)
    map_ = torch.randn(4, 6, generator=generator)
    fresh = torch.randn(3, 9, 4, generator=generator)
    assert torch.allclose(carried(own, own @ map_ + 1, fresh), fresh @ map_ + 1, atol=0.02)


def test_a_painter_of_another_model_is_refused(
    other_folder: Path, small_data: UnlearnData, folder: Path, tmp_path: Path
) -> None:
    other = vlm.load(other_folder, device="cpu")
    case = Case(other, other.merged(), None, small_data)
    with pytest.raises(UserError, match="trained for"):
        list(reconstruct(case, folder))
    with pytest.raises(UserError, match="no painter"):
        load_painter(other, tmp_path / "none")


def test_bad_input_gives_no_value(tiny: vlm.VLM, small_data: UnlearnData, folder: Path) -> None:
    damaged = tiny.merged()
    with torch.no_grad():
        next(damaged.tower.parameters()).fill_(float("nan"))

    def audit(case: Case):
        yield from reconstruct(case, folder)

    for case in (
        Case(tiny, damaged, None, small_data),
        Case(tiny, tiny.merged(), None, replace(small_data, samples=())),
    ):
        (f,) = guarded("reconstruct", audit, case)
        assert f.error and f.unlearned == NOTHING
