"""A LoRA folder of another program (TRL, LLaMA-Factory, unsloth ...), loaded as PEFT loads it.

Its settings and weights are PEFT's own; a setting that changes the model outside of the adapter is
refused, since such a model cannot be had with and without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import regex
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file

from hfru_core.adapters.record import CONFIG, WEIGHTS
from hfru_core.adapters.validate import MOST_CONFIG, PICKLES, file_hash
from hfru_core.files import read_json, said
from hfru_core.model.vlm import VLM
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
PATTERNS = ("target_modules", "exclude_modules", "layers_pattern")
LONGEST, SECONDS = 4000, 0.1  # letters of a pattern; for one name
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
    check_patterns(vlm, folder, values)
    try:
        tensors = load_file(folder / WEIGHTS)
        config = LoraConfig(**{k: v for k, v in values.items() if k in COMPUTED})
        config.inference_mode = True
        model = get_peft_model(vlm.model, config)
        unused = list(set_peft_model_state_dict(model, tensors).unexpected_keys)
    except SafetensorError as error:
        raise UserError(f"'{folder.name}/{WEIGHTS}' is damaged or cut short: {error}.") from None
    except (ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise other_base(vlm, adapter, said(error)) from None
    if unused:
        raise other_base(vlm, adapter, f"PEFT would leave out {len(unused)} weights, {unused[0]}")
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


def check_patterns(vlm: VLM, folder: Path, values: dict[str, Any]) -> None:
    """Refuse a pattern of layers that a stranger made to match for hours."""
    found = [v for name in PATTERNS for v in as_list(values.get(name)) if isinstance(v, str)]
    found += [p for name in ("rank_pattern", "alpha_pattern") for p in values.get(name) or {}]
    names = [name for name, _ in vlm.core.named_modules()]
    for pattern in found:
        try:
            if len(pattern) > LONGEST:
                raise TimeoutError
            compiled = regex.compile(rf"(.*\.)?({pattern})")
            for name in names:
                compiled.fullmatch(name, timeout=SECONDS)
        except TimeoutError:
            raise UserError(
                f"'{folder.name}/{CONFIG}' names its layers by a pattern that takes too long to "
                f"match: {pattern[:80]}. Write the layers' names instead."
            ) from None
        except regex.error as error:
            raise UserError(
                f"'{folder.name}/{CONFIG}': the pattern {pattern[:80]!r} cannot be read: {error}."
            ) from None


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
