"""A tiny random checkpoint of every family, made from the family's own classes and saved to disk.

Sizes are the smallest at which everything that tells the families apart still happens: several
tiles for a picture, windows, layers that are not read, deep-stack features, merged patches.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from tests.families.checkpoints import gemma, glm, idefics, llava, minicpm, qwen
from tests.families.checkpoints.parts import Parts

MAKERS: dict[str, Callable[[], Parts]] = {
    f.__name__: f
    for f in (
        llava.llava,
        llava.llava_next,
        llava.llava_onevision,
        qwen.qwen2_vl,
        qwen.qwen2_5_vl,
        qwen.qwen3_vl,
        idefics.smolvlm,
        idefics.idefics3,
        gemma.paligemma,
        llava.internvl,
        gemma.gemma3,
        llava.fast_vlm,
        llava.aya_vision,
        llava.ovis2,
        glm.glm4v,
        glm.glm46v,
        gemma.gemma4,
        qwen.qwen3_5,
        qwen.lfm3_vl,
        minicpm.minicpmv4_6,
        minicpm.minicpmv4_7,
    )
}


def make(family: str, folder: Path) -> Path:
    """Save the family's tiny checkpoint; its weights are large, so that pictures matter."""
    torch.manual_seed(0)
    model, processor = MAKERS[family]()
    model = model.float().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim > 1 and "norm" not in name:
                p.normal_(0, 0.1)  # also what starts at zero
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
