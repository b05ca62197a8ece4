"""Parameter values of a model: copied, exchanged for a while, digested."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

Tensors = dict[str, torch.Tensor]


def snapshot(parameters: Mapping[str, torch.Tensor]) -> Tensors:
    """A copy of the present values, by name: what `swapped` takes."""
    return {name: p.detach().clone() for name, p in parameters.items()}


@contextmanager
def swapped(parameters: Mapping[str, nn.Parameter], values: Tensors) -> Iterator[None]:
    """Put other values into the same parameters for a while: a reference policy without a copy."""
    own = {name: p.data for name, p in parameters.items()}
    try:
        for name, parameter in parameters.items():
            parameter.data = values[name]
        yield
    finally:
        for name, parameter in parameters.items():
            parameter.data = own[name]


def digest(model: nn.Module, model_type: str) -> str:
    """16 hex digits that identify a base model by type and weights, blind to an adapter on it."""
    found = hashlib.sha256(model_type.encode())
    for name, value in sorted(model.state_dict().items()):
        if "lora_" not in name:
            found.update(name.replace(".base_layer", "").encode())
            rounded = value.detach().to(torch.bfloat16).contiguous()
            found.update(rounded.flatten().view(torch.uint8).cpu().numpy().tobytes())
    return found.hexdigest()[:16]
