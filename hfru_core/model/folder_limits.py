"""What a model folder may ask for: all of it is looked at before memory is spent on any of it.

A folder of a stranger is a few files that say how much is to be built. The settings are bounded
one by one, so that the model can be built without memory (torch's meta device); and what is built
so must fit the weights that the safetensors files hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoConfig, PretrainedConfig

from hfru_core.files import read_json
from hfru_core.types import UserError

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
MB = 2**20
SIZES = {  # bytes of the files that loaders read whole, by pattern; the first that matches
    "config.json": MB,
    "generation_config.json": MB,
    "*.jinja": MB,
    "*processor*.json": MB,
    "tokenizer_config.json": 16 * MB,
    "*.index.json": 16 * MB,
    "*token*": 64 * MB,
    "vocab*": 64 * MB,
    "merges.txt": 64 * MB,
    "*.model": 64 * MB,
}
ALL = 192 * MB  # bytes of all of these
HEADER, FILES = 16 * MB, 1000  # bytes of a header; files of weights
# The largest number of a setting, by the first pattern that its name matches. Counts are loops,
# sizes are tensors, and what says how far positions reach is neither.
NUMBERS = (
    (r"layers?$|depths?$|blocks?$|experts?$|labels$|stages?$", 1000),
    (r"theta|position|max_|length|n_ctx|seed|factor|clipping|logits", 2**53),
    (r"size|dim|vocab|token|index|_id|hidden|inner|ff|embd|channels|window|scalar", 2**20),
    (r"", 4096),
)
NAMES_OF_CLASSES = ("id2label", "label2id")
ROOM, QUANTISED, SPARE = 2, 16, 2**20  # values built for each that is held, and those for nothing
PIXELS = 2**26  # that one image may become
SIDE, COUNT = 4096, 64  # of what a processor makes of an image
# Their edges are numbers of pixels.
AREAS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "lfm3_vl", "glm4v", "glm46v")
REPLACED = 4096  # letters that a tokenizer may make of one
WAY = "Take the model from where it was published, or another one."


def check_folder(folder: Path, auto: Any) -> None:
    """Raise `UserError` where a folder asks for more than its weights are worth.

    `auto` is the class of transformers that it will be loaded with.
    """
    check_settings(folder)
    check_weights(folder, AutoConfig.from_pretrained(folder), auto)


def check_settings(folder: Path) -> None:
    """Raise `UserError` where the files or settings of a folder are beyond those of any model.

    Nothing of transformers may read the folder before: a number of layers is a loop there.
    """
    check_files(folder)
    settings = table(folder / CONFIG)
    check_numbers(settings)
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            check_processor(folder / name, str(settings.get("model_type")))
    if (folder / "tokenizer.json").is_file():
        check_tokenizer(folder / "tokenizer.json")


def check_weights(folder: Path, config: PretrainedConfig, auto: Any) -> None:
    """Raise `UserError` where `auto`, a class of transformers, would build more than is held."""
    held = values_held(folder)
    quantised = getattr(config, "quantization_config", None)
    with torch.device("meta"):
        built = values_of(auto.from_config(config))
    if built > (QUANTISED if quantised else ROOM) * held + SPARE:
        got = f"one of {built:,} values, where the files hold {held:,}"
        raise bad(folder / CONFIG, "a model as large as its weights", got)


def bad(file: Path, expected: str, got: object) -> UserError:
    where = f"{file.parent.name}/{file.name}"
    return UserError(f"'{where}': expected {expected}, got {got!s:.160}. {WAY}")


def table(file: Path) -> dict[str, Any]:
    """A JSON object of a file; raises where there is another value."""
    value = read_json(file)
    if not isinstance(value, dict):
        raise bad(file, "a JSON object", type(value).__name__)
    return value


def check_files(folder: Path) -> None:
    """Refuse files that are no files, or larger than what a loader should read whole."""
    if (folder / "adapter_config.json").exists():
        raise bad(folder / "adapter_config.json", "a model", "an adapter (give it as --adapter)")
    total = 0
    for file in (*folder.glob("*"), *folder.glob("additional_chat_templates/*.jinja")):
        most = next((m for pattern, m in SIZES.items() if file.match(pattern)), None)
        if most is None or file.is_dir():
            continue
        if not file.is_file():
            raise bad(file, "a file", "a device, a pipe or a broken link")
        total += (size := file.stat().st_size)
        if size > most or total > ALL:
            raise bad(file, f"at most {most // MB} MB, {ALL // MB} MB in all", f"{total:,} bytes")


def check_numbers(settings: dict[str, Any]) -> None:
    """Refuse numbers that are beyond what any model has."""
    if "transformers_weights" in settings:
        raise bad(Path(CONFIG), f"weights in {WEIGHTS}", "transformers_weights")
    for name, number in numbers(settings):
        most = next(m for pattern, m in NUMBERS if re.search(pattern, name))
        if not abs(number) <= most:
            raise UserError(f"'{CONFIG}': {name} is at most {most}, got {number!s:.40}. {WAY}")


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a JSON value with the name of the setting that it belongs to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in NAMES_OF_CLASSES:
                yield from numbers(inner, key.lower())
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner, name)
    elif isinstance(value, int | float):
        yield name, value


def values_held(folder: Path) -> int:
    """How many values the weights' files hold, by their headers."""
    return sum(prod(shape) for file in weight_files(folder) for shape in shapes(file))


