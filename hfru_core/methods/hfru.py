"""HFRU: hallucination-free reinforcement unlearning of the vision encoder (arXiv 2605.08031).

Stage 1 breaks the visual link by supervised learning on replaced answers; stage 2 is GRPO with a
rule-based reward. The decoder stays frozen throughout.

`paper` keeps the paper's recipe and constants (repository XMUDeepLIT/HFRU). It deviates: LoRA on
tower and projector, in both stages (published: full fine-tuning, stage 1 of the encoder alone),
with learning rates to match, which stay after five steps of warm-up (published: cosine in stage 1,
none in stage 2); fewer steps and prompts, one update for each batch of answers, so that no ratio
is ever clipped; retain pictures are taught the right answers, not the model's own captions; words
are matched by word boundaries, those of all that is forgotten; replaced words come from the
concept's own siblings (their fixed list of ten animals is the same idea); about people, the bonus
is for an abstraction and not for "sorry".

`default` is ours. (1) Stage 1 teaches the abstraction, not a wrong name. (2) It holds the projected
image tokens of retain pictures, half of them siblings, to the original ones: no decoder pass, all
questions at once.
(3) The reward also charges for a wrong sibling and pays for attributes that stay true. (4) KL to
the original model, learning rates that decay, and the best checked step is kept. (5) Of a concept
with few pictures more are made (`training/augment.py`): one picture alone teaches nothing about
others.

`deep` is `default` and the terms of `hfru_deep.py`: what no layer tells apart and no short lesson
brings back, for more time.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from hfru_core.data.source import load_image
from hfru_core.methods.base import Method, Step, draw, draw_retain, pool, wrong_answer
from hfru_core.methods.hfru_deep import Deeper
from hfru_core.model import rollout
from hfru_core.model.vlm import VLM, swapped
from hfru_core.training import grpo, rewards, sft
from hfru_core.training.augment import augmented
from hfru_core.types import Concept, Sample, UnlearnConfig, UnlearnData, UserError

# fmt: off
OURS = UnlearnConfig(sibling_cost=1.0, attribute_bonus=0.5, augment_to=40)
PRESETS = {
    "default": OURS,
    "paper": UnlearnConfig(
        preset="paper", topics=("describe",), stage1_target="sibling", stage1_batch=32,
        stage1_retain=0, stage1_lr=2e-3, feature_hold=0.0, group=5, grpo_lr=3e-4, near_share=0.0,
        kl=0.01, reference="stage1", mention_cost=0.3, abstraction_bonus=0.5, sibling_cost=0.0,
        attribute_bonus=0.0, lr_decay=False, select_best=False, scope="encoder+projector",
    ),
    # Answers do not tell how deep a step forgot, so the last step is kept, not the best answers.
    "deep": OURS.with_(
        preset="deep", match=1.0, suppress=0.5, margin=16.0, feature_hold=8.0, stage1_retain=48,
        stage1_steps=150, lora_rank=32, select_best=False,
    ),
}
# fmt: on
VARIANTS = {
    "default": "ours: abstractions are taught, the reward knows siblings and attributes",
    "paper": "wrong names are taught, published reward; not published: LoRA's rates of learning",
    "deep": "default, with layers matched, the name pushed down, and what stands beside it held",
}
SECOND = 0.3  # share of the deeper terms in stage 2, whose own loss is small
# What differs for people: the paper's; and ours, since faces held harder stay apart in the tower.
IDENTITY = {
    "paper": {"mention_cost": 0.6, "topics": ("name",)},
    "deep": {"suppress": 0.3, "feature_hold": 6.0, "stage1_steps": 110},
}


def preset(name: str, forget: Sequence[Concept], **changes: object) -> UnlearnConfig:
    """A preset for a request; some use other constants for people than for objects."""
    if name not in PRESETS:
        raise UserError(f"Unknown preset '{name}'. Use one of: {', '.join(PRESETS)}.")
    config = PRESETS[name]
    if any(c.kind == "identity" for c in forget):
        config = config.with_(**IDENTITY.get(name, {}))
    return config.with_(**{k: v for k, v in changes.items() if v is not None})


class HFRU(Method):
    """Both stages, as the config says; see the head of this file."""

    label, source = "HFRU", "arXiv 2605.08031"
    variant = "disrupted alignment, then GRPO"
    scope, scopes = "encoder", ("encoder", "encoder+projector")

    @classmethod
    def told(cls, preset: str = "default") -> str:
        """The variant that a preset is."""
        return f"{cls.variant}; {VARIANTS[preset]}"

    def first(self, number: int) -> bool:
        return number < self.config.stage1_steps

    def stage(self, number: int) -> str:
        return "disrupt" if self.first(number) else "reinforce"

    def begin(self, number: int) -> None:
        if number == self.config.stage1_steps and self.config.reference == "stage1":
            self.reference = {n: p.detach().clone() for n, p in self.vlm.trainable().items()}

    def prepare(self) -> None:
        self.data = augmented(self.vlm, self.data, self.config)
        deep = self.config.match or self.config.suppress
        self.deeper = Deeper(self.vlm, self.data, self.config) if deep else None

    def backward(self, number: int, rng: random.Random) -> Step:
        request = (self.vlm, self.data, self.config, rng, self.reference)
        if not self.first(number):
            step = Step(*reinforce(*request))
            if self.deeper:
                step = step._replace(loss=step.loss + SECOND * self.deeper.loss(rng))
        elif self.deeper:
            step = Step(self.deeper.loss(rng, teach=True) + hold(*request))
        else:
            step = Step(disrupt(*request))
        step.loss.backward()
        return step


def stage1_answer(sample: Sample, data: UnlearnData, cfg: UnlearnConfig, rng: random.Random) -> str:
    """What stage 1 teaches: the honest answer, or the paper's wrong name."""
    if sample.role == "retain":
        return sample.answer
    if cfg.stage1_target == "abstraction":
        return sample.safe_answer
    return wrong_answer(sample, data, rng)


