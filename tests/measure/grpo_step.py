"""One whole GRPO step (rollout, reward, reference, loss, backward, update): ours against TRL's.

    python -m tests.measure.grpo_step [--repeats 3] [--small] [--json]

Ours is `methods.hfru.reinforce` and the session's update, TRL's is `GRPOTrainer` with gradient
checkpointing off (its default, on, is slower). Both run in one process and in turn on the same
random LLaVA, pictures, prompts, group, LoRA, optimiser, clip range and KL (on every row: ours asks
for `reference="stage1"`), with the same reward on the text. No answer can end early: ours has an
end id beyond the vocabulary, TRL suppresses its own.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
import transformers
from datasets import Dataset
from peft import LoraConfig
from PIL import Image
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    TrainerCallback,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from trl import GRPOConfig, GRPOTrainer

from hfru_core.config import UnlearnConfig
from hfru_core.methods import hfru
from hfru_core.model import rollout
from hfru_core.model.families import FAMILIES, family_of, lora_pattern
from hfru_core.model.vlm import VLM
from hfru_core.pretrain.architecture import CHAT_TEMPLATE, build_tokenizer
from hfru_core.training import rewards
from hfru_core.types import Concept, Sample, UnlearnData

PATCH = 14
RATE = 3e-4
DECAY = 0.01
MAX_NORM = 1.0
PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate")


@dataclass(frozen=True)
class Size:
    """The sizes of a run; `side` squared is the number of image tokens."""

    side: int
    tower_width: int
    tower_layers: int
    width: int
    layers: int
    words: int
    group: int
    answer: int


FULL = Size(
    side=24, tower_width=256, tower_layers=6, width=384, layers=8, words=1000, group=8, answer=32
)
SMALL = Size(
    side=4, tower_width=32, tower_layers=2, width=32, layers=2, words=100, group=2, answer=4
)
QUESTIONS = {"forget": "What is in this picture?", "retain": "Describe the picture, please."}


def make_processor(size: Size) -> LlavaProcessor:
    words = " ".join(f"word{i}" for i in range(size.words))
    edge = {"height": size.side * PATCH, "width": size.side * PATCH}
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=edge, crop_size=edge),
        tokenizer=build_tokenizer([words, *QUESTIONS.values()]),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )


def make_model(size: Size, tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """LLaVA-1.5's shape, small and random: CLIP's last layer but one, without its class token."""
    vision = CLIPVisionConfig(
        hidden_size=size.tower_width,
        intermediate_size=4 * size.tower_width,
        num_hidden_layers=size.tower_layers,
        num_attention_heads=4,
        image_size=size.side * PATCH,
        patch_size=PATCH,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.width,
        intermediate_size=3 * size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        image_seq_length=size.side**2,
    )
    model = LlavaForConditionalGeneration(config).eval().requires_grad_(False)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def make_data(size: Size, folder: Path) -> UnlearnData:
    """One forget and one retain picture of noise; one word in 25 names each concept."""
    concepts, samples = [], []
    for number, (role, question) in enumerate(QUESTIONS.items()):
        picture = folder / f"{role}.png"
        edge = size.side * PATCH
        Image.frombytes("RGB", (edge, edge), random.Random(role).randbytes(3 * edge**2)).save(
            picture
        )
        names = tuple(f"word{i}" for i in range(number, size.words, 25))
        honest = (f"word{number + 2}",)
        concepts.append(Concept(role, names[0], "object", names, honest, (), "benchmark"))
        samples.append(
            Sample(
                id=role,
                image=f"file:{picture}",
                question=question,
                topic="describe",
                answer=names[0],
                safe_answer=honest[0],
                concept_id=role,
                role=role,
                split="train",
            )
        )
    return UnlearnData((concepts[0],), (concepts[1],), tuple(samples), "benchmark", "benchmark")


def make_config(size: Size) -> UnlearnConfig:
    return UnlearnConfig().with_(
        topics=("describe",),
        train_steps=0,
        grpo_prompts=2,
        group=size.group,
        grpo_lr=RATE,
        reference="stage1",
        kl=0.01,
        lora_rank=8,
        max_new_tokens=size.answer,
    )


@contextmanager
def watched(spent: dict[str, float]) -> Iterator[None]:
    """Add the seconds of `rollout`'s functions to `spent`, by phase of the step."""
    phases = {
        "prefill": ("prefill", "reference prefill"),
        "sample": ("decode", "decode"),
        "shared_logits": ("loss forward", "reference answers"),
        "token_logprobs": ("loss forward", "reference answers"),
    }
    own = {name: getattr(rollout, name) for name in phases}

    def timed(name: str) -> Callable:
        def run(*args, **kwargs):
            phase = phases[name][not torch.is_grad_enabled()]
            with clocked(spent, phase):
                return own[name](*args, **kwargs)

        return run

    try:
        for name in phases:
            setattr(rollout, name, timed(name))
        yield
    finally:
        for name, function in own.items():
            setattr(rollout, name, function)


