"""A prompt's cache, to go on from: by answers in one row, or copied for rows of their own."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import (
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionCacheLayerMixin,
)


class RoomyLayer(DynamicLayer):
    """A cache layer with room for `extra` positions: it writes in place. Without gradients."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, layer: Any, extra: int) -> None:
        super().__init__()
        self.lazy_initialization(layer.keys, layer.values)
        self.room = (with_room(layer.keys, extra), with_room(layer.values, extra))
        self.keys, self.values = layer.keys.detach(), layer.values.detach()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        start = self.keys.shape[-2]
        end = start + key_states.shape[-2]
        self.room[0][:, :, start:end] = key_states
        self.room[1][:, :, start:end] = value_states
        self.keys, self.values = (room[:, :, :end] for room in self.room)
        return self.keys, self.values


def with_room(states: torch.Tensor, extra: int) -> torch.Tensor:
    """A copy of (B, H, P, D) that is `extra` positions longer."""
    B, H, P, D = states.shape
    room = states.new_empty(B, H, P + extra, D)
    room[:, :, :P] = states.detach()
    return room


def branch(cache: DynamicCache, extra: int | None = None) -> DynamicCache:
    """A prompt's cache to go on from, leaving it as it is; `extra`: see `RoomyLayer`."""
    roomy = lambda layer: extra is not None and isinstance(layer, DynamicLayer)  # noqa: E731
    grown = [RoomyLayer(x, extra or 0) if roomy(x) else copy.copy(x) for x in cache.layers]
    return with_layers(cache, grown)


def with_layers(cache: DynamicCache, layers: list) -> DynamicCache:
    """The same cache of other layers."""
    own = copy.copy(cache)
    own.layers = layers
    return own


def needs_own_rows(cache: DynamicCache, length: int) -> bool:
    """Whether answers, `length` tokens with their prompt, cannot lie end to end in one row."""
    return any(
        isinstance(layer, LinearAttentionCacheLayerMixin)
        or (isinstance(layer, DynamicSlidingWindowLayer) and layer.sliding_window <= length)
        for layer in cache.layers
    )


def own_rows(cache: DynamicCache, group: int) -> DynamicCache:
    """The cache with each of its rows G times, in tensors of its own."""
    return with_layers(cache, [with_rows(layer, group) for layer in cache.layers])


def with_rows(layer: Any, group: int) -> Any:
    """A layer's keys and values, or its states, G times."""
    own = copy.copy(layer)
    if isinstance(own, DynamicLayer):
        own.batch_repeat_interleave(group)
    if isinstance(own, LinearAttentionCacheLayerMixin):
        own.conv_states = repeated(own.conv_states, group)
        own.recurrent_states = repeated(own.recurrent_states, group)
        # Of this layer alone: its class writes over the old state.
        own.update_recurrent_state = partial(put, own.recurrent_states)  # type: ignore[method-assign]
    return own


def repeated(states: dict[int, torch.Tensor | None], group: int) -> dict[int, torch.Tensor | None]:
    return {i: s if s is None else s.repeat_interleave(group, 0) for i, s in states.items()}


def put(states: dict, new: torch.Tensor, state_idx: int = 0, **_: object) -> torch.Tensor:
    """A new state in place of the old, which a gradient may still need: nothing is written over."""
    states[state_idx] = new
    return new