def disrupt(
    vlm: VLM,
    data: UnlearnData,
    cfg: UnlearnConfig,
    rng: random.Random,
    original: dict[str, torch.Tensor],
) -> torch.Tensor:
    """Stage 1's loss for one step."""
    taught = pool(data, "forget", cfg)
    if not cfg.feature_hold:
        taught = (*taught, *pool(data, "retain", cfg))
    rows = draw(taught, cfg.stage1_batch, rng)
    said = [stage1_answer(s, data, cfg, rng) for s in rows]
    own = vlm.team.part(rows)
    loss = sft.answer_loss(
        vlm,
        [load_image(s.image) for s in own],
        [s.question for s in own],
        vlm.team.part(said),
        of=sft.tokens(vlm, said),
    )
    return loss + hold(vlm, data, cfg, rng, original)


def hold(
    vlm: VLM,
    data: UnlearnData,
    cfg: UnlearnConfig,
    rng: random.Random,
    original: dict[str, torch.Tensor],
) -> torch.Tensor | float:
    """What retain pictures' projected tokens cost for moving; 0 where none are held."""
    held = draw_retain(data, cfg, cfg.stage1_retain, rng) if cfg.feature_hold else []
    return cfg.feature_hold * drift(vlm, vlm.team.part(held), original) if held else 0.0


def drift(vlm: VLM, samples: Sequence[Sample], original: dict[str, torch.Tensor]) -> torch.Tensor:
    """How far projected image tokens moved from the original ones, in units of variance."""
    images = [load_image(s.image) for s in samples]
    inputs = vlm.inputs(images, [""] * len(images))
    with torch.no_grad(), swapped(vlm.trainable(), original):
        before = torch.cat(vlm.projected(inputs))
    moved = (torch.cat(vlm.projected(inputs)) - before).square()
    scaled = moved / (vlm.team.variance(before) + 1e-6)
    return scaled.sum() / vlm.team.total(torch.tensor(float(scaled.numel()), device=vlm.device))


