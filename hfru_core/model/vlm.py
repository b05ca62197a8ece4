"""A vision-language model and its processor: load it, ask it, adapt it, read its image tokens."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, logging

from hfru_core.files import one_line
from hfru_core.model import (
    adapter_switch,
    chat_template,
    distributed,
    folder_limits,
    full_weights,
    gpu_memory,
    precision,
    quantization,
    rollout,
    thoughts,
    weights,
)
from hfru_core.model.checkpoint import check_name, commit_of, from_disk
from hfru_core.model.early_maps import EarlyMaps
from hfru_core.model.families import Family, family_of, lora_pattern
from hfru_core.model.image_token_cache import ImageTokenCache
from hfru_core.model.marks import as_text, marks_of
from hfru_core.model.processor import processor_class
from hfru_core.paths import MODEL, model_name
from hfru_core.types import UserError

BATCH = 64  # rows of one pass
# Models are made on torch's meta device, whose context two threads would leave in disorder, and
# adapters draw their first values from the one generator of the process.
LOADING = threading.RLock()
TOKENS = 4096  # image tokens of one pass: real models take fewer rows
LIGHTER = (
    "Quantise the decoder (`--quantize nf4`), take a smaller model, or the CPU (`--device cpu`)."
)
TOO_SMALL = f"The GPU's memory is too small even for one answer. {LIGHTER}"
PIXELS = (
    "pixel_values",
    "image_sizes",
    "image_grid_thw",
    "pixel_attention_mask",
    "image_position_ids",
    "target_sizes",
    "batch_num_images",
)


@dataclass
class VLM:
    """A model, its processor, and how this process runs it.

    `model` is a transformers model, or the same wrapped by PEFT once an adapter is on.
    `before_batch` is called before each batch of answers and may raise, to end the work.
    """

    model: nn.Module
    processor: Any  # transformers' processors share no base that types their attributes
    family: Family
    device: torch.device
    name: str
    revision: str | None = None
    batch: int = BATCH
    digest: str | None = None  # of the weights before they were quantised or sharded
    processes: distributed.ProcessGroup = distributed.ProcessGroup()
    image_tokens: ImageTokenCache | None = None
    early: EarlyMaps | None = None  # of a session, see `early_maps_kept`
    before_batch: Callable[[], None] = lambda: None

    @property
    def tokenizer(self) -> Any:
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
        return tuple(sorted(marks - {*self.eos} - thoughts.marks(self.tokenizer)))

    @property
    def core(self) -> Any:
        """The transformers model itself; its submodules and config are those of its own class."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def tower(self) -> Any:
        return self.core.get_submodule(self.family.tower)

    @property
    def projector(self) -> Any:
        return self.core.get_submodule(self.family.projector)

    @property
    def decoder(self) -> Any:
        """The language model without its output layer."""
        return self.core.get_submodule(self.family.decoder)

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """What the model reads as a mark of its own, such as `<image>`."""
        image = self.tokenizer.convert_ids_to_tokens(self.core.config.image_token_id)
        return marks_of(self.processor, image)

    def as_text(self, text: str) -> str:
        """A question or an answer in which no mark is left."""
        return as_text(text, self.marks)

    def fingerprint(self) -> str:
        """Digest of the base model's weights and settings, blind to any adapter on it."""
        return self.digest or weights.digest(self.core, self.core.config.model_type)

    def prompt(self, question: str, with_image: bool) -> str:
        """One question in the model's chat template; the bare question where it has no template."""
        question = self.as_text(question)
        template = self.processor.chat_template or self.tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if not template:  # PaliGemma: its processor puts the image tokens, bos and newline
            bos = self.tokenizer.bos_token or ""
            return f"<image>{question}" if with_image else f"{bos}{question}\n"
        special = json.dumps(self.tokenizer.special_tokens_map, default=str)
        return chat_template.prompt(template, special, with_image).of(question)

    def inputs(
        self, images: Sequence[Image.Image | None], questions: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Left-padded model inputs for one question per image; all rows have one, or none has.

        While early maps are kept, these stand in place of the pixels.
        """
        shown = [i for i in images if i is not None]
        if self.early and self.early.on and shown:
            return self.early.inputs(self, shown, questions)
        return self.read(images, questions)

    def read(
        self, images: Sequence[Image.Image | None], questions: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """What the processor makes of images and questions."""
        with_image = images[0] is not None
        texts = [self.prompt(q, with_image) for q in questions]
        more: dict[str, Any] = {"return_tensors": "pt", "padding": True, "padding_side": "left"}
        if texts[0].startswith(self.tokenizer.bos_token or "\0"):
            more["add_special_tokens"] = False  # the template has put it already
        if with_image:
            batch = self.processor(text=texts, images=[[i] for i in images], **more)
        else:
            batch = self.tokenizer(texts, return_token_type_ids=False, **more)
        dtype = self.core.dtype
        return {
            k: v.to(self.device, dtype if v.is_floating_point() else None)
            for k, v in batch.items()
            if isinstance(v, torch.Tensor) and k != "labels"
        }

    def answer(
        self, images: Sequence[Image.Image | None], questions: Sequence[str], max_new: int = 32
    ) -> list[str]:
        """Greedy answers, in batches; text-only questions have None for an image.

        The processes of a group share the questions, and all get all answers.
        """
        own = self.processes.bounds(len(questions))
        images, questions = images[own], questions[own]
        answers: list[str] = [""] * len(questions)
        for rows in batches(images, self.batch):
            for i, text in zip(rows, self.answer_batch(images, questions, rows, max_new)):
                answers[i] = text
        return self.processes.gathered(answers)

    def alone(self) -> VLM:
        """The same model for rows that are this process's part already: it shares no work."""
        return replace(self, processes=distributed.ProcessGroup())

    def answer_batch(
        self,
        images: Sequence[Image.Image | None],
        questions: Sequence[str],
        rows: list[int],
        max_new: int,
    ) -> list[str]:
        """The answers of some rows; where memory is too small for all at once, half by half."""
        self.before_batch()
        try:
            with torch.no_grad():
                inputs = self.cached_inputs([images[i] for i in rows], [questions[i] for i in rows])
                prefix = rollout.prefill(self.core, inputs)
                ids = rollout.sample(
                    self.core, prefix, 1, max_new, self.eos, temperature=0.0, banned=self.banned
                )
            return self.decode(ids)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise UserError(TOO_SMALL) from None
        gpu_memory.release_cache()
        self.batch, half = max(1, len(rows) // 2), len(rows) // 2
        parts = (rows[:half], rows[half:])
        return [t for p in parts for t in self.answer_batch(images, questions, p, max_new)]

    def cached_inputs(
        self, images: Sequence[Image.Image | None], questions: Sequence[str]
    ) -> dict[str, Any]:
        """The inputs of one batch, with cached image tokens where the cache is on."""
        shown = [i for i in images if i is not None]
        if self.image_tokens is None or not shown or not self.family.fixed:
            return self.inputs(images, questions)
        return self.image_tokens.inputs(self, shown, questions)

    def decode(self, ids: torch.Tensor) -> list[str]:
        return [thoughts.answer(self.tokenizer, row) for row in ids.tolist()]

    def projected(self, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """The projected image tokens (P, D) of each row: what the decoder reads."""
        pixels = {k: inputs[k] for k in PIXELS if k in inputs}
        return self.by_row(self.core.model.get_image_features(**pixels).pooler_output, inputs)

    def as_tokens(self, output: Any) -> Any:
        """What tower and projector put out, hidden states that are maps (B, C, H, W) as tokens."""
        if self.family.maps:
            states = output.hidden_states[self.early.count if self.early and self.early.on else 0 :]
            output.hidden_states = tuple(h.flatten(2).transpose(1, 2) for h in states)
        return output

    def by_row(
        self, projected: Iterable[torch.Tensor], inputs: dict[str, torch.Tensor]
    ) -> list[torch.Tensor]:
        """Projected tokens of all images, in whatever pieces, as tokens (P, D) of each row."""
        tokens = torch.cat([t.flatten(0, -2) for t in projected])
        counts = (inputs["input_ids"] == self.core.config.image_token_id).sum(1)
        return list(tokens.split(counts.tolist()))

    @torch.no_grad()
    def vision_features(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Projected image tokens (N, P, D); raises where images differ in how many they give."""
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

    def adapt(
        self,
        rank: int,
        scope: str = "encoder",
        checkpointing: bool = False,
        seed: int = 0,
        full: bool = False,
    ) -> None:
        """Put a fresh LoRA on what `scope` names (`lora_pattern`); nothing else is trainable.

        With `full` it can change these layers' weights in any way (`full_weights`). Its values are
        those of the seed, whatever other threads load meanwhile. `checkpointing` computes the
        tower's layers again in the backward pass: less memory, more time.
        """
        if checkpointing and self.family.maps:
            raise UserError(
                f"The tower of {self.family.label} does not compute layers twice: leave out "
                "--checkpointing."
            )
        pattern = lora_pattern(self.family, self.core.config, scope)
        rank = full_weights.full_rank(self.core, pattern) if full else rank
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=pattern, revision=self.revision)
        with LOADING:
            torch.manual_seed(seed)
            self.model = get_peft_model(self.model, config)
        if full:
            full_weights.train_full(self.model)
        if checkpointing:  # Re-entrant, no gradient would reach a tower whose input needs none.
            self.tower.activation_checkpointing_enable({"use_reentrant": False})
            self.tower.train()

    @contextmanager
    def without_adapter(self) -> Iterator[None]:
        """The base model for a while: the adapter on it is switched off."""
        with self.model.disable_adapter() if isinstance(self.model, PeftModel) else nullcontext():
            yield

    @contextmanager
    def opened(self) -> Iterator[VLM]:
        """The weights themselves for a while: any adapter folded in, nothing in front, no copy.

        A plain `VLM` as from `merged`; what is changed in it stays changed.
        """
        with adapter_switch.folded(self.model) as core:
            yield self.plain(core)

    def plain(self, core: nn.Module) -> VLM:
        """A plain `VLM` of these weights, without a cache of image tokens."""
        values = {f.name: getattr(self, f.name) for f in fields(VLM)}
        return VLM(**{**values, "model": core, "image_tokens": None, "early": None})

    def merged(self) -> VLM:
        """A copy that shares no weights, with any adapter folded in for good.

        A plain `VLM` even where a subclass filters its answers: whoever holds the weights needs
        no filter.
        """
        model = copy.deepcopy(self.model)
        if isinstance(model, PeftModel):
            model = model.merge_and_unload()
        return self.plain(model)

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters that a session trains, by name."""
        return {n: p for n, p in self.model.named_parameters() if p.requires_grad}


def batches(images: Sequence[Image.Image | None], size: int) -> Iterator[list[int]]:
    """Row numbers in batches, rows with an image and text-only rows apart."""
    for with_image in (True, False):
        rows = [i for i, image in enumerate(images) if (image is not None) == with_image]
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
    model: str | Path = MODEL,
    *,
    device: str = "auto",
    revision: str | None = None,
    quantize: str | None = None,
    dtype: torch.dtype | None = None,
) -> VLM:
    """A VLM from a local folder or the Hub: safetensors only, never remote code; one at a time.

    Without a `dtype` (what a session began with) bfloat16 on a GPU and for large models on a CPU
    that is faster with it, else float32; with
    `quantize` ("nf4", "int8") the decoder in 4 or 8 bits.
    """
    with LOADING:
        return loaded(model, device, revision, quantize, dtype)


def loaded(
    model: str | Path,
    device: str,
    revision: str | None,
    quantize: str | None,
    dtype: torch.dtype | None,
) -> VLM:
    """What `load` does."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    processes, device = distributed.process_group(device)
    where = pick_device(device)
    check_name(model)
    sharded = distributed.sharding_wanted(processes)
    with one_line(f"The model '{model}' could not be loaded", folder_limits.WAY):
        if local := Path(model).is_dir():
            folder_limits.check_settings(Path(model))
        revision = commit_of(model, revision) or revision
        config = AutoConfig.from_pretrained(model, revision=revision)
        family = family_of(config.model_type)
        if local:
            folder_limits.check_weights(Path(model), config, AutoModelForImageTextToText)
        usual = torch.bfloat16 if where.type == "cuda" else precision.cpu_dtype(config)
        dtype = dtype or usual
        small = quantization.settings(quantize, family, dtype) if quantize else None
        digest_of = lambda core: weights.digest(core, family.model_type)  # noqa: E731
        digest = digest_of(from_disk(model, dtype, revision=revision)) if quantize else None
        with gpu_memory.explained("this model", LIGHTER):
            core = from_disk(model, dtype, revision=revision, where=where, small=small)
        processor = processor_class(family.model_type).from_pretrained(model, revision=revision)
    vlm = VLM(
        core.eval().requires_grad_(False),
        processor,
        family,
        where,
        model_name(model),
        revision,
        digest=digest or (digest_of(core) if sharded else None),
        processes=processes,
    )
    if where.type == "cpu" and precision.is_large(config):
        precision.read_contiguous(core.get_output_embeddings())
    if sharded:
        distributed.shard(vlm.decoder.layers)
    with one_line(f"The model '{model}' cannot be asked", folder_limits.WAY):
        return replace(vlm, batch=rows_of_a_pass(vlm))


def rows_of_a_pass(vlm: VLM) -> int:
    """How many images go through the decoder at once, by the tokens of a large one."""
    ids = vlm.inputs([Image.new("RGB", (448, 448))], [""])["input_ids"]
    tokens = int((ids == vlm.core.config.image_token_id).sum())
    return max(1, min(BATCH, TOKENS // tokens))