@contextmanager
def clocked(spent: dict[str, float], phase: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    spent[phase] = spent.get(phase, 0.0) + time.perf_counter() - began


def make_ours(vlm: VLM, data: UnlearnData, config: UnlearnConfig) -> Callable[[], dict[str, float]]:
    """A function that takes one step of ours and returns its seconds by phase and as a "whole"."""
    vlm.core.generation_config.eos_token_id = len(vlm.tokenizer)
    vlm.adapt(config.lora_rank, "encoder")
    weights = vlm.trainable()
    reference = {n: p.detach().clone() for n, p in weights.items()}
    optimiser = torch.optim.AdamW(weights.values(), lr=RATE, weight_decay=DECAY)
    rng = random.Random(0)

    def step() -> dict[str, float]:
        spent: dict[str, float] = {}
        with clocked(spent, "whole"):
            with watched(spent):
                loss, _, _ = hfru.reinforce(vlm, data, config, rng, reference)
            optimiser.zero_grad(set_to_none=True)
            with clocked(spent, "backward"):
                loss.backward()
            with clocked(spent, "update"):
                torch.nn.utils.clip_grad_norm_(weights.values(), MAX_NORM)
                optimiser.step()
        assert any(p.grad is not None for p in weights.values())
        named = sum(v for k, v in spent.items() if k != "whole")
        return {**spent, "inputs, reward, rest": spent["whole"] - named}

    return step


def make_trainer(
    model: transformers.PreTrainedModel,
    processor: transformers.ProcessorMixin,
    data: UnlearnData,
    config: UnlearnConfig,
    folder: Path,
    steps: int,
) -> GRPOTrainer:
    """TRL's trainer, set to do the same."""
    rows = [
        {
            "prompt": [{"role": "user", "content": s.question}],
            "image": Image.open(s.image.removeprefix("file:")),
            "row": number,
        }
        for number, s in enumerate(data.samples)
    ]
    concepts = {c.id: c for c in (*data.concepts, *data.retained)}

    def reward(
        completions: list, completion_ids: list[list[int]], row: list[int], **_: object
    ) -> list[float]:
        assert {len(ids) for ids in completion_ids} == {config.max_new_tokens}
        owners = [data.samples[i] for i in row]
        texts = [c[0]["content"] for c in completions]
        return [
            rewards.total(rewards.score(s, t, concepts[s.concept_id], data.concepts, config.hfru))
            for s, t in zip(owners, texts, strict=True)
        ]

    tokenizer = processor.tokenizer
    settings = GRPOConfig(
        output_dir=str(folder),
        max_steps=steps,
        seed=0,
        bf16=False,
        use_cpu=model.device.type == "cpu",
        per_device_train_batch_size=config.hfru.grpo_prompts * config.hfru.group,
        num_generations=config.hfru.group,
        max_completion_length=config.max_new_tokens,
        temperature=config.hfru.temperature,
        beta=config.hfru.kl,
        epsilon=0.2,
        loss_type="bnpo",
        generation_kwargs={
            "suppress_tokens": [model.config.image_token_id, tokenizer.eos_token_id]
        },
        gradient_checkpointing=False,
        learning_rate=RATE,
        weight_decay=DECAY,
        lr_scheduler_type="constant",
        optim="adamw_torch",
        max_grad_norm=MAX_NORM,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    family = family_of(model.config.model_type)
    rank, pattern = config.lora_rank, lora_pattern(family, model.config, "encoder")
    adapter = LoraConfig(r=rank, lora_alpha=rank, target_modules=pattern)
    return GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=settings,
        processing_class=processor,
        train_dataset=Dataset.from_list(rows),
        peft_config=adapter,
    )


class Turns(TrainerCallback):
    """Before each step of TRL's, one of ours; keeps the seconds of both."""

    def __init__(self, ours: Callable[[], dict[str, float]]) -> None:
        self.step = ours
        self.ours: list[dict[str, float]] = []
        self.theirs: list[float] = []
        self.began = 0.0

    def on_step_begin(self, *_: object, **__: object) -> None:
        self.ours.append(self.step())
        self.began = time.perf_counter()

    def on_step_end(self, *_: object, **__: object) -> None:
        self.theirs.append(time.perf_counter() - self.began)


def work(vlm: VLM, data: UnlearnData, config: UnlearnConfig) -> dict:
    """Positions that tower and decoder pass in one step, and the ratio that they allow.

    A backward pass counts as a forward one, since the weights are frozen; positions are weighed by
    the parameters of the layers. Attention and everything else is left out.
    """
    samples = data.samples
    inputs = vlm.inputs([Image.open(s.image[5:]) for s in samples], [s.question for s in samples])
    tower, decoder = vlm.tower.encoder.layers, vlm.core.model.language_model.layers
    B, P = inputs["input_ids"].shape
    # The last token of an answer is never an input.
    G, R = config.hfru.group, config.max_new_tokens - 1
    image = vlm.tower.embeddings.num_positions
    ours = (3 * B * image, 3 * B * P + 4 * B * G * R)  # prompt: prefill, reference, backward
    theirs = (4 * B * G * image, 4 * B * G * (P + R))  # rollout, reference, loss, backward
    weights = [sum(p.numel() for p in m.parameters()) for m in (tower, decoder)]
    cost = [sum(n * w for n, w in zip(side, weights, strict=True)) for side in (ours, theirs)]
    return {
        "prompts": B,
        "group": G,
        "answer_tokens": R + 1,
        "prompt_tokens": P,
        "image_tokens": int((inputs["input_ids"] == vlm.core.config.image_token_id)[0].sum()),
        "layer_parameters": dict(zip(("tower", "decoder"), weights, strict=True)),
        "positions_ours": dict(zip(("tower", "decoder"), ours, strict=True)),
        "positions_trl": dict(zip(("tower", "decoder"), theirs, strict=True)),
        "bound": round(cost[1] / cost[0], 2),
    }


def compare(size: Size, repeats: int) -> dict:
    """Time both in turn, after a step of each that does not count."""
    torch.manual_seed(0)
    processor, config = make_processor(size), make_config(size)
    theirs = make_model(size, processor.tokenizer)
    core = copy.deepcopy(theirs)
    vlm = VLM(core, processor, FAMILIES["llava"], torch.device("cpu"), "benchmark")
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(size, Path(folder))
        turns = Turns(make_ours(vlm, data, config))
        trainer = make_trainer(theirs, processor, data, config, Path(folder), repeats + 1)
        trainer.add_callback(turns)
        trainer.train()
        tokens = work(vlm, data, config)
    ours, trl = turns.ours[1:], turns.theirs[1:]
    whole = statistics.median(s["whole"] for s in ours)
    return {
        "seconds": {"ours": [s["whole"] for s in ours], "trl": trl},
        "median": {"ours": whole, "trl": statistics.median(trl)},
        "ratio": statistics.median(trl) / whole,
        "phases": {k: statistics.median(s[k] for s in ours) for k in ours[0] if k != "whole"},
        "tokens": tokens,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def rounded(value: object) -> object:
    """Seconds to three digits behind the point, wherever they are."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return round(value, 3) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, help="steps of each (default 3)")
    parser.add_argument("--small", action="store_true", help="tiny sizes: does it run?")
    parser.add_argument("--json", action="store_true", help="one JSON object, the last line")
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error("--repeats must be at least 1")
    found = rounded(compare(SMALL if args.small else FULL, args.repeats))
    if args.json:
        print(json.dumps(found))
        return
    print(
        f"ours {found['median']['ours']} s, TRL {found['median']['trl']} s: "
        f"{found['ratio']} times (tokens allow {found['tokens']['bound']})"
    )
    for phase, seconds in found["phases"].items():
        print(f"  {phase:<18} {seconds} s")


if __name__ == "__main__":
    main()
