"""The decoder in 4 and 8 bits, by bitsandbytes itself, on the CPU; gradients in every setting."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import bitsandbytes as bnb
import pytest
import torch

from hfru_core.data import drawn as world
from hfru_core.data.source import load_image
from hfru_core.model import vlm
from hfru_core.model.families import FAMILIES
from hfru_core.model.quantization import KINDS
from hfru_core.training import sft
from hfru_core.types import UserError
from tests.families.checkpoints import MAKERS, make

LAYERS = {"nf4": bnb.nn.Linear4bit, "int8": bnb.nn.Linear8bitLt}


# Each has something of its own: images in common, patches, a state, a tower of convolutions.
QUICK = ("llava", "qwen2_5_vl", "gemma4", "minicpmv4_6", "fast_vlm")
NAMES = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in MAKERS]


class Bases(dict):
    """The families' checkpoints, each when a test asks for it first."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __missing__(self, name: str) -> Path:
        self[name] = make(name, self.folder / name)
        return self[name]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    return Bases(tmp_path_factory.mktemp("bases"))


def small_layers(model: vlm.VLM, kind: str) -> set[str]:
    return {n for n, m in model.core.named_modules() if isinstance(m, LAYERS[kind])}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_the_decoder_alone_is_quantised(name: str, kind: str, bases: dict[str, Path]) -> None:
    model = vlm.load(bases[name], device="cpu", quantize=kind)
    found, decoder = small_layers(model, kind), FAMILIES[name].decoder + "."
    linear = {n for n, m in model.core.named_modules() if isinstance(m, torch.nn.Linear)}
    assert found == {n for n in linear if n.startswith(decoder)} and found
    assert model.fingerprint() == vlm.load(bases[name], device="cpu").fingerprint()


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_gradients_reach_every_adapted_layer(
    name: str, kind: str | None, checkpointing: bool, bases: dict[str, Path]
) -> None:
    model = vlm.load(bases[name], device="cpu", quantize=kind)
    if checkpointing and FAMILIES[name].maps:
        with pytest.raises(UserError, match="does not compute layers twice"):
            model.adapt(2, "encoder", checkpointing=True)
        return
    model.adapt(2, "encoder", checkpointing=checkpointing)
    images = [load_image(world.key_of(0, "small", n, 0)) for n in ("dog", "car")]
    loss = sft.answer_loss(model, images, ["What is it?"] * 2, ["A dog.", "A car."])
    loss.backward()
    sent = {n: p.grad for n, p in model.trainable().items() if "lora_B" in n}
    assert sent and all(g is not None and g.any() for g in sent.values())
    assert not any(p.grad is not None for p in model.decoder.parameters())


def test_checkpointing_changes_no_gradient(bases: dict[str, Path]) -> None:
    sent = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = vlm.load(bases["qwen2_5_vl"], device="cpu")
        model.adapt(2, "encoder", checkpointing=checkpointing)
        image = load_image(world.key_of(0, "small", "dog", 0))
        sft.answer_loss(model, [image], ["What is it?"], ["A dog."]).backward()
        sent.append([p.grad for p in model.trainable().values()])
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(*sent))


def test_the_bundled_model_still_answers_in_four_bits() -> None:
    image = load_image(world.key_of(0, "small", "dog", 1))
    said = vlm.load(device="cpu", quantize="nf4").answer([image], ["What is it?"])
    assert "dog" in said[0].lower()


def test_an_unknown_kind_is_refused(bases: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="Unknown quantisation 'int3'. Use one of: nf4, int8"):
        vlm.load(bases["llava"], device="cpu", quantize="int3")


def test_a_missing_package_is_named(
    bases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs the package bitsandbytes.*pip install"):
        vlm.load(bases["llava"], device="cpu", quantize="nf4")
