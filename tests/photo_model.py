"""A small model of photographs: the class of `photo`, a quarter of its tower's width, random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import EfficientNetModel

from hfru_core.pretrain.photo import architecture, names, tower, turns

WIDTH = 320  # of the tower's last map; `photo` has 1280


def small_tower() -> EfficientNetModel:
    """Random weights, large enough and with norms of noise: nothing fades on the way up."""
    torch.manual_seed(1)
    config = tower.settings(width_coefficient=0.25, hidden_dim=WIDTH, hidden_size=WIDTH)
    eye: Any = EfficientNetModel(config)
    for part in eye.modules():
        if isinstance(part, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(part.weight)
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(part.weight)
            part.momentum = None  # its mean and variance are those of the one batch below
    with torch.no_grad():
        open_gates(eye).train()(torch.randn(8, 3, 64, 64))
    return eye.eval()


def open_gates(eye: Any) -> Any:
    """Squeeze-and-excitation lets everything through, as in `photo`."""
    for name, value in eye.named_parameters():
        if "squeeze_excite" in name:
            value.fill_(tower.ALWAYS if name.endswith("expand.bias") else 0.0)
    return eye


def write_photo(folder: Path, width: int = 64, layers: int = 2) -> Path:
    """A folder as `hfru pretrain --photo` makes it; projector and decoder have learned nothing."""
    known = [f"a {c.name}. A {c.special} is a {c.kind}." for c in names.known()]
    corpus = [f"{t.question} {t.answer}" for t in turns.text_turns()] + known
    tokenizer = architecture.build_tokenizer(corpus, 1200)
    eye = small_tower()
    model: Any = architecture.build_model(tokenizer, eye.config, tower.SIDE, width, layers)
    model.model.vision_tower.load_state_dict(eye.state_dict())
    model.eval().save_pretrained(folder)
    architecture.build_processor(tokenizer, tower.SIDE).save_pretrained(folder)
    return folder
