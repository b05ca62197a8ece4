"""A Lite checkpoint becomes transformers' own tower, exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import EfficientNetConfig

from hfru_core.pretrain.photo import tower
from hfru_core.types import UserError

WIDTHS = ((32, 8, 1, 3, 1), (8, 16, 2, 3, 2), (16, 16, 2, 5, 1))  # in, out, expansion, kernel, step


def small() -> EfficientNetConfig:
    columns = list(zip(*WIDTHS))
    return tower.settings(
        image_size=32,
        in_channels=list(columns[0]),
        out_channels=list(columns[1]),
        expand_ratios=list(columns[2]),
        kernel_sizes=list(columns[3]),
        strides=list(columns[4]),
        num_block_repeats=[1, 1, 1],
    )


def norm(name: str, width: int) -> dict[str, torch.Tensor]:
    kinds = ("weight", "bias", "running_mean", "running_var")
    made = {f"{name}.{k}": torch.rand(width) + 0.5 for k in kinds}
    return made | {f"{name}.num_batches_tracked": torch.tensor(3)}


def checkpoint() -> dict[str, torch.Tensor]:
    """A random checkpoint in the names of the Lite packages."""
    torch.manual_seed(0)
    stem = 32
    state = {"_conv_stem.weight": torch.randn(stem, 3, 3, 3), **norm("_bn0", stem)}
    for i, (wide, out, more, kernel, _) in enumerate(WIDTHS):
        inner = wide * more
        if more > 1:
            state[f"_blocks.{i}._expand_conv.weight"] = torch.randn(inner, wide, 1, 1)
            state |= norm(f"_blocks.{i}._bn0", inner)
        state[f"_blocks.{i}._depthwise_conv.weight"] = torch.randn(inner, 1, kernel, kernel)
        state |= norm(f"_blocks.{i}._bn1", inner)
        state[f"_blocks.{i}._project_conv.weight"] = torch.randn(out, inner, 1, 1)
        state |= norm(f"_blocks.{i}._bn2", out)
    state["_conv_head.weight"] = torch.randn(1280, WIDTHS[-1][1], 1, 1)
    return state | norm("_bn1", 1280) | {"_fc.weight": torch.randn(1000, 1280)}


def plain(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The network as Lite defines it: padded as TensorFlow does, clipped at 6, no gates."""

    def normed(name: str, y: torch.Tensor) -> torch.Tensor:
        kinds = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(y, *(state[f"{name}.{k}"] for k in kinds), eps=1e-3)

    def padded(y: torch.Tensor, kernel: int, step: int) -> torch.Tensor:
        need = max((-(-y.shape[-1] // step) - 1) * step + kernel - y.shape[-1], 0)
        return F.pad(y, (need // 2, need - need // 2) * 2)

    x = F.conv2d(padded(x, 3, 2), state["_conv_stem.weight"], stride=2)
    x = F.relu6(normed("_bn0", x))
    for i, (wide, _, more, kernel, step) in enumerate(WIDTHS):
        name, y = f"_blocks.{i}", x
        if more > 1:
            y = F.relu6(normed(f"{name}._bn0", F.conv2d(y, state[f"{name}._expand_conv.weight"])))
        weight = state[f"{name}._depthwise_conv.weight"]
        y = F.conv2d(padded(y, kernel, step), weight, stride=step, groups=wide * more)
        y = F.relu6(normed(f"{name}._bn1", y))
        x = normed(f"{name}._bn2", F.conv2d(y, state[f"{name}._project_conv.weight"]))
    return F.relu6(normed("_bn1", F.conv2d(x, state["_conv_head.weight"])))


def test_the_mapped_tower_computes_what_the_checkpoint_s_own_network_does() -> None:
    state = checkpoint()
    made = tower.tower_of(state, small())
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        seen = made(pixels).last_hidden_state
    assert seen.shape == (2, 1280, 8, 8)
    assert 0.05 < (seen > 0).float().mean() < 0.95  # not clipped away
    assert torch.equal(seen, plain(state, pixels))


def test_a_weight_that_is_missing_or_left_over_is_refused() -> None:
    state = checkpoint()
    with pytest.raises(RuntimeError, match="Unexpected key"):
        tower.tower_of(state | {"_blocks.0._se.weight": torch.zeros(1)}, small())
    state.pop("_conv_head.weight")
    with pytest.raises(RuntimeError, match="Missing key"):
        tower.tower_of(state, small())


def test_another_file_than_the_wheel_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "other.whl").write_bytes(b"no zip")
    with pytest.raises(UserError, match="is not the wheel of efficientnet-lite0"):
        tower.read(tmp_path / "other.whl")