def grpo_prompts(data: UnlearnData, cfg: UnlearnConfig, rng: random.Random) -> list[Sample]:
    """The prompts of one GRPO step: forget and retain in the configured share."""
    forget = max(1, round(cfg.grpo_prompts * cfg.forget_share))
    retain = max(1, cfg.grpo_prompts - forget)
    return [*draw(pool(data, "forget", cfg), forget, rng), *draw_retain(data, cfg, retain, rng)]


def reinforce(
    vlm: VLM,
    data: UnlearnData,
    cfg: UnlearnConfig,
    rng: random.Random,
    reference: dict[str, torch.Tensor],
) -> tuple[torch.Tensor, dict[str, float], float]:
    """Stage 2's loss for one step, the mean of each reward part, and the KL."""
    prompts = grpo_prompts(data, cfg, rng)
    rows = vlm.team.part(prompts)
    inputs = vlm.inputs([load_image(s.image) for s in rows], [s.question for s in rows])
    prefix = rollout.prefill(vlm.core, inputs)
    generator = torch.Generator(device=vlm.device).manual_seed(rng.randrange(2**31))
    ids = rollout.sample(
        vlm.core,
        prefix,
        cfg.group,
        cfg.max_new_tokens,
        vlm.eos,
        temperature=cfg.temperature,
        generator=generator,
        banned=vlm.banned,
        among=(vlm.team.bounds(len(prompts)).start, len(prompts)),
    )
    parts, reward = judge_group(vlm, data, cfg, rows, ids)
    mask = rollout.answer_mask(ids, vlm.eos)
    logits = rollout.shared_logits(vlm.core, prefix, ids, cfg.group)
    logp = rollout.token_logprobs(logits, ids)
    advantage = grpo.advantages(reward).flatten()[:, None]
    loss = grpo.policy_loss(
        logp,
        logp.detach(),
        advantage,
        mask,
        clip=cfg.clip,
        dual_clip=cfg.dual_clip,
        of=vlm.team.total(mask.sum()),
    )
    with torch.no_grad(), swapped(vlm.trainable(), reference):
        before = rollout.prefill(vlm.core, inputs)
        base = rollout.token_logprobs(rollout.shared_logits(vlm.core, before, ids, cfg.group), ids)
    counted = mask & kl_rows(rows, cfg, mask)
    divergence = grpo.low_variance_kl(logp, base)
    kl = grpo.token_mean(divergence, counted, of=vlm.team.total(counted.sum()))
    return loss + cfg.kl * kl, parts, float(vlm.team.total(kl))


def kl_rows(rows: Sequence[Sample], cfg: UnlearnConfig, mask: torch.Tensor) -> torch.Tensor:
    """Where the KL applies: everywhere as in the paper; against the original only on retain."""
    keep = [cfg.reference == "stage1" or s.role == "retain" for s in rows]
    return torch.tensor(keep, device=mask.device).repeat_interleave(cfg.group)[:, None]


def judge_group(
    vlm: VLM, data: UnlearnData, cfg: UnlearnConfig, rows: Sequence[Sample], ids: torch.Tensor
) -> tuple[dict[str, float], torch.Tensor]:
    """Mean reward parts, and rewards (B, G)."""
    by_id = {c.id: c for c in (*data.concepts, *data.retained)}
    texts = vlm.decode(ids)
    owners = [s for s in rows for _ in range(cfg.group)]
    scored = [
        rewards.score(s, t, by_id[s.concept_id], data.concepts, cfg) for s, t in zip(owners, texts)
    ]
    reward = torch.tensor([rewards.total(p) for p in scored], device=ids.device)
    return means(vlm.team.gathered(scored)), reward.view(len(rows), cfg.group)


def means(scored: Sequence[rewards.Parts]) -> dict[str, float]:
    """The mean of each reward part over the answers that it applies to."""
    values: dict[str, list[float]] = {}
    for parts in scored:
        for name, value in parts.items():
            if value is not None:
                values.setdefault(name, []).append(value)
    return {name: sum(v) / len(v) for name, v in values.items()}
