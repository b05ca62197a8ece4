"""What a session with a model costs, by the shapes of its weights alone: nothing is loaded.

Counted are the weights, the adapter with its gradient and AdamW's two moments, what autograd keeps
of a step's pictures and words, and the logits of its answers. Not counted: what the GPU's driver
takes (about half a GB), and what a kernel needs for a moment.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForImageTextToText, PretrainedConfig

from hfru_core.config import UnlearnConfig
from hfru_core.files import one_line
from hfru_core.model import folder_limits
from hfru_core.model.checkpoint import check_name, commit_of
from hfru_core.model.families import Family, decoder_pattern, family_of, tower_pattern
from hfru_core.model.processor import processor_class
from hfru_core.model.vlm import VLM
from hfru_core.paths import ASSETS, model_name

PICTURE = (448, 448)  # pixels of the picture whose tokens are counted
WORDS = 32  # tokens of a question and of the template around it
BYTES = {"bf16": 2.0, "int8": 1.0, "nf4": 0.5 + 4 / 64}  # of a value of the decoder's layers
TRAINED = 16  # bytes of a value of the adapter: float32, its gradient, two moments
LOGIT = 12  # bytes of a logit: bfloat16, float32 twice, and its gradient in bfloat16


@dataclass(frozen=True)
class Shape:
    """A model without weights, and how many patches and image tokens it makes of a picture."""

    name: str
    core: Any
    family: Family
    tokens: int
    patches: int


@dataclass(frozen=True)
class Kept:
    """Bytes that autograd keeps: of a patch in a block of the tower, of its input, of a token."""

    block: float
    entered: float
    blocks: int
    token: float
    logits: float


@dataclass(frozen=True)
class Cost:
    """Values of each part of a model, and what follows for the memory of a session."""

    name: str
    family: str
    tower: int
    projector: int
    decoder: int
    other: int
    layers: int  # the decoder's values in linear layers, which quantisation makes small
    adapter: int
    tokens: int
    patches: int
    kept: Kept | None  # None for towers of convolutions

    @property
    def values(self) -> int:
        return self.tower + self.projector + self.decoder + self.other

    def weights(self, kind: str) -> float:
        """Bytes of the weights where the decoder's layers are stored as `kind`."""
        return (self.values - self.layers) * BYTES["bf16"] + self.layers * BYTES[kind]

    def picture(self, checkpointing: bool) -> float | None:
        """Bytes that one more picture takes in a supervised step, with its answer."""
        answer = UnlearnConfig().max_new_tokens
        return self.step(1, 1, answer, answer, checkpointing)

    def session(self, kind: str, checkpointing: bool, config: UnlearnConfig) -> float | None:
        """Bytes at the height of a session, by the larger of its two kinds of steps."""
        answer, hfru = config.max_new_tokens, config.hfru
        seen = config.batch + config.retain_batch
        taught = self.step(seen, config.batch, answer, answer, checkpointing)
        drawn = hfru.group * answer
        ranked = self.step(hfru.grpo_prompts, hfru.grpo_prompts, drawn, drawn, checkpointing)
        if taught is None or ranked is None:
            return None
        return self.weights(kind) + self.adapter * TRAINED + max(taught, ranked)

    def step(
        self, seen: int, asked: int, answer: int, scored: int, checkpointing: bool
    ) -> float | None:
        """Bytes of a step: pictures seen by the tower, prompts of the decoder, answers' tokens."""
        if self.kept is None:
            return None
        kept = self.kept
        again = 1 if checkpointing else kept.blocks  # a block computed twice is kept one at a time
        patch = again * kept.block + kept.blocks * kept.entered
        words = asked * (self.tokens + WORDS + answer) * kept.token
        return seen * self.patches * patch + words + asked * scored * kept.logits


