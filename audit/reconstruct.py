"""What the decoder still gets from a picture, drawn: image tokens -> a small picture.

The painter (assets/reconstructor) was trained once to draw a picture from the base model's
projected image tokens. HFRU's first figure does this with a diffusion model (arXiv 2605.08031).
"""

from __future__ import annotations

import torch
from torch import nn

class Painter(nn.Module):
    """Image tokens (B, side * side, width) -> pictures (B, 3, S, S) in -1 .. 1, S = 8 * side."""

    def __init__(self, side: int, width: int, hidden: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(hidden, side, side))
        self.first = nn.Conv2d(width, hidden, 3, padding=1)
        self.second = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.patch = nn.Conv2d(hidden, 8 * 64, 1)
        self.smooth = nn.Sequential(nn.Conv2d(8, 24, 3, padding=1), nn.GELU(), nn.Conv2d(24, 3, 3, padding=1))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        side = self.place.shape[-1]
        grid = tokens.transpose(1, 2).unflatten(2, (side, side))
        h = nn.functional.gelu(self.first(grid) + self.place)
        h = h + nn.functional.gelu(self.second(h))
        return self.smooth(nn.functional.pixel_shuffle(self.patch(h), 8))
