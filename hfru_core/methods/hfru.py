"""HFRU: hallucination-free reinforcement unlearning of the vision encoder (arXiv 2605.08031).

Stage 1 breaks the visual link by supervised learning on replaced answers; stage 2 is GRPO with a
rule-based reward. The decoder stays frozen throughout.

`paper` is the paper's recipe with its constants (repository XMUDeepLIT/HFRU): each caption with a
forgotten name has one wrong name in its place for good, other captions are the model's own, and
three of ten lessons and prompts are of what is forgotten (PACS 31 %, VGGFace2 3 of 10 people). It
deviates: LoRA on tower and projector, in both stages (published: full fine-tuning, stage 1 of the
encoder alone), with learning rates to match, constant after five steps of warm-up (published:
cosine in stage 1, none in stage 2); fewer steps and prompts, and one update for each rollout, so
that no ratio is ever clipped; since one sentence rarely differs in reward from another, answers are
drawn at temperature 1.6 (published: 1) to twice the prompts, and those whose answers' rewards
differ are learnt from first; captions are greedy (published: temperature 0.2); words are matched by
word boundaries, those of all forgotten concepts, and are the concept's own lists, not the paper's
("puppy" is one mention, not two; "zoon" and "suckler" earn no bonus, "bulldog" is a dog); replaced
words come from the concept's own siblings, for dog and elephant the paper's ten animals where the
tokenizer can spell them; about people, the bonus is for an abstraction and not for "sorry", and
first names count.

`default` is ours. (1) Stage 1 teaches the abstraction, not a wrong name. (2) It holds the projected
image tokens of retain images, half of them siblings, to the original ones: this takes no pass of
the decoder and covers all questions at once; where that lets too much go, the answers are taught
instead (`pipeline.fitted_to`). (3) The reward also charges for a wrong sibling and pays for
attributes that stay true. (4) KL to the original model, decaying learning rates, and the
best checked step is selected. (5) A concept with few images is given more of them
(`training/augment.py`): one image alone teaches nothing about others.

`deep` is `default` with the terms of `hfru_deep.py`, and more steps: no layer shall separate the
concept, and a short relearning attack shall not bring it back.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from hfru_core.config import HFRUSettings, UnlearnConfig
from hfru_core.data.source import load_image
from hfru_core.methods.base import Step, TrainedMethod, draw, draw_retain, pool
from hfru_core.methods.hfru_deep import DeepTerms
from hfru_core.methods.hfru_stage2 import reinforce
from hfru_core.methods.wrong_names import with_wrong_names
from hfru_core.model.vlm import VLM
from hfru_core.model.weights import snapshot, swapped
from hfru_core.training import sft
from hfru_core.training.augment import augmented
from hfru_core.training.distil import captioned
from hfru_core.training.parts import accumulated, in_parts
from hfru_core.types import Concept, Sample, UnlearnData, UserError

# fmt: off
OURS = UnlearnConfig(
    hfru=HFRUSettings(sibling_cost=1.0, attribute_bonus=0.5, augment_to=40, sentences=True)
)
PRESETS = {
    "default": OURS,
    "paper": UnlearnConfig(
        preset="paper", topics=("describe",), batch=32, retain_batch=0, lr=2e-3, near_share=0.0,
        lr_decay=False, select_best=False, scope="encoder+projector",
        hfru=HFRUSettings(
            stage1_target="sibling", feature_hold=0.0, grpo_steps=40, tries=2, group=5,
            grpo_lr=3e-4, forget_share=0.3, temperature=1.6, kl=0.01, reference="stage1",
            mention_cost=0.3, abstraction_bonus=0.5, sibling_cost=0.0, attribute_bonus=0.0,
        ),
    ),
    # Answers do not show how deep a step forgot, so the last step is kept, not the best answers.
    "deep": OURS.with_(
        preset="deep", match=1.0, suppress=0.5, margin=16.0, feature_hold=8.0, retain_batch=48,
        train_steps=150, lora_rank=32, select_best=False,
    ),
}
# fmt: on
VARIANTS = {
    "default": "ours: abstractions are taught, the reward knows siblings and attributes",
    "paper": "one wrong name a caption, retained ones the model's own, published reward, prompts "
    "whose rewards differ; not published: LoRA's rates of learning, temperature 1.6",
    "deep": "default, with layers matched, the name pushed down, and what stands beside it held",
}
DEEP_SHARE = 0.3  # of the deep terms in stage 2, whose own loss is small
# What differs for people: the paper's value; and ours, since faces that are held harder stay
# separate in the tower.
IDENTITY: dict[str, dict[str, Any]] = {
    "paper": {"mention_cost": 0.6, "topics": ("name",)},
    "deep": {"suppress": 0.3, "feature_hold": 6.0, "train_steps": 110},
}


def preset(name: str, forget: Sequence[Concept], **changes: Any) -> UnlearnConfig:
    """A preset for a request; some use other constants for people than for objects."""
    if name not in PRESETS:
        raise UserError(f"Unknown preset '{name}'. Use one of: {', '.join(PRESETS)}.")
    config = PRESETS[name]
    if any(c.kind == "identity" for c in forget):
        config = config.with_(**IDENTITY.get(name, {}))
    return config.with_(**{k: v for k, v in changes.items() if v is not None})


class HFRU(TrainedMethod):
    """Both stages, as the settings say; see the head of this file."""

    label, source = "HFRU", "arXiv 2605.08031"
    variant = "disrupted alignment, then GRPO"
    scope, scopes = "encoder", ("encoder", "encoder+projector")

    @classmethod
    def described(cls, preset: str = "default") -> str:
        """The variant that a preset is."""
        return f"{cls.variant}; {VARIANTS[preset]}"

    def first(self, number: int) -> bool:
        return number < self.config.train_steps

    def stage(self, number: int) -> str:
        return "disrupt" if self.first(number) else "reinforce"

    def begin(self, number: int) -> None:
        if number == self.config.train_steps and self.config.hfru.reference == "stage1":
            self.reference = snapshot(self.vlm.trainable())

    def prepare(self) -> None:
        self.data = augmented(self.vlm, self.data, self.config)
        if self.config.hfru.stage1_target == "sibling":
            topics = self.config.topics
            self.data = captioned(self.vlm, self.data, topics)
            self.data = with_wrong_names(self.vlm, self.data, topics, self.config.seed)
        wanted = self.config.deep.match or self.config.deep.suppress
        self.deep = DeepTerms(self.vlm, self.data, self.config) if wanted else None

    def backward(self, number: int, rng: random.Random) -> Step:
        request = (self.vlm, self.data, self.config, rng, self.reference)
        if not self.first(number):
            step = Step(*reinforce(*request))
            if self.deep:
                step = step._replace(loss=step.loss + DEEP_SHARE * self.deep.loss(rng))
        elif self.deep:
            step = Step(self.deep.loss(rng, teach=True) + kept(*request))
        else:
            step = Step(disrupt(*request))
        step.loss.backward()
        return step


def lessons(data: UnlearnData, cfg: UnlearnConfig, rng: random.Random) -> list[Sample]:
    """A batch of stage 1: of what is retained too, unless its features are held."""
    taught = not cfg.hfru.feature_hold and bool(pool(data, "retain", cfg))
    forget = round(cfg.batch * cfg.hfru.forget_share) if taught else cfg.batch
    kept = draw_retain(data, cfg, cfg.batch - forget, rng)
    return [*draw(pool(data, "forget", cfg), forget, rng), *kept]


def disrupt(
    vlm: VLM,
    data: UnlearnData,
    cfg: UnlearnConfig,
    rng: random.Random,
    original: dict[str, torch.Tensor],
) -> torch.Tensor:
    """Stage 1's loss for one step."""
    loss = taught(vlm, lessons(data, cfg, rng))
    return loss + hold(vlm, data, cfg, rng, original)


