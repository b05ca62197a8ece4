"""Forward hooks that are always taken off again, and the activations that they record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from torch import nn

from hfru_core.model.vlm import VLM


@contextmanager
def hooked(
    modules: Iterable[nn.Module], hook: Callable[..., Any], *, before: bool = False
) -> Iterator[None]:
    """Call `hook(module, args, output)` behind every pass of these modules for a while.

    With `before`, call `hook(module, args)` in front of it. As in torch, what the hook returns
    takes the place of the output (or of the arguments), unless it is None.
    """
    handles = [
        m.register_forward_pre_hook(hook) if before else m.register_forward_hook(hook)
        for m in modules
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def inputs_of(modules: Iterable[nn.Module]) -> Iterator[dict[nn.Module, list[torch.Tensor]]]:
    """Record the first argument of every pass from here on, by module."""
    recorded: dict[nn.Module, list[torch.Tensor]] = {m: [] for m in modules}

    def record(module: nn.Module, args: tuple) -> None:
        recorded[module].append(args[0])

    with hooked(recorded, record, before=True):
        yield recorded


@contextmanager
def outputs_of(layer: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Record the hidden states (B, T, D) that a decoder layer puts out in every pass."""
    recorded: list[torch.Tensor] = []

    def record(module: nn.Module, args: tuple, output: Any) -> None:
        recorded.append(hidden_states(output))

    with hooked([layer], record):
        yield recorded


def hidden_states(output: Any) -> torch.Tensor:
    """The hidden states in a layer's output, which some families wrap in a tuple."""
    return output[0] if isinstance(output, tuple) else output


@contextmanager
def tower_outputs(vlm: VLM) -> Iterator[list[Any]]:
    """Record what tower and projector put out in every pass, all layers' hidden states included."""
    model, recorded = vlm.core.model, []
    original = model.get_image_features

    def record(*args: Any, **kwargs: Any) -> Any:
        output = original(*args, **{**kwargs, "output_hidden_states": True})
        recorded.append(vlm.as_tokens(output))
        return recorded[-1]

    model.get_image_features = record
    try:
        yield recorded
    finally:
        del model.get_image_features


def tower_layers(vlm: VLM, images: Sequence[Image.Image]) -> list[torch.Tensor]:
    """Mean image tokens (N, D) of every layer of the tower, and behind the projector."""
    batches = [images] if vlm.family.fixed else [[i] for i in images]
    with tower_outputs(vlm) as outputs:
        for batch in batches:
            vlm.projected(vlm.inputs(batch, [""] * len(batch)))
    means = [mean_tokens(output, len(batch)) for output, batch in zip(outputs, batches)]
    return [torch.cat(parts).float() for parts in zip(*means)]


def mean_tokens(output: Any, count: int) -> list[torch.Tensor]:
    """Mean tokens (count, D) of each layer and of the projector in one recorded output."""
    projected = torch.cat([t.flatten(0, -2) for t in output.pooler_output])
    tokens = [*output.hidden_states[1:], projected]
    return [t.reshape(count, -1, t.shape[-1]).mean(1) for t in tokens]
