"""A transformers checkpoint, in a folder or on the Hub: named, checked, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText
from transformers.utils.hub import cached_file, extract_commit_hash

from hfru_core.paths import model_name
from hfru_core.types import UserError


def check_name(model: str | Path) -> None:
    """Raise where `model` is neither a model's folder nor like a Hub id."""
    local = Path(model)
    if local.is_dir() and not (local / "config.json").is_file():
        raise UserError(f"'{model}' is not a model folder: it has no config.json.")
    if not local.exists() and (local.is_absolute() or str(model).count("/") != 1):
        raise UserError(f"There is no model folder '{model}', and it is not a Hub id (owner/name).")


def commit_of(model: str | Path, revision: str | None) -> str | None:
    """The commit on the Hub that a branch or tag means now, so that all files are of one."""
    return extract_commit_hash(cached_file(model, "config.json", revision=revision), None)


def from_disk(
    model: str | Path,
    dtype: torch.dtype,
    *,
    revision: str | None,
    where: torch.device | None = None,
    small: object = None,
) -> Any:
    """The transformers model, on its device (CPU where none is given)."""
    placed: dict[str, Any] = (
        {"quantization_config": small, "device_map": {"": where}} if small else {}
    )
    loaded: Any = AutoModelForImageTextToText.from_pretrained(
        model,
        revision=revision,
        use_safetensors=True,
        dtype=dtype,
        output_loading_info=True,
        **placed,
    )
    core, found = loaded
    if missing := sorted(found["missing_keys"]):  # They would be values of chance.
        raise UserError(
            f"'{model_name(model)}' has no values for {len(missing)} of its "
            f"{len(core.state_dict())} weights: {missing[0]} is missing. Was the download cut "
            "short? Download it again."
        )
    return core if small or where is None else core.to(where)