def kept(
    vlm: VLM,
    data: UnlearnData,
    cfg: UnlearnConfig,
    rng: random.Random,
    original: dict[str, torch.Tensor],
) -> torch.Tensor | float:
    """What keeps the rest in a step of `deep`: features that are held, or else taught answers."""
    if cfg.hfru.feature_hold:
        return hold(vlm, data, cfg, rng, original)
    return taught(vlm, draw_retain(data, cfg, cfg.retain_batch, rng))


def taught(vlm: VLM, rows: Sequence[Sample]) -> torch.Tensor:
    """The loss of the honest answers about forget images and the right ones about others."""
    answers = [s.answer if s.role == "retain" else s.safe_answer for s in rows]
    own, given = vlm.processes.part(rows), vlm.processes.part(answers)
    longest = sft.encode_answers(vlm, given).shape[1]
    of = sft.tokens(vlm, answers)

    def loss(part: slice) -> torch.Tensor:
        images = [load_image(s.image_key) for s in own[part]]
        return sft.answer_loss(vlm, images, [s.question for s in own[part]], given[part], of=of)

    cut = in_parts(vlm, [s.question for s in own], longest)
    return accumulated([partial(loss, part) for part in cut])


def hold(
    vlm: VLM,
    data: UnlearnData,
    cfg: UnlearnConfig,
    rng: random.Random,
    original: dict[str, torch.Tensor],
) -> torch.Tensor | float:
    """The cost of the drift of retain images' projected tokens; 0 where they are not held."""
    weight = cfg.hfru.feature_hold
    held = draw_retain(data, cfg, cfg.retain_batch, rng) if weight else []
    return weight * drift(vlm, vlm.processes.part(held), original) if held else 0.0


def drift(vlm: VLM, samples: Sequence[Sample], original: dict[str, torch.Tensor]) -> torch.Tensor:
    """The mean squared distance of projected image tokens to the original ones, by variance."""
    images = [load_image(s.image_key) for s in samples]
    inputs = vlm.inputs(images, [""] * len(images))
    with torch.no_grad(), swapped(vlm.trainable(), original):
        before = torch.cat(vlm.projected(inputs))
    moved = (torch.cat(vlm.projected(inputs)) - before).square()
    scaled = moved / (vlm.processes.variance(before) + 1e-6)
    return scaled.sum() / vlm.processes.total(
        torch.tensor(float(scaled.numel()), device=vlm.device)
    )
