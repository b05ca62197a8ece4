"""A tower's first blocks computed once a picture: nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hfru_core.data import drawn as world
from hfru_core.data.source import load_image
from hfru_core.model import vlm as models
from hfru_core.model.early_maps import early_maps_kept
from hfru_core.model.hooks import tower_layers
from hfru_core.model.vlm import VLM
from tests.families.checkpoints import make

ASKED = (
    [load_image(world.key_of(0, "early", n, 0)) for n in ("dog", "car", "dog")],
    ["What is it?", "Is there a dog?", "What is it?"],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("fast_vlm", tmp_path_factory.mktemp("early"))


@pytest.fixture
def model(folder: Path) -> VLM:
    found = models.load(folder)
    found.adapt(4)
    for name, p in found.trainable().items():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.1)
    return found


def gradients(model: VLM) -> list[torch.Tensor]:
    images, questions = ASKED
    model.model.zero_grad()
    torch.stack(model.projected(model.inputs(images, questions))).square().mean().backward()
    return [p.grad.clone() for p in model.trainable().values()]


def test_answers_gradients_and_fingerprint_are_the_same(model: VLM) -> None:
    plain, wanted, mark = model.answer(*ASKED), gradients(model), model.fingerprint()
    with early_maps_kept(model):
        assert model.answer(*ASKED) == plain
        assert all(torch.equal(a, b) for a, b in zip(gradients(model), wanted))
        assert model.fingerprint() == mark
    assert model.early and not model.early.on
    assert model.answer(*ASKED) == plain


def test_each_picture_goes_once_through_the_first_blocks(model: VLM) -> None:
    seen: list[int] = []
    stem = model.tower.embeddings.convolution
    stem.register_forward_hook(lambda m, args, out: seen.append(len(out)))
    with early_maps_kept(model):
        model.answer(*ASKED)
    with early_maps_kept(model):
        model.answer(*ASKED)
    assert sum(seen) == 2  # of three pictures two are the same


def test_lora_is_on_the_last_resolution_alone_and_so_are_the_layers_told(model: VLM) -> None:
    assert model.trainable()
    assert not any("blocks.0." in name for name in model.trainable())
    every = tower_layers(model, ASKED[0])
    with early_maps_kept(model):
        late = tower_layers(model, ASKED[0])
    assert len(late) == len(every) - 1  # the first block's is left out
    assert all(torch.equal(a, b) for a, b in zip(late, every[1:]))


def test_an_error_leaves_the_tower_as_it_was(model: VLM) -> None:
    plain = model.answer(*ASKED)
    with pytest.raises(ValueError, match="on the way"), early_maps_kept(model):
        raise ValueError("on the way")
    assert model.answer(*ASKED) == plain


def test_a_tower_of_another_kind_keeps_none(tiny: VLM) -> None:
    with early_maps_kept(tiny):
        assert tiny.early is None
