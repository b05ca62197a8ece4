"""An adapter folder: PEFT weights, `unlearning.json`, a model card. The only writer of adapters.

Plain PEFT loads it: `PeftModel.from_pretrained(base, folder)`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import nn

from hfru_core import __version__
from hfru_core.adapters.model_card import adapter_card
from hfru_core.adapters.record import CONFIG, HASHED, INFO, WEIGHTS, AdapterRecord, BaseModel
from hfru_core.adapters.targets import check_targets
from hfru_core.adapters.validate import (
    CARD,
    Shapes,
    adaptable,
    checked_record,
    file_hash,
    shapes,
)
from hfru_core.model.vlm import LOADING, VLM
from hfru_core.types import UserError

KEY = "base_model.model.{}.lora_{}.weight"
Layers = dict[str, tuple[torch.Tensor, torch.Tensor]]


def versions() -> dict[str, str]:
    """What the numbers were made with: this project and the packages that compute."""
    packages = ("torch", "transformers", "peft", "safetensors", "numpy", "pillow")
    own = {"hfru_core": __version__, "python": platform.python_version()}
    return {**own, **{p: version(p) for p in packages}}


def now() -> str:
    """The time in UTC, in ISO format to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def base_of(vlm: VLM) -> BaseModel:
    """The base model as a record names it."""
    return BaseModel(vlm.name, vlm.revision, vlm.fingerprint())


def save(vlm: VLM, folder: Path, record: AdapterRecord) -> None:
    """Write the adapter on `vlm` with its record and card."""
    assert isinstance(vlm.model, PeftModel)
    vlm.model.save_pretrained(str(folder), safe_serialization=True)
    complete(folder, record)


def write(layers: Layers, folder: Path, record: AdapterRecord) -> None:
    """Write an adapter from its A (rank, in) and B (out, rank) by layer; each update is B A."""
    rank = len(next(iter(layers.values()))[0])
    LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=sorted(layers),
        revision=record.base.revision,
        inference_mode=True,
    ).save_pretrained(str(folder))
    both = {KEY.format(n, s): t for n, pair in layers.items() for s, t in zip("AB", pair)}
    save_file({k: t.contiguous() for k, t in both.items()}, folder / WEIGHTS, {"format": "pt"})
    complete(folder, record)


def complete(folder: Path, record: AdapterRecord) -> None:
    """Add the record, stamped with date, versions and hashes, and the card to PEFT's files."""
    config = folder / CONFIG
    values = json.loads(config.read_text())
    values["base_model_name_or_path"] = record.base.name
    if isinstance(values["target_modules"], list):
        values["target_modules"].sort()  # PEFT keeps a set: without order, equal runs would differ
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
    hashes = {f: file_hash(folder / f) for f in HASHED}
    stamped = replace(record, created=now(), versions=versions(), hashes=hashes)
    (folder / INFO).write_text(json.dumps(stamped.to_json(), indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(adapter_card(stamped), encoding="utf-8")


def read(folder: Path) -> Layers:
    """A (rank, in) and B (out, rank) by layer, float32; PEFT's own factor is in B already."""
    config, tensors = json.loads((folder / CONFIG).read_text()), load_file(folder / WEIGHTS)
    factor = config["lora_alpha"] / config["r"]
    pairs = {n: [tensors[KEY.format(n, s)].float() for s in "AB"] for n in shapes(folder)}
    return {n: (a, factor * b) for n, (a, b) in pairs.items()}


def load(vlm: VLM, folder: Path) -> VLM:
    """`vlm` with the adapter on; PEFT changes its layers in place, so load another for the base."""
    record, layers = checked_record(folder), shapes(folder)
    check_base(vlm, folder, record.base)
    check_layers(vlm, folder, layers)
    values = json.loads((folder / CONFIG).read_text())
    names = [name for name, _ in vlm.core.named_modules()]
    check_targets(folder, values.get("target_modules") or [], names, layers)
    # The layers by their names: a pattern that somebody sent could match for hours.
    config = LoraConfig(
        r=values["r"], lora_alpha=values["lora_alpha"], target_modules=sorted(layers)
    )
    with LOADING:
        model = PeftModel.from_pretrained(vlm.model, folder, config=config)
    return replace(vlm, model=model.eval())


def check_base(vlm: VLM, folder: Path, base: BaseModel) -> None:
    """Refuse an adapter that was made for another model, or for another revision of it."""
    if vlm.revision and base.revision and vlm.revision != base.revision:
        raise UserError(
            f"The adapter '{folder.name}' was made for revision {base.revision} of "
            f"{base.name}, but the model loaded is revision {vlm.revision}. Load that revision."
        )
    have, want = vlm.fingerprint(), base.fingerprint
    if have != want:
        raise UserError(
            f"The adapter '{folder.name}' was made for {base.name} ({want}), but the "
            f"model loaded is {vlm.name} ({have}). Load that model, or train an adapter for this."
        )


def check_layers(vlm: VLM, folder: Path, layers: Shapes) -> None:
    """Refuse weights for layers that this model does not have."""
    there = {
        name: widths(module)
        for name, module in vlm.core.named_modules()
        if adaptable(name, [vlm.family])
    }
    for name, sides in layers.items():
        if (sides["A"][1], sides["B"][0]) != there.get(name):
            raise UserError(
                f"The adapter '{folder.name}' has weights for {name} with shapes {sides}, but "
                f"the model {vlm.name} has {there.get(name) or 'no such layer'}. Its record names "
                "this model wrongly; ask whoever made it for another."
            )


def widths(layer: Any) -> tuple[int, int]:
    """How many values a linear layer, or a convolution of one pixel, takes and gives."""
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels, layer.out_channels
    return layer.in_features, layer.out_features


@contextmanager
def at_strength(vlm: VLM, strength: float) -> Iterator[None]:
    """Scale the adapter on `vlm` within the context; 1 is as it was trained, 0 is off."""
    layers = [m for m in vlm.model.modules() if isinstance(m, LoraLayer)]
    try:
        for layer in layers:
            layer.set_scale("default", strength)
        yield
    finally:
        for layer in layers:
            layer.set_scale("default", 1.0)
