"""What an adapter folder may hold: all of it is checked before any of it is used."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from peft import LoraConfig
from safetensors import SafetensorError, safe_open

from hfru_core.adapters.record import (
    CONFIG,
    HASHED,
    INFO,
    WEIGHTS,
    AdapterRecord,
    number,
    read_record,
)
from hfru_core.files import read_json
from hfru_core.model.families import FAMILIES, Family, decoder_pattern
from hfru_core.types import UserError

CARD = "README.md"
FILES = (*HASHED, INFO, CARD)
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz")
MOST_CONFIG, MOST_ALPHA = 2**20, 10_000  # bytes of PEFT's settings; its lora_alpha
MOST_BYTES = 64 * 2**20  # of a folder that comes from elsewhere
# The settings of PEFT that an adapter here may choose. Some of the others import modules by name,
# or change the base model while the adapter is being loaded.
CHOSEN = {
    "r", "lora_alpha", "target_modules", "base_model_name_or_path", "revision", "peft_version",
    "auto_mapping", "inference_mode",
}  # fmt: skip
KEY = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
Shapes = dict[str, dict[str, list[int]]]


def file_hash(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def checked_record(folder: Path) -> AdapterRecord:
    """The record of an adapter folder; raises where any file is not what the record says."""
    if not folder.is_dir():
        raise UserError(f"There is no adapter folder '{folder}'.")
    for file in (*HASHED, INFO):
        if not (folder / file).is_file():
            raise UserError(
                f"'{folder.name}' is not an adapter of this project: {file} is missing."
            )
    record, layers = read_record(folder), shapes(folder)
    check_scope(folder, layers, record.scopes)
    check_hashes(folder, record.hashes)
    check_config(folder, layers)
    return record


def shapes(folder: Path) -> Shapes:
    """The shapes of A (rank, in) and B (out, rank) by layer; raises at any other weight."""
    where = f"'{folder.name}/{WEIGHTS}'"
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            found = {k: sides(file.get_slice(k).get_shape()) for k in file.keys()}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{where} is damaged or cut short: {error}.") from None
    layers: Shapes = {}
    for key, shape in found.items():
        match = KEY.fullmatch(key)
        if not match or not adaptable(match[1]):
            raise UserError(
                f"{where} holds weights that are no LoRA of a tower or projector: {key}. They "
                "could change anything; ask whoever made it for an adapter of this project."
            )
        layers.setdefault(match[1], {})[match[2]] = shape
    if not layers:
        raise UserError(f"{where} holds no weights at all. Download it again.")
    return layers


def sides(shape: list[int]) -> list[int]:
    """A matrix's rows and columns; a convolution of one pixel is one."""
    return shape[:2] if shape[2:] == [1, 1] else shape


def adaptable(layer: str, families: Iterable[Family] = tuple(FAMILIES.values())) -> bool:
    """Whether a layer's name is that of a linear layer that LoRA adapts in a family."""
    patterns = [p for f in families for p in (f.lora, f.projector_lora) if p]
    patterns += [decoder_pattern(f) for f in families]
    return any(re.fullmatch(p.replace("{layer}", r"\d+"), layer) for p in patterns)


def check_scope(folder: Path, layers: Shapes, scopes: tuple[str | None, ...]) -> None:
    """Refuse weights for the language model in an adapter that says it is the encoder's."""
    inside = [n for n in layers for f in FAMILIES.values() if re.fullmatch(decoder_pattern(f), n)]
    if inside and not {"decoder", "all"} & set(scopes):
        named = ", ".join(f"'{s}'" for s in scopes)
        raise UserError(
            f"'{folder.name}/{WEIGHTS}' holds weights that are no LoRA of a tower or projector: "
            f"{inside[0]}, but its record says scope {named}. They could change anything; ask "
            "whoever made it for an adapter of this project."
        )


def check_hashes(folder: Path, hashes: Mapping[str, str]) -> None:
    for file in HASHED:
        got, expected = file_hash(folder / file), hashes[file]
        if got != expected:
            raise UserError(
                f"'{folder.name}/{file}' is not the file that {INFO} names: expected "
                f"{expected[:12]}, got {got[:12]}. It was changed or damaged; download it again."
            )


def check_config(folder: Path, layers: Shapes) -> None:
    """Refuse settings that are not those of plain LoRA, and a rank that the weights have not."""
    where, plain = f"'{folder.name}/{CONFIG}'", LoraConfig().to_dict()
    try:
        values = read_json(folder / CONFIG, MOST_CONFIG)
        more = [k for k, v in values.items() if k not in CHOSEN and v and v != plain.get(k)]
        rank, alpha = values["r"], number(values["lora_alpha"])
        if not 0 <= alpha <= MOST_ALPHA:
            raise ValueError(f"lora_alpha lies between 0 and {MOST_ALPHA}, got {alpha!r:.80}")
    except UserError:
        raise
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise UserError(f"{where} is not readable: {error}.") from None
    if more:
        raise UserError(
            f"{where} asks for more than plain LoRA: {', '.join(sorted(more))}. Adapters of this "
            "project do not; it could run or change anything."
        )
    for name, found in layers.items():
        pair = [s for _, s in sorted(found.items()) if len(s) == 2]
        if len(pair) != 2 or not pair[0][0] == pair[1][1] == rank > 0:
            raise UserError(
                f"{where} says rank {rank}, but the weights of {name} have the shapes {found}. "
                "The files do not belong together; download all of them again."
            )


def check_name(name: str) -> None:
    """Refuse any file that is not one of an adapter's, pickles by name."""
    if Path(name).suffix.lower() in PICKLES:
        raise UserError(
            f"'{name}' may be a pickle, which runs code when it is opened. Only safetensors are "
            "taken: ask whoever made it to save the adapter that way."
        )
    if name not in FILES:
        raise UserError(f"'{name}' is not a file of an adapter: expected {', '.join(FILES)}.")


def check_size(size: int, most: int = MOST_BYTES) -> None:
    """Refuse more bytes than `most`."""
    if size > most:
        raise UserError(
            f"The files are too large: at most {MOST_BYTES / 2**20:.0f} MB in all are taken, got "
            f"{size / 2**20:.0f} MB or more. Is it a whole model instead of an adapter?"
        )
