"""Whether two checkpoints are versions of one model: the same family, settings and words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from transformers import AutoConfig

from hfru_core.files import one_line
from hfru_core.model import folder_limits
from hfru_core.model.checkpoint import check_name
from hfru_core.model.families import family_of
from hfru_core.model.processor import processor_class
from hfru_core.paths import model_name
from hfru_core.types import UserError

# Settings that change nothing of what the weights compute: how they are stored, trained or asked.
BESIDE = re.compile(
    r"(torch_)?dtype|transformers_version|_name_or_path|architectures|use_cache|padding_side"
    r"|.*dropout.*|.*drop|init.*|gradient_checkpointing|output_.*|return_dict|id2label|label2id"
    r"|problem_type|pretraining_tp|max_position_embeddings|_?attn_implementation.*|torchscript"
    r"|(pad|bos|eos|unk|sep)_token_id|chunk_size.*|is_.*|finetuning_task|unsloth.*|use_bfloat16"
)


class Place(NamedTuple):
    """Where a model is: a folder or a Hub id, and of the latter the revision."""

    model: str | Path
    revision: str | None = None

    @property
    def name(self) -> str:
        """How people call it, without a folder's path."""
        return model_name(self.model)


def settings_of(place: Place) -> Any:
    """A model's config; raises where there is none, or where it asks for what no model does."""
    check_name(place.model)
    with one_line(f"The model '{place.model}' could not be loaded", folder_limits.WAY):
        if Path(place.model).is_dir():
            folder_limits.check_settings(Path(place.model))
        config = AutoConfig.from_pretrained(place.model, revision=place.revision)
    family_of(config.model_type)
    return config


def difference(one: Any, other: Any) -> str | None:
    """The first setting in which two configs compute differently, in words; None where they don't.

    `one` is what is expected.
    """
    if one.model_type != other.model_type:
        return f"expected a model of type '{one.model_type}', got '{other.model_type}'"
    expected, got = (dict(flat(c.to_dict())) for c in (one, other))
    for name in sorted({*expected, *got}):
        if expected.get(name) != got.get(name):
            return f"expected {name} {expected.get(name)}, got {got.get(name)}"
    return None


def flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The settings that matter, one by one; what is not set is left out."""
    for name, value in values.items():
        if BESIDE.fullmatch(name) or value is None:
            continue
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def check_pair(original: Place, other: Place) -> None:
    """Raise where another checkpoint cannot be a version of the original."""
    found = difference(settings_of(original), settings_of(other))
    if found is None and not same_words(original, other):
        found = "expected the original's tokens, got others"
    if found:
        raise UserError(
            f"'{other.name}' is no version of '{original.name}': {found}. Was it made from another "
            "model? Name the one that it was made from as --original."
        )


def same_words(one: Place, other: Place) -> bool:
    """Whether two models have the same token for every number."""
    files = [Path(p.model) / "tokenizer.json" for p in (one, other)]
    if all(f.is_file() for f in files) and files[0].read_bytes() == files[1].read_bytes():
        return True
    return words(one) == words(other)


def words(place: Place) -> dict[str, int]:
    """Every token of a model with its number."""
    kind = processor_class(settings_of(place).model_type)
    with one_line(f"The words of '{place.model}' could not be loaded", folder_limits.WAY):
        processor = kind.from_pretrained(place.model, revision=place.revision)
    return dict(processor.tokenizer.get_vocab())