def of(model: str | Path, revision: str | None = None) -> Cost:
    """The cost of a known Hub id, of a folder, or of a model on the Hub."""
    shape = known(str(model)) if str(model) in shapes() else read(model, revision)
    core, family = shape.core, shape.family
    tower, projector, decoder = (
        values(core, part) for part in (family.tower, family.projector, family.decoder)
    )
    tower -= projector * family.projector.startswith(f"{family.tower}.")
    adapted = linears(core, tower_pattern(family, core.config))
    layers = linears(core, decoder_pattern(family))
    return Cost(
        shape.name,
        family.label,
        tower,
        projector,
        decoder,
        sum(p.numel() for p in core.parameters()) - tower - projector - decoder,
        sum(m.weight.numel() for m in layers.values()),
        UnlearnConfig().lora_rank * sum(m.in_features + m.out_features for m in adapted.values()),
        shape.tokens,
        shape.patches,
        None if family.maps else kept(core, adapted, layers),
    )


def values(core: nn.Module, part: str) -> int:
    return sum(p.numel() for p in core.get_submodule(part).parameters())


def linears(core: nn.Module, pattern: str) -> dict[str, nn.Linear]:
    """The linear layers whose names match in full."""
    found = {n: m for n, m in core.named_modules() if isinstance(m, nn.Linear)}
    return {n: m for n, m in found.items() if re.fullmatch(pattern, n)}


def kept(core: Any, adapted: dict[str, nn.Linear], layers: dict[str, nn.Linear]) -> Kept:
    """What autograd keeps, in bfloat16.

    Of an adapted layer its input and the adapter's inner values in float32, and its output; of a
    frozen one its output, which attention, activation or norm need. Norms of the decoder are
    float32.
    """
    text = core.config.get_text_config()
    depth, width = text.num_hidden_layers, text.hidden_size
    inputs = sum(4 * (m.in_features + UnlearnConfig().lora_rank) for m in adapted.values())
    blocks = len({re.sub(r"(\d+).*", r"\1", name) for name in adapted})
    words = sum(2 * m.out_features for m in layers.values())
    return Kept(
        (inputs + sum(2 * m.out_features for m in adapted.values())) / blocks,
        2 * next(iter(adapted.values())).in_features,
        blocks,
        words + depth * (6 * width + 2 * text.intermediate_size),
        LOGIT * text.vocab_size,
    )


@lru_cache(maxsize=1)
def shapes() -> dict[str, dict]:
    """The settings of the Hub's most named models, by id."""
    return json.loads((ASSETS / "models" / "shapes.json").read_text(encoding="utf-8"))


def known(name: str) -> Shape:
    """The shape of a model of the table: no network is asked."""
    row = shapes()[name]
    settings = dict(row["config"])
    config = CONFIG_MAPPING[settings.pop("model_type")](**settings)
    return Shape(name, hollow(config), family_of(config.model_type), row["tokens"], row["patches"])


def hollow(config: PretrainedConfig) -> Any:
    """The model of a configuration, without memory for its weights."""
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)


def read(model: str | Path, revision: str | None) -> Shape:
    """The shape of a folder or of a model on the Hub; its processor is asked about a picture."""
    check_name(model)
    way = f"Without a network these are known: {', '.join(shapes())}."
    with one_line(f"The settings of '{model}' could not be read", way):
        if Path(model).is_dir():
            folder_limits.check_settings(Path(model))
        revision = commit_of(model, revision) or revision
        config = AutoConfig.from_pretrained(model, revision=revision)
        family = family_of(config.model_type)
        processor = processor_class(config.model_type).from_pretrained(model, revision=revision)
    core = hollow(config)
    vlm = VLM(core, processor, family, torch.device("cpu"), model_name(model))
    inputs = vlm.read([Image.new("RGB", PICTURE)], [""])
    tokens = int((inputs["input_ids"] == config.image_token_id).sum())
    return Shape(vlm.name, core, family, tokens, patches_of(inputs["pixel_values"], config))


def patches_of(pixels: torch.Tensor, config: Any) -> int:
    """How many patches the pixels of a picture are, in whatever layout."""
    vision = config.vision_config
    side = getattr(vision, "patch_size", None) or 1
    side = side[0] if isinstance(side, (list, tuple)) else side
    frames = getattr(vision, "temporal_patch_size", 1)
    return pixels.numel() // (3 * side * side * frames)
