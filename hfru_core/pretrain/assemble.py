"""A VLM put together from a published language model and a bundled vision tower, in the class of
the tower's model: LLaVA for the drawn world's, FastVLM for that of `photo`.

The parts are joined and saved here; `assemble_train.py` teaches the decoder to see.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, LlavaProcessor

from hfru_core.files import one_line, read_json, whole, write_text
from hfru_core.model import folder_limits
from hfru_core.model.families import family_of
from hfru_core.model.vlm import VLM
from hfru_core.paths import BUNDLED, chosen
from hfru_core.pretrain import assemble_lessons
from hfru_core.pretrain import decoder as decoders
from hfru_core.pretrain.assemble_card import card
from hfru_core.pretrain.assemble_lessons import DrawnLessons, Lessons, PhotoLessons
from hfru_core.pretrain.assemble_train import Recipe, Trainer
from hfru_core.pretrain.photo.features import kept, planned
from hfru_core.pretrain.photo.pictures import digest, read, split
from hfru_core.pretrain.pool import world_pool
from hfru_core.pretrain.train import CACHE
from hfru_core.types import UserError

IMAGE = "<image>"
DRAWN, PHOTO = "llava", "fast_vlm"  # the classes of the bundled towers' models
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


def assembled(decoder: Any, tokenizer: Any, tower: Path) -> tuple[Any, LlavaProcessor]:
    """A VLM in float32: the tower of the model folder `tower`, the decoder, a fresh projector."""
    torch.manual_seed(0)  # the projector begins at random: two trainings begin alike
    with one_line(f"The tower '{tower}' could not be loaded", folder_limits.WAY):
        folder_limits.check_folder(tower, AutoModelForImageTextToText)
        seen = AutoModelForImageTextToText.from_pretrained(
            tower, use_safetensors=True, dtype=torch.float32
        )
        processor = processor_for(tokenizer, tower)
    model = type(seen)(config_for(decoder, tokenizer, seen.config))
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


def config_for(decoder: Any, tokenizer: Any, seen: Any) -> Any:
    """The settings of the tower's model (of its class) with the decoder's."""
    text = decoder.config.to_dict() | {"vocab_size": len(tokenizer), "dtype": "float32"}
    text.pop("_name_or_path", None)
    return type(seen)(
        vision_config=seen.vision_config,
        text_config=type(decoder.config)(**text),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        vision_feature_layer=seen.vision_feature_layer,
        vision_feature_select_strategy=seen.vision_feature_select_strategy,
        image_seq_length=seen.image_seq_length,
        tie_word_embeddings=decoder.config.tie_word_embeddings,
    )


def run(
    decoder: str, tower: str, recipe: Recipe, out: Path, files: Sequence[Path] = ()
) -> dict[str, object]:
    """Join, teach and save; a killed training goes on from `OUT.part`. Raises where OUT exists.

    `files` are parquet files of photographs, for a tower that sees such.
    """
    began, work = time.time(), out.with_name(out.name + ".part")
    check(recipe, tower, out, files)
    language, tokenizer = decoders.load(decoder, CACHE)
    model, processor = assembled(language, tokenizer, folder_of(tower))
    vlm = VLM(model, processor, family_of(kind_of(tower)), torch.device("cpu"), out.name)
    hashes = {file.name: digest(file) for file in files}
    request = {"decoder": decoder, "tower": tower, "recipe": asdict(recipe), "data": hashes}
    claim_work(work, request | {"model": vlm.fingerprint()})
    trainer = Trainer(vlm, lessons(vlm, recipe, work, files), recipe, work)
    trainer.run()
    save(trainer.finished(), card(decoder, recipe, hashes), recipe, out)
    shutil.rmtree(work)
    return {"model": str(out), "seconds": round(time.time() - began), "loss": trainer.loss}


def lessons(vlm: VLM, recipe: Recipe, work: Path, files: Sequence[Path]) -> Lessons:
    """What the tower was made for: drawn pictures, or views of the files' photographs."""
    if not files:
        return DrawnLessons(vlm.core, world_pool(recipe.seed, recipe.pictures, CACHE), work)
    head = assemble_lessons.own_classifier(CACHE)
    shots, _ = split(read(files))
    rows = planned(len(shots), 2, recipe.seed)[: recipe.pictures]
    return PhotoLessons(vlm.tower, shots, kept(vlm.tower, head, shots, rows, work))


def check(recipe: Recipe, tower: str, out: Path, files: Sequence[Path]) -> None:
    """Raises before any work where the request cannot end well."""
    if out.exists():
        raise UserError(f"'{out}' exists and is not overwritten. Choose another --out.")
    kind = kind_of(tower)
    if kind not in (DRAWN, PHOTO):
        raise UserError(
            f"--tower '{tower}': use world, photo, or the folder of a model of their architectures."
        )
    if missing := [file for file in files if not file.is_file()]:
        raise UserError(f"--data: there is no file '{missing[0]}'.")
    if (kind == PHOTO) != bool(files):
        raise UserError(
            "The tower of photographs learns from yours: give --data FILE.parquet (docs/models.md)."
            if kind == PHOTO
            else "--data is for --tower photo: the tower of the drawn world learns from drawings."
        )
    for name, least in (("steps", 1), ("pictures", recipe.word_batch)):
        if getattr(recipe, name) < least:
            raise UserError(f"--{name} must be at least {least}, got {getattr(recipe, name)}.")


def folder_of(tower: str) -> Path:
    return Path(chosen(tower)) if tower in BUNDLED else Path(tower)


def kind_of(tower: str) -> str:
    """The class of the tower's model; "" where there is none."""
    file = folder_of(tower) / "config.json"
    return str(read_json(file).get("model_type", "")) if file.is_file() else ""


def claim_work(work: Path, request: Mapping[str, object]) -> None:
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


def save(vlm: VLM, told: str, recipe: Recipe, out: Path) -> None:
    """An ordinary folder in bfloat16: weights, processor, recipe and a model card."""
    with whole(out) as folder:
        vlm.core.to(torch.bfloat16).save_pretrained(folder)
        vlm.processor.save_pretrained(folder)
        (folder / "assembled.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")
        (folder / "README.md").write_text(told)
