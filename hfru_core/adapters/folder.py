"""An adapter folder: PEFT weights, `unlearning.json`, a model card. The only writer of adapters.

Plain PEFT loads it: `PeftModel.from_pretrained(base, folder)`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

from hfru_core.adapters.model_card import adapter_card
from hfru_core.adapters.validate import (
    CARD,
    CONFIG,
    HASHED,
    INFO,
    SCHEMA,
    WEIGHTS,
    Shapes,
    adaptable,
    describe,
    file_hash,
    shapes,
)
from hfru_core.model.vlm import VLM
from hfru_core.types import Concept, UserError

KEY = "base_model.model.{}.lora_{}.weight"
Layers = dict[str, tuple[torch.Tensor, torch.Tensor]]


def versions() -> dict[str, str]:
    """What the numbers were made with."""
    packages = ("torch", "transformers", "peft", "safetensors", "numpy", "pillow")
    return {"python": platform.python_version(), **{p: version(p) for p in packages}}


def save(vlm: VLM, folder: Path, info: dict[str, object]) -> None:
    """Write the adapter on `vlm` with its card; `info` goes into `unlearning.json`."""
    vlm.model.save_pretrained(folder, safe_serialization=True)
    base = {"name": vlm.name, "revision": vlm.revision, "fingerprint": vlm.fingerprint()}
    complete(folder, base, info)


def write(layers: Layers, folder: Path, base: dict, info: dict[str, object]) -> None:
    """Write an adapter from its A (rank, in) and B (out, rank) by layer; each update is B A."""
    rank = len(next(iter(layers.values()))[0])
    LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=sorted(layers),
        revision=base["revision"],
        inference_mode=True,
    ).save_pretrained(folder)
    both = {KEY.format(n, s): t for n, pair in layers.items() for s, t in zip("AB", pair)}
    save_file({k: t.contiguous() for k, t in both.items()}, folder / WEIGHTS, {"format": "pt"})
    complete(folder, base, info)


def complete(folder: Path, base: dict, info: dict[str, object]) -> None:
    """Add the record and the card to PEFT's files."""
    config = folder / CONFIG
    values = json.loads(config.read_text())
    values["base_model_name_or_path"] = base["name"]
    if isinstance(values["target_modules"], list):
        values["target_modules"].sort()  # PEFT keeps a set: without order, equal runs would differ
    config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
    hashes = {f: file_hash(folder / f) for f in HASHED}
    full = {"schema": SCHEMA, "base": base, **info, "versions": versions(), "hashes": hashes}
    (folder / INFO).write_text(json.dumps(full, indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(adapter_card(full), encoding="utf-8")


def read(folder: Path) -> Layers:
    """A (rank, in) and B (out, rank) by layer, float32; PEFT's own factor is in B already."""
    config, tensors = json.loads((folder / CONFIG).read_text()), load_file(folder / WEIGHTS)
    factor = config["lora_alpha"] / config["r"]
    pairs = {n: [tensors[KEY.format(n, s)].float() for s in "AB"] for n in shapes(folder)}
    return {n: (a, factor * b) for n, (a, b) in pairs.items()}


def load(vlm: VLM, folder: Path) -> VLM:
    """`vlm` with the adapter on. PEFT puts it into vlm's own layers: for the base, load another."""
    info, layers = describe(folder), shapes(folder)
    check_base(vlm, folder, info["base"])
    check_layers(vlm, folder, layers)
    values = json.loads((folder / CONFIG).read_text())
    # The layers by their names: a pattern that somebody sent could match for hours.
    config = LoraConfig(
        r=values["r"], lora_alpha=values["lora_alpha"], target_modules=sorted(layers)
    )
    return replace(vlm, model=PeftModel.from_pretrained(vlm.model, folder, config=config).eval())


def check_base(vlm: VLM, folder: Path, base: dict) -> None:
    """Refuse an adapter that was made for another model, or for another revision of it."""
    if vlm.revision and base["revision"] and vlm.revision != base["revision"]:
        raise UserError(
            f"The adapter '{folder.name}' was made for revision {base['revision']} of "
            f"{base['name']}, but the model loaded is revision {vlm.revision}. Load that revision."
        )
    have, want = vlm.fingerprint(), base["fingerprint"]
    if have != want:
        raise UserError(
            f"The adapter '{folder.name}' was made for {base['name']} ({want}), but the "
            f"model loaded is {vlm.name} ({have}). Load that model, or train an adapter for this."
        )


def check_layers(vlm: VLM, folder: Path, layers: Shapes) -> None:
    """Refuse weights for layers that this model's tower and projector have not."""
    there = {
        name: (module.in_features, module.out_features)
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


@contextmanager
def at_strength(vlm: VLM, strength: float) -> Iterator[None]:
    """The adapter on `vlm` turned up or down for a while; 1 is as it was made, 0 is off."""
    layers = [m for m in vlm.model.modules() if isinstance(m, LoraLayer)]
    try:
        for layer in layers:
            layer.set_scale("default", strength)
        yield
    finally:
        for layer in layers:
            layer.set_scale("default", 1.0)


def concept_info(concepts: tuple[Concept, ...]) -> list[dict]:
    return [asdict(c) for c in concepts]
