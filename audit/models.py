"""The models of an audit, one in memory: the others are what differs from it.

An adapter is put on and taken off. Of a whole checkpoint, and of an oracle, the tensors that differ
from the original's are put away and exchanged; checkpoints are loaded one after the other.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from audit.request import Request
from hfru_core.adapters import folder, foreign
from hfru_core.model import vlm
from hfru_core.model.kept_tensors import KeptTensors
from hfru_core.model.pair import Place, difference, settings_of
from hfru_core.model.sides import Sides, changed
from hfru_core.model.vlm import VLM
from hfru_core.types import UserError

Models = dict[str, VLM]


def opened(
    request: Request, oracle: Place | None, device: str
) -> tuple[Models, Callable[[str], None]]:
    """'base', 'unlearned' and, where there is one, 'oracle'; and what puts one's weights in."""
    base = loaded(request.original, device)
    sides = Sides(base.core, "base", endings={"base": base.core.generation_config})
    models = {"base": base}
    alike = oracle and difference(base.core.config, settings_of(oracle)) is None
    if request.kind == "model":
        beside(sides, models, "unlearned", request.unlearned, device)
    if oracle and alike:
        beside(sides, models, "oracle", oracle, device)
    if request.kind != "model":
        sides.to("base")
        put_on = folder.load if request.kind == "adapter" else foreign.load
        models["unlearned"] = put_on(models["base"], Path(request.unlearned.model))
        sides.wear("unlearned")
        sides.endings["unlearned"] = sides.endings["base"]
    if oracle and not alike:
        models["oracle"] = loaded(oracle, device)
    return {n: models[n] for n in ("base", "unlearned", "oracle") if n in models}, sides.to


def loaded(place: Place, device: str, dtype: torch.dtype | None = None) -> VLM:
    """A model with its digest taken, which it can't give while another's weights are in."""
    found = vlm.load(place.model, device=device, revision=place.revision, dtype=dtype)
    return replace(found, digest=found.fingerprint())


def beside(sides: Sides, models: Models, name: str, place: Place, device: str) -> None:
    """Load a checkpoint in place of the one in memory, and keep of it what differs."""
    core: Any = sides.core
    dtype = core.dtype
    if not sides.values:
        sides.first = KeptTensors.of(core.state_dict())
    shapes = {n: v.shape for n, v in core.state_dict().items()}
    for known in models.values():
        known.model = torch.nn.Identity()
    sides.core = core = None
    gc.collect()
    found = loaded(place, device, dtype)
    if {n: v.shape for n, v in found.core.state_dict().items()} != shapes:
        raise UserError(
            f"'{place.name}' is no version of the original: its weights have other names or "
            "shapes. Name the model that it was made from as --original."
        )
    models[name] = found
    sides.core, sides.now = found.core, name
    sides.values[name] = changed(found.core, sides.first)
    sides.endings[name] = found.core.generation_config
    for known in models.values():
        known.model = found.core
