"""HFRU's stage 2: GRPO on answers that the model draws, by a reward that rules compute."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch.nn import functional as F

from hfru_core.config import UnlearnConfig
from hfru_core.data.source import load_image
from hfru_core.methods.base import draw, draw_retain, pool
from hfru_core.model import rollout
from hfru_core.model.vlm import VLM
from hfru_core.model.weights import swapped
from hfru_core.training import grpo, rewards
from hfru_core.training.parts import accumulated, in_parts
from hfru_core.types import Sample, UnlearnData


def grpo_prompts(data: UnlearnData, cfg: UnlearnConfig, rng: random.Random) -> list[Sample]:
    """The prompts to try in one GRPO step: forget and retain in the configured share."""
    count = cfg.hfru.grpo_prompts * cfg.hfru.tries
    forget = max(1, round(count * cfg.hfru.forget_share))
    retain = max(1, count - forget)
    prompts = [*draw(pool(data, "forget", cfg), forget, rng), *draw_retain(data, cfg, retain, rng)]
    return rng.sample(prompts, len(prompts)) if cfg.hfru.tries > 1 else prompts


def reinforce(
    vlm: VLM,
    data: UnlearnData,
    cfg: UnlearnConfig,
    rng: random.Random,
    reference: dict[str, torch.Tensor],
) -> tuple[torch.Tensor, dict[str, float], float]:
    """Stage 2's loss for one step, the mean of each reward part, and the KL."""
    prompts = grpo_prompts(data, cfg, rng)
    rows, start = vlm.processes.part(prompts), vlm.processes.bounds(len(prompts)).start
    seed = rng.randrange(2**31)
    cut = in_parts(vlm, [s.question for s in rows], cfg.hfru.group * cfg.max_new_tokens)
    keep = len(cut) == cfg.hfru.tries == 1
    drawn = [roll_out(vlm, cfg, rows[c], seed, (start + c.start, len(prompts)), keep) for c in cut]
    ids = padded([r.ids for r in drawn], vlm.eos[0])
    means_of_parts, reward = judge_group(vlm, data, cfg, rows, ids)
    if cfg.hfru.tries > 1:
        chosen = telling(reward, max(1, len(rows) // cfg.hfru.tries))
        rows, reward = [rows[i] for i in chosen], reward[chosen]
        ids = ids.view(-1, cfg.hfru.group, ids.shape[1])[chosen].flatten(0, 1)
        cut = in_parts(vlm, [s.question for s in rows], cfg.hfru.group * cfg.max_new_tokens)
        drawn = [again(vlm, rows[c], ids, c, cfg.hfru.group) for c in cut]
    mask = rollout.answer_mask(ids, vlm.eos)
    counted = mask & kl_rows(rows, cfg, mask)
    tokens = vlm.processes.total(mask.sum()), vlm.processes.total(counted.sum())
    advantage = grpo.advantages(reward)
    divergences: list[torch.Tensor] = []

    def policy(rolled: Rolled, c: slice) -> torch.Tensor:
        loss, kl = policy_loss(vlm, cfg, rows[c], rolled, advantage[c], tokens, reference)
        divergences.append(kl.detach())
        return loss + cfg.hfru.kl * kl

    loss = accumulated([partial(policy, r, c) for r, c in zip(drawn, cut)])
    return loss, means_of_parts, float(vlm.processes.total(torch.stack(divergences).sum()))


def telling(reward: torch.Tensor, count: int) -> list[int]:
    """The first prompts of rewards (B, G) whose answers differ in reward, filled up by others.

    GRPO learns nothing where all rewards of a group are the same.
    """
    alike = (reward.amax(1) == reward.amin(1)).tolist()
    return sorted(range(len(reward)), key=lambda i: alike[i])[:count]


class Rolled(NamedTuple):
    """Prompts with the answers (N, R) drawn to them, and the prompts' pass where it is kept."""

    inputs: dict[str, torch.Tensor]
    prefix: rollout.Prefix | None
    ids: torch.Tensor


def roll_out(
    vlm: VLM,
    cfg: UnlearnConfig,
    rows: Sequence[Sample],
    seed: int,
    among: tuple[int, int],
    keep: bool,
) -> Rolled:
    """The group's answers to some prompts; their pass has gradients where it is to be kept."""
    inputs = vlm.inputs([load_image(s.image_key) for s in rows], [s.question for s in rows])
    with torch.set_grad_enabled(keep):
        prefix = rollout.prefill(vlm.core, inputs)
    ids = rollout.sample(
        vlm.core,
        prefix,
        cfg.hfru.group,
        cfg.max_new_tokens,
        vlm.eos,
        temperature=cfg.hfru.temperature,
        generator=torch.Generator(device=vlm.device).manual_seed(seed),
        banned=vlm.banned,
        among=among,
    )
    return Rolled(inputs, prefix if keep else None, ids)


def again(vlm: VLM, rows: Sequence[Sample], ids: torch.Tensor, c: slice, group: int) -> Rolled:
    """Some prompts with answers that were drawn to them before; their pass is still to come."""
    inputs = vlm.inputs([load_image(s.image_key) for s in rows], [s.question for s in rows])
    return Rolled(inputs, None, ids[c.start * group : c.stop * group])


def padded(parts: Sequence[torch.Tensor], end: int) -> torch.Tensor:
    """All answers (N, R) of one length, closed by the end token."""
    longest = max(p.shape[1] for p in parts)
    return torch.cat([F.pad(p, (0, longest - p.shape[1]), value=end) for p in parts])


def policy_loss(
    vlm: VLM,
    cfg: UnlearnConfig,
    rows: Sequence[Sample],
    rolled: Rolled,
    advantage: torch.Tensor,
    tokens: tuple[torch.Tensor, torch.Tensor],
    reference: dict[str, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Policy loss and KL of some prompts; `tokens` are those that count in all of the step."""
    ids, group = rolled.ids, cfg.hfru.group
    mask = rollout.answer_mask(ids, vlm.eos)
    prefix = rolled.prefix or rollout.prefill(vlm.core, rolled.inputs)
    warm = cfg.hfru.temperature  # the policy is what the answers were drawn from, as in verl
    logp = rollout.token_logprobs(rollout.shared_logits(vlm.core, prefix, ids, group) / warm, ids)
    loss = grpo.policy_loss(logp, advantage.flatten()[:, None], mask, of=tokens[0])
    with torch.no_grad(), swapped(vlm.trainable(), reference):
        before = rollout.prefill(vlm.core, rolled.inputs)
        logits = rollout.shared_logits(vlm.core, before, ids, group) / warm
        base = rollout.token_logprobs(logits, ids)
    counted = mask & kl_rows(rows, cfg, mask)
    return loss, grpo.token_mean(grpo.low_variance_kl(logp, base), counted, of=tokens[1])


def kl_rows(rows: Sequence[Sample], cfg: UnlearnConfig, mask: torch.Tensor) -> torch.Tensor:
    """Where the KL applies: everywhere as in the paper; against the original only on retain."""
    counted = [cfg.hfru.reference == "stage1" or s.role == "retain" for s in rows]
    return torch.tensor(counted, device=mask.device).repeat_interleave(cfg.hfru.group)[:, None]


def judge_group(
    vlm: VLM, data: UnlearnData, cfg: UnlearnConfig, rows: Sequence[Sample], ids: torch.Tensor
) -> tuple[dict[str, float], torch.Tensor]:
    """Mean reward parts, and rewards (B, G)."""
    by_id = {c.id: c for c in (*data.concepts, *data.retained)}
    texts = vlm.decode(ids)
    owners = [s for s in rows for _ in range(cfg.hfru.group)]
    scored = [
        rewards.score(s, t, by_id[s.concept_id], data.concepts, cfg.hfru)
        for s, t in zip(owners, texts)
    ]
    reward = torch.tensor([rewards.total(p) for p in scored], device=ids.device)
    return means(vlm.processes.gathered(scored)), reward.view(len(rows), cfg.hfru.group)


def means(scored: Sequence[rewards.Parts]) -> dict[str, float]:
    """The mean of each reward part over the answers that it applies to."""
    values: dict[str, list[float]] = {}
    for parts in scored:
        for name, value in parts.items():
            if value is not None:
                values.setdefault(name, []).append(value)
    return {name: sum(v) / len(v) for name, v in values.items()}
