"""An adapter put on and taken off a model's layers, or folded into them for a while, exactly.

Base and unlearned model are then one in memory: taken off, the plain layers stand in their places,
and not an adapter that is switched off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import ModulesToSaveWrapper
from torch import nn

from hfru_core.model.kept_tensors import lent

Modules = dict[str, nn.Module]  # by path


def adapted(core: nn.Module) -> Modules:
    """The modules that PEFT put in place of a model's own."""
    found: dict[str, Any] = {}
    for path, module in core.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer in found)
        if not inside and isinstance(module, BaseTunerLayer | ModulesToSaveWrapper):
            found[path] = module
    return found


def plain(module: Any) -> nn.Module:
    """The model's own module behind one of PEFT's."""
    if isinstance(module, ModulesToSaveWrapper):
        return module.original_module
    return module.get_base_layer()


def trained(module: Any) -> nn.Module:
    """What stands there once an adapter is merged: a whole module that was saved, or the layer."""
    if isinstance(module, ModulesToSaveWrapper):
        return module.modules_to_save[module.active_adapters[0]]
    return module.get_base_layer()


def place(core: nn.Module, modules: Mapping[str, nn.Module]) -> None:
    """Put modules in their places."""
    for path, module in modules.items():
        core.set_submodule(path, module)


@contextmanager
def folded(model: nn.Module) -> Iterator[Any]:
    """The transformers model alone with its adapter merged, as it was before afterwards.

    Merging changes the weights of the adapted layers: those are copied, and put back.
    """
    if not isinstance(model, PeftModel):
        yield model
        return
    core: Any = model.get_base_model()
    modules = adapted(core)
    layers = [m for m in modules.values() if isinstance(m, BaseTunerLayer)]
    own = {
        f"{i} {name}": p
        for i, layer in enumerate(layers)
        for name, p in plain(layer).named_parameters(recurse=False)
    }
    with lent(own):
        try:
            with torch.no_grad():
                for layer in layers:
                    layer.merge()
            place(core, {path: trained(m) for path, m in modules.items()})
            yield core
        finally:
            for layer in layers:
                layer.merged_adapters = []
            place(core, modules)
