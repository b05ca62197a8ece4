"""The card of an assembled model: what it was taught, and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping

from hfru_core.pretrain import decoder as decoders
from hfru_core.pretrain.assemble_train import Recipe


def card(decoder: str, recipe: Recipe, hashes: Mapping[str, str]) -> str:
    """The model card; `hashes` are those of the files of photographs, none for the drawn world."""
    origin = decoders.ORIGIN.get(decoder, f"`{decoder}`")
    title, parts, limits = of_photographs(recipe, hashes) if hashes else of_drawings(recipe)
    return f"""---
pipeline_tag: image-text-to-text
library_name: transformers
---

# A language model that sees {title}

Made by `hfru assemble` of HFRU Studio. Class: {"FastVLM" if hashes else "LLaVA"}.

- **Decoder**: {origin}; LoRA of rank {recipe.rank} was trained and folded in.
{parts}

**What it cannot do.** {limits} Of general
knowledge it has what a small language model has, less what the training changed. It was made to
study unlearning, not to be used.
"""


def of_drawings(recipe: Recipe) -> tuple[str, str, str]:
    return (
        "the drawn world",
        f"""- **Tower**: the drawn world's (SigLIP, 112 pixels, 49 image tokens), frozen.
- **Projector**: two layers, trained from nothing.
- **Taught**: {recipe.steps} steps of {recipe.batch} drawn images with {recipe.turns} questions
  each, answered in English sentences; 16 kinds of things and 10 invented people (seed
  {recipe.seed}). No photograph, no real person.""",
        """It has seen drawings only: about photographs it says something, and that is
worth nothing. Questions unlike those of the drawn world may be answered wrongly.""",
    )


def of_photographs(recipe: Recipe, hashes: Mapping[str, str]) -> tuple[str, str, str]:
    files = "\n".join(f"  - `{name}`, SHA-256 `{digest}`" for name, digest in hashes.items())
    return (
        "photographs",
        f"""- **Tower**: that of `photo` (EfficientNet-Lite0, 224 pixels, 49 image tokens), frozen.
- **Projector**: two layers, trained from nothing.
- **Taught**: {recipe.steps} steps of {recipe.batch} views with {recipe.turns} questions each, of at
  most {recipe.pictures} views (seed {recipe.seed}) of the pictures in
{files}
  The pictures are not part of this model. One in ten was kept to judge by.""",
        """What it names rightly was not measured here: measure it before you trust it.
It was taught to know nobody, and to say "I can't tell." where nothing is seen.""",
    )
