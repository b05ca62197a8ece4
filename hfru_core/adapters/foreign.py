"""A LoRA folder of another program (TRL, LLaMA-Factory, unsloth ...), loaded as PEFT loads it.

Its settings and weights are PEFT's own; a setting that changes the model outside of the adapter is
refused, since such a model cannot be had with and without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import regex
import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file

from hfru_core.adapters.record import CONFIG, WEIGHTS
from hfru_core.adapters.targets import fits, too_long
from hfru_core.adapters.validate import MOST_CONFIG, PICKLES, file_hash
from hfru_core.files import read_json, said
from hfru_core.model.vlm import LOADING, VLM
from hfru_core.types import UserError

# What an adapter computes, and what only says how it was made.
COMPUTED = {
    "r", "lora_alpha", "target_modules", "exclude_modules", "fan_in_fan_out", "use_rslora",
    "use_dora", "modules_to_save", "layers_to_transform", "layers_pattern", "rank_pattern",
    "alpha_pattern", "lora_bias",
}  # fmt: skip
BESIDE = {
    "task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision",
    "inference_mode", "lora_dropout", "init_lora_weights", "megatron_core", "qalora_group_size",
    "loftq_config", "eva_config", "corda_config", "lora_ga_config", "ensure_weight_tying",
}  # fmt: skip
PLAIN_STARTS = (True, False, None, "gaussian", "orthogonal")  # others change the base model
START, END = "base_model.model.", regex.compile(r"\.(lora_\w+|weight|bias|base_layer)(\..*)?$")
OLDER = (  # how names of modules began before, and begin now
    ("language_model.model.", "model.language_model."), ("language_model.lm_head", "lm_head"),
    ("model.vision_tower.vision_model.", "model.vision_tower."),
    ("vision_tower.vision_model.", "model.vision_tower."),
    ("model.layers.", "model.language_model.layers."),
    ("", "model."), ("model.", ""),
)  # fmt: skip
Tensors = dict[str, torch.Tensor]
WAY = (
    "Merge it into its model (PEFT's merge_and_unload) and audit that: --original MODEL "
    "--unlearned MERGED."
)


@dataclass(frozen=True)
class ForeignAdapter:
    """A LoRA folder without this project's record: the base that it names, and its hash."""

    folder: Path
    base: str
    weights: str


def look(folder: Path) -> ForeignAdapter:
    """What a folder says of itself; raises where it is no LoRA that can be put on and taken off."""
    values = settings(folder)
    if not (folder / WEIGHTS).is_file():
        pickles = [f.name for f in folder.glob("*") if f.suffix.lower() in PICKLES]
        got = f"got {pickles[0]}, a pickle that may run code" if pickles else "it is missing"
        raise UserError(
            f"'{folder.name}' has no {WEIGHTS}: {got}. Save the adapter as safetensors."
        )
    base = values.get("base_model_name_or_path")
    return ForeignAdapter(folder, str(base or ""), file_hash(folder / WEIGHTS))


def settings(folder: Path) -> dict[str, Any]:
    """PEFT's settings of a folder, all of them known."""
    where, plain = f"'{folder.name}/{CONFIG}'", LoraConfig().to_dict()
    values = read_json(folder / CONFIG, MOST_CONFIG)
    if not isinstance(values, dict) or values.get("peft_type") != "LORA":
        kind = values.get("peft_type") if isinstance(values, dict) else type(values).__name__
        raise UserError(f"{where}: expected a LoRA adapter, got {kind!s:.40}. {WAY}")
    known = COMPUTED | BESIDE
    more = [k for k, v in values.items() if k not in known and v and v != plain.get(k)]
    if values.get("init_lora_weights") not in PLAIN_STARTS:
        more.append("init_lora_weights")
    if more:
        raise UserError(
            f"{where} changes the model in another way than by LoRA layers: "
            f"{', '.join(sorted(more))}. {WAY}"
        )
    return values


def load(vlm: VLM, folder: Path) -> VLM:
    """`vlm` with the adapter on, as `PeftModel.from_pretrained` puts it; changes it in place."""
    adapter, values = look(folder), settings(folder)
    names = {name for name, _ in vlm.core.named_modules()}
    try:
        tensors, older = renamed(load_file(folder / WEIGHTS), names)
        config = LoraConfig(**resolved(values, names, older, folder))
        config.inference_mode = True
        with LOADING:
            model = get_peft_model(vlm.model, config)
        put: Any = set_peft_model_state_dict(model, tensors)
        unused = list(put.unexpected_keys)
    except SafetensorError as error:
        raise UserError(f"'{folder.name}/{WEIGHTS}' is damaged or cut short: {error}.") from None
    except (ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise other_base(vlm, adapter, said(error)) from None
    if unused:
        raise other_base(vlm, adapter, f"PEFT would leave out {len(unused)} weights, {unused[0]}")
    if empty := [k for k in put.missing_keys if ".lora_" in k]:
        raise other_base(vlm, adapter, f"PEFT would adapt {empty[0]}, for which it has no weights")
    return replace(vlm, model=switched_on(model))


def switched_on(model: Any) -> PeftModel:
    """The model in eval mode; nothing in it is trained."""
    return model.eval().requires_grad_(False)


def other_base(vlm: VLM, adapter: ForeignAdapter, what: str) -> UserError:
    return UserError(
        f"The adapter '{adapter.folder.name}' does not fit {vlm.name}: it was made for "
        f"{adapter.base or 'a model that it does not name'}, and {what.rstrip('.')}. Name its own "
        "base model as --original."
    )


# Names.


def renamed(tensors: Tensors, names: set[str]) -> tuple[Tensors, dict[str, str]]:
    """Weights by the names that modules have now, and the older names by the new ones."""
    found, older = {}, {}
    for key, value in tensors.items():
        path = END.sub("", key.removeprefix(START))
        new = path if path in names else next((n for n in newer(path) if n in names), path)
        older[new] = path
        found[key.replace(path, new, 1)] = value
    return found, older


def newer(path: str) -> Iterator[str]:
    """What a module of an older transformers may be called today."""
    for before, now in OLDER:
        if path.startswith(before):
            yield now + path.removeprefix(before)


def resolved(
    values: dict[str, Any], names: set[str], older: dict[str, str], folder: Path
) -> dict[str, Any]:
    """The settings with its layers by their full names: PEFT matches no pattern of a stranger."""
    found = {k: v for k, v in values.items() if k in COMPUTED}
    for name in ("rank_pattern", "alpha_pattern", "layers_pattern"):
        for pattern in as_list(found.get(name) or ()):
            if not regex.fullmatch(r"[\w.]*", pattern):
                raise too_long(folder, pattern)
    for name in ("target_modules", "exclude_modules"):
        wanted = found.get(name)
        if wanted and wanted != "all-linear":
            found[name] = sorted(
                n for n in names if any(fits(wanted, k, folder) for k in {n, older.get(n, n)})
            )
    return found


def as_list(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)
