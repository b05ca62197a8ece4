"""The cells of the nf4 code: how far a weight can move without its 4-bit code noticing.

NormalFloat (Dettmers et al. 2023, QLoRA): blocks of 64 weights, each divided by its largest
absolute value and rounded to the nearest of 16 levels.
"""

from __future__ import annotations

import torch
from bitsandbytes import functional as bits

BLOCK = 64
MARGIN = 0.03  # of a cell, kept free at both ends: bfloat16 rounding must not leave the cell


def cells(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Lowest and highest values, shaped as `weight`, that keep every block's code and scale."""
    blocks = weight.reshape(-1, BLOCK)
    scale = blocks.abs().amax(1, keepdim=True).clamp(min=1e-12)
    levels = bits.get_4bit_type("nf4", device=weight.device).to(weight.dtype)
    middles = (levels[1:] + levels[:-1]) / 2
    edges = torch.cat([levels[:1], middles, levels[-1:]])
    code = torch.bucketize(blocks / scale, middles)
    low, high = edges[code] * scale, edges[code + 1] * scale
    room = MARGIN * (high - low)
    pinned = blocks.abs() == scale  # the largest weight is the block's scale
    low = torch.where(pinned, blocks, low + room)
    high = torch.where(pinned, blocks, high - room)
    return low.view_as(weight), high.view_as(weight)
