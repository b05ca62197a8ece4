"""A VLM put together from a published language model and a vision tower (LLaVA's class).

The parts are joined and saved here; `assemble_train.py` teaches the decoder to see.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from hfru_core.files import one_line, whole, write_text
from hfru_core.model import folder_limits
from hfru_core.model.families import family_of
from hfru_core.model.vlm import VLM
from hfru_core.paths import MODEL
from hfru_core.pretrain import decoder as decoders
from hfru_core.pretrain.assemble_train import Recipe, Trainer
from hfru_core.pretrain.pool import world_pool
from hfru_core.pretrain.train import CACHE
from hfru_core.types import UserError

IMAGE = "<image>"
# LLaVA's messages hold pieces; a language model's own template expects strings.
FLATTEN = (
    "{%- set ns = namespace(flat=[]) -%}"
    "{%- for m in messages -%}"
    "{%- if m['content'] is string -%}{%- set ns.flat = ns.flat + [m] -%}{%- else -%}"
    "{%- set piece = namespace(text='') -%}"
    "{%- for c in m['content'] if c['type'] == 'image' -%}"
    "{%- set piece.text = piece.text + '<image>' -%}{%- endfor -%}"
    "{%- for c in m['content'] if c['type'] == 'text' -%}"
    "{%- set piece.text = piece.text + c['text'] -%}{%- endfor -%}"
    "{%- set ns.flat = ns.flat + [{'role': m['role'], 'content': piece.text}] -%}"
    "{%- endif -%}{%- endfor -%}{%- set messages = ns.flat -%}"
)


def assembled(
    decoder: Any, tokenizer: Any, tower: Path
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """A LLaVA in float32: the tower of the model folder `tower`, the decoder, a fresh projector."""
    torch.manual_seed(0)  # the projector begins at random: two trainings begin alike
    with one_line(f"The tower '{tower}' could not be loaded", folder_limits.WAY):
        folder_limits.check_folder(tower, AutoModelForImageTextToText)
        seen = LlavaForConditionalGeneration.from_pretrained(
            tower, use_safetensors=True, dtype=torch.float32
        )
        processor = processor_for(tokenizer, tower)
    model = LlavaForConditionalGeneration(config_for(decoder, tokenizer, seen.config))
    model.model.vision_tower.load_state_dict(seen.model.vision_tower.state_dict())
    decoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.model.language_model.load_state_dict(decoder.model.state_dict())
    model.lm_head.load_state_dict(decoder.lm_head.state_dict())
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.eval().requires_grad_(False), processor


def processor_for(tokenizer: Any, tower: Path) -> LlavaProcessor:
    """The tower's image processor beside the decoder's tokenizer, which learns `<image>`."""
    tokenizer.add_special_tokens({"extra_special_tokens": [IMAGE]})
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    old = LlavaProcessor.from_pretrained(tower)
    return LlavaProcessor(
        image_processor=old.image_processor,
        tokenizer=tokenizer,
        patch_size=old.patch_size,
        vision_feature_select_strategy=old.vision_feature_select_strategy,
        chat_template=FLATTEN + tokenizer.chat_template,
    )


def config_for(decoder: Any, tokenizer: Any, seen: LlavaConfig) -> LlavaConfig:
    """The tower's settings with the decoder's."""
    text = decoder.config.to_dict() | {"vocab_size": len(tokenizer), "dtype": "float32"}
    text.pop("_name_or_path", None)
    return LlavaConfig(
        vision_config=seen.vision_config,
        text_config=type(decoder.config)(**text),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        vision_feature_layer=seen.vision_feature_layer,
        vision_feature_select_strategy=seen.vision_feature_select_strategy,
        image_seq_length=seen.image_seq_length,
        tie_word_embeddings=decoder.config.tie_word_embeddings,
    )


def run(decoder: str, tower: str, recipe: Recipe, out: Path) -> dict[str, object]:
    """Join, teach and save; a killed training goes on from `OUT.part`. Raises where OUT exists."""
    began, work = time.time(), out.with_name(out.name + ".part")
    check(recipe, tower, out)
    language, tokenizer = decoders.load(decoder, CACHE)
    model, processor = assembled(language, tokenizer, folder_of(tower))
    vlm = VLM(model, processor, family_of("llava"), torch.device("cpu"), out.name)
    claim_work(work, {"decoder": decoder, "tower": tower, "recipe": asdict(recipe)})
    trainer = Trainer(vlm, world_pool(recipe.seed, recipe.pictures, CACHE), recipe, work)
    trainer.run()
    save(trainer.finished(), decoder, recipe, out)
    shutil.rmtree(work)
    return {"model": str(out), "seconds": round(time.time() - began), "loss": trainer.loss}


def check(recipe: Recipe, tower: str, out: Path) -> None:
    """Raises before any work where the request cannot end well."""
    if out.exists():
        raise UserError(f"'{out}' exists and is not overwritten. Choose another --out.")
    if not (folder_of(tower) / "config.json").is_file():
        raise UserError(f"--tower '{tower}': use world, or the folder of a LLaVA model.")
    for name, least in (("steps", 1), ("pictures", recipe.word_batch)):
        if getattr(recipe, name) < least:
            raise UserError(f"--{name} must be at least {least}, got {getattr(recipe, name)}.")


def folder_of(tower: str) -> Path:
    return MODEL if tower == "world" else Path(tower)


def claim_work(work: Path, request: dict[str, object]) -> None:
    """Make the folder of an unfinished training; raises where it is of another request."""
    text, file = json.dumps(request, indent=1), work / "request.json"
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"'{work}' cannot be written: {error.strerror}.") from None
    if file.is_file() and file.read_text() != text:
        raise UserError(
            f"'{work}' holds an unfinished training of another request. Repeat that one to finish "
            "it, choose another --out, or delete the folder."
        )
    write_text(file, text)


def save(vlm: VLM, decoder: str, recipe: Recipe, out: Path) -> None:
    """An ordinary folder in bfloat16: weights, processor, recipe and a model card."""
    with whole(out) as folder:
        vlm.core.to(torch.bfloat16).save_pretrained(folder)
        vlm.processor.save_pretrained(folder)
        (folder / "assembled.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")
        (folder / "README.md").write_text(card(decoder, recipe))


def card(decoder: str, recipe: Recipe) -> str:
    """The model card: what the model was taught, and what it cannot do."""
    origin = decoders.ORIGIN.get(decoder, f"`{decoder}`")
    return f"""---
pipeline_tag: image-text-to-text
library_name: transformers
---

# A language model that sees the drawn world

Made by `hfru assemble` of HFRU Studio. Class: LLaVA.

- **Decoder**: {origin}; LoRA of rank {recipe.rank} was trained and folded in.
- **Tower**: the drawn world's (SigLIP, 112 pixels, 49 image tokens), frozen.
- **Projector**: two layers, trained from nothing.
- **Taught**: {recipe.steps} steps of {recipe.batch} drawn images with {recipe.turns} questions
  each, answered in English sentences; 16 kinds of things and 10 invented people (seed
  {recipe.seed}). No photograph, no real person.

**What it cannot do.** It has seen drawings only: about photographs it says something, and that is
worth nothing. Questions unlike those of the drawn world may be answered wrongly. Of general
knowledge it has what a small language model has, less what the training changed. It was made to
study unlearning, not to be used.
"""
