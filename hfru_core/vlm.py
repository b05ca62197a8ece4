"""A vision-language model and its processor: load, ask, look inside; device is decided here."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForImageTextToText, AutoProcessor, logging

from hfru_core import rollout
from hfru_core.families import Family, family_of
from hfru_core.types import UserError

BUNDLED = Path(__file__).parent.parent / "assets" / "model"
BATCH = 64


@dataclass
class VLM:
    """`model` is a transformers model, or the same wrapped by PEFT once an adapter is on."""

    model: nn.Module
    processor: object
    family: Family
    device: torch.device
    name: str
    revision: str | None = None

    @property
    def tokenizer(self):
        return self.processor.tokenizer

    @property
    def eos(self) -> tuple[int, ...]:
        """The ids that end an answer."""
        ids = self.core.generation_config.eos_token_id
        return tuple(ids) if isinstance(ids, list) else (ids,)

    @property
    def core(self) -> nn.Module:
        """The transformers model itself."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def tower(self) -> nn.Module:
        return self.core.get_submodule(self.family.tower)

    @property
    def projector(self) -> nn.Module:
        return self.core.get_submodule(self.family.projector)

    def prompt(self, question: str, with_image: bool) -> str:
        """The chat template's text of one question."""
        content = [{"type": "image"}] * with_image + [{"type": "text", "text": question}]
        turns = [{"role": "user", "content": content}]
        return self.processor.apply_chat_template(turns, add_generation_prompt=True)

    def inputs(
        self, images: Sequence[Image.Image | None], questions: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Left-padded model inputs for one question per picture; all rows have one, or none has."""
        pictured = images[0] is not None
        texts = [self.prompt(q, pictured) for q in questions]
        pictures = {"images": list(images)} if pictured else {}
        batch = self.processor(
            text=texts, **pictures, return_tensors="pt", padding=True, padding_side="left"
        )
        kept = {k: v for k, v in batch.items() if isinstance(v, torch.Tensor)}
        return {k: v.to(self.device) for k, v in kept.items()}

    def answer(
        self, images: Sequence[Image.Image | None], questions: Sequence[str], max_new: int = 32
    ) -> list[str]:
        """Greedy answers, in batches; text-only questions have None for a picture."""
        said: list[str] = [""] * len(questions)
        for rows in batches(images):
            inputs = self.inputs([images[i] for i in rows], [questions[i] for i in rows])
            with torch.no_grad():
                prefix = rollout.prefill(self.core, inputs)
                ids = rollout.sample(self.core, prefix, 1, max_new, self.eos, temperature=0.0)
            for i, text in zip(rows, self.decode(ids)):
                said[i] = text
        return said

    def decode(self, ids: torch.Tensor) -> list[str]:
        return [t.strip() for t in self.tokenizer.batch_decode(ids, skip_special_tokens=True)]

    def vision_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Projected image tokens (N, P, D): what the decoder gets to see."""
        parts = []
        for rows in batches(images):
            inputs = self.inputs([images[i] for i in rows], [""] * len(rows))
            with torch.no_grad():
                out = self.core.model.get_image_features(pixel_values=inputs["pixel_values"])
            parts.append(torch.stack(list(out.pooler_output)).float().cpu())
        return torch.cat(parts)

    def adapt(self, rank: int, with_projector: bool) -> None:
        """Put a fresh LoRA on the tower (and the projector); nothing else is trainable."""
        pattern = self.family.lora
        if with_projector:
            pattern = f"({pattern}|{self.family.projector_lora})"
        config = LoraConfig(
            r=rank, lora_alpha=rank, target_modules=pattern, revision=self.revision
        )
        self.model = get_peft_model(self.model, config)

    def merged(self) -> VLM:
        """A copy that shares no weights, with any adapter folded in for good."""
        model = copy.deepcopy(self.model)
        if isinstance(model, PeftModel):
            model = model.merge_and_unload()
        return VLM(model, self.processor, self.family, self.device, self.name, self.revision)

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that a session moves, by name."""
        return {n: p for n, p in self.model.named_parameters() if p.requires_grad}


def batches(images: Sequence[Image.Image | None]) -> Iterator[list[int]]:
    """Row numbers in batches, pictured and text-only rows apart."""
    for pictured in (True, False):
        rows = [i for i, image in enumerate(images) if (image is not None) == pictured]
        yield from (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))


def pick_device(wanted: str) -> torch.device:
    """'auto' is the GPU where there is one."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"Device '{wanted}': torch sees no GPU here. Use --device cpu.")
    try:
        return torch.device(wanted)
    except RuntimeError:
        raise UserError(f"Unknown device '{wanted}'. Use auto, cpu or cuda.") from None


def load(model: str | Path = BUNDLED, *, device: str = "auto", revision: str | None = None) -> VLM:
    """A VLM from a local folder or the Hub: safetensors only, never remote code, float32 on CPU."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    where = pick_device(device)
    local = Path(model)
    if local.is_dir() and not (local / "config.json").is_file():
        raise UserError(f"'{model}' is no model folder: it has no config.json.")
    if not local.exists() and (local.is_absolute() or str(model).count("/") != 1):
        raise UserError(f"There is no model folder '{model}', and it is no Hub id (owner/name).")
    kind = torch.bfloat16 if where.type == "cuda" else torch.float32
    try:
        core = AutoModelForImageTextToText.from_pretrained(
            model, revision=revision, use_safetensors=True, dtype=kind
        )
        processor = AutoProcessor.from_pretrained(model, revision=revision)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"The model '{model}' could not be loaded: {error}") from error
    core.to(where).eval().requires_grad_(False)
    family = family_of(core.config.model_type)
    return VLM(core, processor, family, where, model_name(model), revision)


def model_name(model: str | Path) -> str:
    """How an adapter names its base: a Hub id, or a folder's name without its path."""
    if Path(model).resolve() == BUNDLED.resolve():
        return "hfru-studio/bundled"
    return Path(model).resolve().name if Path(model).is_dir() else str(model)


@contextmanager
def swapped(parameters: dict[str, nn.Parameter], values: dict[str, torch.Tensor]) -> Iterator[None]:
    """Other values in the same parameters for a while: the reference policy without a copy."""
    own = {n: p.data for n, p in parameters.items()}
    try:
        for name, parameter in parameters.items():
            parameter.data = values[name]
        yield
    finally:
        for name, parameter in parameters.items():
            parameter.data = own[name]
