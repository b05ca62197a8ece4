"""A vision-language model and its processor: load, ask, look inside; device is decided here."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, logging
from transformers.utils.hub import cached_file, extract_commit_hash

from hfru_core.model import distributed, gpu_memory, quantization, rollout
from hfru_core.model.families import Family, family_of, lora_pattern, processor_class
from hfru_core.model.image_token_cache import Looks
from hfru_core.paths import ASSETS
from hfru_core.types import UserError

BUNDLED = ASSETS / "model"
BATCH = 64  # rows of one pass
LIGHTER = (
    "Quantise the decoder (`--quantize nf4`), take a smaller model, or the CPU (`--device cpu`)."
)
TOO_SMALL = f"The GPU's memory is too small even for one answer. {LIGHTER}"
TOKENS = 4096  # image tokens of one pass: real models take fewer rows
PIXELS = (
    "pixel_values",
    "image_sizes",
    "image_grid_thw",
    "pixel_attention_mask",
    "batch_num_images",
)


@dataclass
class VLM:
    """`model` is a transformers model, or the same wrapped by PEFT once an adapter is on."""

    model: nn.Module
    processor: object
    family: Family
    device: torch.device
    name: str
    revision: str | None = None
    batch: int = BATCH
    quantized: str | None = None
    digest: str | None = None  # of the weights before they were quantised
    team: distributed.Team = distributed.Team()
    looks: Looks | None = None
    pulse: Callable[[], None] = lambda: None  # felt before each batch; may raise, to end the work

    @property
    def tokenizer(self):
        return self.processor.tokenizer

    @property
    def eos(self) -> tuple[int, ...]:
        """The ids that end an answer."""
        ids = self.core.generation_config.eos_token_id
        ids = self.tokenizer.eos_token_id if ids is None else ids
        return tuple(ids) if isinstance(ids, list) else (ids,)

    @property
    def banned(self) -> tuple[int, ...]:
        """The ids that no answer may hold: an image token in an answer breaks the next pass."""
        marks = {*self.tokenizer.all_special_ids, self.core.config.image_token_id}
        return tuple(sorted(marks - {*self.eos}))

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

    @property
    def decoder(self) -> nn.Module:
        """The language model without its output layer."""
        return self.core.get_submodule(self.family.decoder)

    def fingerprint(self) -> str:
        """Digest of the base model's weights and settings, blind to any adapter on it."""
        return self.digest or weights_digest(self.core)

    def prompt(self, question: str, with_image: bool) -> str:
        """The chat template's text of one question; the bare words where there is no template."""
        template = self.processor.chat_template or self.tokenizer.chat_template
        if not template:  # PaliGemma: its processor puts the image tokens, bos and newline
            bos = self.tokenizer.bos_token or ""
            return f"<image>{question}" if with_image else f"{bos}{question}\n"
        content = [{"type": "image"}] * with_image + [{"type": "text", "text": question}]
        return self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=template,
            tokenize=False,
            add_generation_prompt=True,
        )

    def inputs(
        self, images: Sequence[Image.Image | None], questions: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Left-padded model inputs for one question per picture; all rows have one, or none has."""
        pictured = images[0] is not None
        texts = [self.prompt(q, pictured) for q in questions]
        more = {"return_tensors": "pt", "padding": True, "padding_side": "left"}
        if texts[0].startswith(self.tokenizer.bos_token or "\0"):
            more["add_special_tokens"] = False  # the template has put it already
        if pictured:
            batch = self.processor(text=texts, images=[[i] for i in images], **more)
        else:
            batch = self.tokenizer(texts, return_token_type_ids=False, **more)
        kept = {k: v for k, v in batch.items() if isinstance(v, torch.Tensor) and k != "labels"}
        kind = self.core.dtype
        return {
            k: v.to(self.device, kind if v.is_floating_point() else None) for k, v in kept.items()
        }

    def answer(
        self, images: Sequence[Image.Image | None], questions: Sequence[str], max_new: int = 32
    ) -> list[str]:
        """Greedy answers, in batches; text-only questions have None for a picture.

        The processes of a team share the questions, and all get all answers.
        """
        own = self.team.bounds(len(questions))
        images, questions = images[own], questions[own]
        said: list[str] = [""] * len(questions)
        for rows in batches(images, self.batch):
            for i, text in zip(rows, self.answer_batch(images, questions, rows, max_new)):
                said[i] = text
        return self.team.gathered(said)

    def alone(self) -> VLM:
        """The same model for rows that are this process's part already."""
        return replace(self, team=distributed.Team())

    def answer_batch(
        self,
        images: Sequence[Image.Image | None],
        questions: Sequence[str],
        rows: list[int],
        max_new: int,
    ) -> list[str]:
        """The answers of some rows; where memory is too small for all at once, half by half."""
        self.pulse()
        try:
            with torch.no_grad():
                inputs = self.asked([images[i] for i in rows], [questions[i] for i in rows])
                prefix = rollout.prefill(self.core, inputs)
                ids = rollout.sample(
                    self.core, prefix, 1, max_new, self.eos, temperature=0.0, banned=self.banned
                )
            return self.decode(ids)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise UserError(TOO_SMALL) from None
        gpu_memory.give_back()
        self.batch, half = max(1, len(rows) // 2), len(rows) // 2
        parts = (rows[:half], rows[half:])
        return [t for p in parts for t in self.answer_batch(images, questions, p, max_new)]

    def asked(self, images: Sequence[Image.Image | None], questions: Sequence[str]) -> dict:
        """The inputs of one batch, with what is remembered of its pictures."""
        if self.looks is None or images[0] is None or not self.family.fixed:
            return self.inputs(images, questions)
        return self.looks.inputs(self, images, questions)

    def decode(self, ids: torch.Tensor) -> list[str]:
        return [t.strip() for t in self.tokenizer.batch_decode(ids, skip_special_tokens=True)]

    def projected(self, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """The projected image tokens (P, D) of each row: what the decoder gets to see."""
        pixels = {k: inputs[k] for k in PIXELS if k in inputs}
        return self.split(self.core.model.get_image_features(**pixels).pooler_output, inputs)

    def split(
        self, found: Iterable[torch.Tensor], inputs: dict[str, torch.Tensor]
    ) -> list[torch.Tensor]:
        """What a tower found in all pictures, as tokens (P, D) of each row."""
        tokens = torch.cat([t.flatten(0, -2) for t in found])
        counts = (inputs["input_ids"] == self.core.config.image_token_id).sum(1)
        return list(tokens.split(counts.tolist()))

    @torch.no_grad()
    def vision_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Projected image tokens (N, P, D); raises where pictures differ in how many they give."""
        parts: list[torch.Tensor] = []
        for rows in batches(images, self.batch):
            inputs = self.inputs([images[i] for i in rows], [""] * len(rows))
            parts += [tokens.float().cpu() for tokens in self.projected(inputs)]
        if len({len(p) for p in parts}) > 1:
            raise UserError(
                f"{self.family.label} gives pictures of different shapes different numbers of "
                "image tokens, and these were to be compared one by one: use pictures of one size."
            )
        return torch.stack(parts)

    def adapt(self, rank: int, scope: str = "encoder", checkpointing: bool = False) -> None:
        """Put a fresh LoRA on what `scope` names (`lora_pattern`); nothing else is trainable.

        `checkpointing` computes the tower's layers again on the way back: less memory, more time.
        """
        pattern = lora_pattern(self.family, self.core.config, scope)
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=pattern, revision=self.revision)
        self.model = get_peft_model(self.model, config)
        if checkpointing:  # Re-entrant, no gradient would reach a tower whose input needs none.
            self.tower.activation_checkpointing_enable({"use_reentrant": False})
            self.tower.train()

    def merged(self) -> VLM:
        """A copy that shares no weights, with any adapter folded in for good.

        Plain, whatever this one does to its answers: who holds the weights needs no filter.
        """
        model = copy.deepcopy(self.model)
        if isinstance(model, PeftModel):
            model = model.merge_and_unload()
        kept = {f.name: getattr(self, f.name) for f in fields(VLM)}
        return VLM(**{**kept, "model": model, "looks": None})

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that a session moves, by name."""
        return {n: p for n, p in self.model.named_parameters() if p.requires_grad}


def batches(images: Sequence[Image.Image | None], size: int) -> Iterator[list[int]]:
    """Row numbers in batches, pictured and text-only rows apart."""
    for pictured in (True, False):
        rows = [i for i, image in enumerate(images) if (image is not None) == pictured]
        yield from (rows[i : i + size] for i in range(0, len(rows), size))


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


def load(
    model: str | Path = BUNDLED,
    *,
    device: str = "auto",
    revision: str | None = None,
    quantize: str | None = None,
) -> VLM:
    """A VLM from a local folder or the Hub: safetensors only, never remote code.

    float32 on CPU, bfloat16 on a GPU; with `quantize` ("nf4", "int8") the decoder in 4 or 8 bits.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    team, device = distributed.team_here(device)
    where = pick_device(device)
    check_name(model)
    sharded = distributed.sharding_wanted(team)
    kind = torch.bfloat16 if where.type == "cuda" else torch.float32
    try:
        pinned = {"revision": commit_of(model, revision) or revision}
        family = family_of(AutoConfig.from_pretrained(model, **pinned).model_type)
        small = quantization.settings(quantize, family, kind) if quantize else None
        digest = weights_digest(from_disk(model, kind, **pinned)) if quantize else None
        with gpu_memory.advice("this model", LIGHTER):
            core = from_disk(model, kind, **pinned, where=where, small=small)
        processor = processor_class(family.model_type).from_pretrained(model, **pinned)
    except UserError:
        raise
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"The model '{model}' could not be loaded: {error}") from error
    vlm = VLM(
        core.eval().requires_grad_(False),
        processor,
        family,
        where,
        model_name(model),
        pinned["revision"],
        quantized=quantize,
        digest=digest or (weights_digest(core) if sharded else None),
        team=team,
    )
    if sharded:
        distributed.shard(vlm.decoder.layers)
    return replace(vlm, batch=rows_of_a_pass(vlm))


def check_name(model: str | Path) -> None:
    """Raise where `model` is neither a model's folder nor like a Hub id."""
    local = Path(model)
    if local.is_dir() and not (local / "config.json").is_file():
        raise UserError(f"'{model}' is no model folder: it has no config.json.")
    if not local.exists() and (local.is_absolute() or str(model).count("/") != 1):
        raise UserError(f"There is no model folder '{model}', and it is no Hub id (owner/name).")


def commit_of(model: str | Path, revision: str | None) -> str | None:
    """The commit on the Hub that a branch or tag means now, so that all files are of one."""
    return extract_commit_hash(cached_file(model, "config.json", revision=revision), None)


def from_disk(
    model: str | Path,
    dtype: torch.dtype,
    *,
    revision: str | None,
    where: torch.device | None = None,
    small: object = None,
) -> nn.Module:
    """The transformers model, on its device (CPU where none is given)."""
    placed = {"quantization_config": small, "device_map": {"": where}} if small else {}
    core = AutoModelForImageTextToText.from_pretrained(
        model, revision=revision, use_safetensors=True, dtype=dtype, **placed
    )
    return core if small or where is None else core.to(where)


def weights_digest(core: nn.Module) -> str:
    """What tells a base model from any other: its type and weights, blind to an adapter on it."""
    digest = hashlib.sha256(core.config.model_type.encode())
    for name, value in sorted(core.state_dict().items()):
        if "lora_" not in name:
            digest.update(name.replace(".base_layer", "").encode())
            digest.update(
                value.detach()
                .to(torch.bfloat16)
                .contiguous()
                .view(torch.uint8)
                .cpu()
                .numpy()
                .tobytes()
            )
    return digest.hexdigest()[:16]


def rows_of_a_pass(vlm: VLM) -> int:
    """How many pictures go through the decoder at once, by the tokens of a large one."""
    ids = vlm.inputs([Image.new("RGB", (448, 448))], [""])["input_ids"]
    tokens = int((ids == vlm.core.config.image_token_id).sum())
    return max(1, min(BATCH, TOKENS // tokens))


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