def weight_files(folder: Path) -> list[Path]:
    """The files of the weights; an index names files of this folder and no others."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        raise UserError(
            f"'{folder.name}' has no {WEIGHTS}: weights are read as safetensors alone, since a "
            "pickle (.bin, .pt) may run code. Take a model that is saved that way."
        )
    placed = table(folder / INDEX).get("weight_map")
    if not isinstance(placed, dict):
        raise bad(folder / INDEX, "a weight_map", type(placed).__name__)
    names = sorted({str(name) for name in placed.values()})
    if len(names) > FILES:
        raise bad(folder / INDEX, f"at most {FILES} files", len(names))
    for name in names:
        if not re.fullmatch(r"[\w.-]+\.safetensors", name):
            raise bad(folder / INDEX, "names of safetensors files in this folder", name)
    if gone := [name for name in names if not (folder / name).is_file()]:
        raise UserError(
            f"'{folder.name}/{gone[0]}' is missing: the index names {len(names)} files of weights, "
            f"{len(names) - len(gone)} are there. Was the download cut short? Download it again."
        )
    return [folder / name for name in names]


def shapes(file: Path) -> list[list[int]]:
    """The shapes of a file's tensors; safetensors itself compares its sizes with the file's."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
    if length > HEADER:
        raise bad(file, f"a header of at most {HEADER // MB} MB", f"{length:,} bytes")
    with safe_open(file, framework="pt") as tensors:
        return [tensors.get_slice(name).get_shape() for name in tensors.keys()]


def values_of(model: nn.Module) -> int:
    """How many values the parameters and buffers of a model have."""
    return sum(t.numel() for part in (model.parameters(), model.buffers()) for t in part)


def check_processor(file: Path, model_type: str) -> None:
    """Refuse an image processor that makes far more of an image than any model takes."""
    sides, counts, areas = [1], [1], [1]
    for name, number in numbers(table(file)):
        if model_type in AREAS and re.search(r"_edge$|pixels$", name):
            areas.append(int(number))
        elif re.search(r"patches|crops|frames|temporal|tiles", name):
            counts.append(int(number))
        elif re.search(r"pixels$", name):
            areas.append(int(number))
        elif not re.search(r"id$|max_length", name):
            sides.append(int(number))
    for numbers_of, most in ((sides, SIDE), (counts, COUNT)):
        if max(numbers_of) > most:
            raise bad(file, f"numbers of at most {most}", max(numbers_of))
    if (pixels := max(max(sides) ** 2, max(areas)) * max(counts)) > PIXELS:
        raise bad(file, f"images of at most {PIXELS:,} pixels", f"{pixels:,}")


def check_tokenizer(file: Path) -> None:
    """Refuse a tokenizer that writes thousands of letters for one."""
    letters = 1
    for content in replacements(table(file)):
        letters *= max(1, len(content))
        if letters > REPLACED:
            raise bad(file, f"at most {REPLACED} letters for one", f"{letters:,}")


def replacements(value: Any) -> Iterator[str]:
    """What the Replace and Prepend steps of a tokenizer write, its vocabulary left out."""
    if isinstance(value, dict):
        if value.get("type") in ("Replace", "Prepend"):
            yield str(value.get("content") or value.get("prepend") or "")
        for key, inner in value.items():
            if key not in ("model", "added_tokens"):
                yield from replacements(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from replacements(inner)
