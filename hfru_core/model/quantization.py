"""The decoder in 4 or 8 bits by bitsandbytes; tower and projector stay as they are.

The tower is trained and the projector passes gradients to it, so only the frozen decoder is
quantised: on a small GPU it is most of a model's memory.
"""

from __future__ import annotations

import importlib.util

import torch
from transformers import BitsAndBytesConfig

from hfru_core.model.families import Family
from hfru_core.types import UserError

KINDS = ("nf4", "int8")


def settings(kind: str, family: Family, dtype: torch.dtype) -> BitsAndBytesConfig:
    """The settings for bitsandbytes; raises where it is missing or `kind` is unknown.

    Skipped names are matched from the root of the model, and they replace the default list: so the
    output layer is named too.
    """
    if kind not in KINDS:
        raise UserError(f"Unknown quantisation '{kind}'. Use one of: {', '.join(KINDS)}.")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            f"Quantisation '{kind}' needs the package bitsandbytes, which is not installed. "
            "Run: pip install bitsandbytes; or leave --quantize out."
        )
    skipped = [family.tower, family.projector, "lm_head"]
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skipped)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=skipped,
    )
