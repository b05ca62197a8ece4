"""GRPO's arithmetic: advantages, KL estimate, policy loss. Pure functions of tensors.

Constants and forms as HFRU's stage 2 uses them (arXiv 2605.08031; verl's GRPO). Deviates: no ratio
is clipped, nor its logarithm clamped to 20 as there. Each rollout is used for one update, so the
policy that is trained is the one that drew the answers, and its ratio to itself is 1: neither clip
nor clamp could ever act.
"""

from __future__ import annotations

import torch


def advantages(rewards: torch.Tensor) -> torch.Tensor:
    """Rewards (B, G) -> advantages (B, G): centred and scaled within each group.

    Exactly 0 where a group's rewards are equal: their mean may differ from them by rounding.
    """
    mean = rewards.mean(1, keepdim=True)
    equal = rewards.amax(1, keepdim=True) == rewards.amin(1, keepdim=True)
    return ((rewards - mean) / (rewards.std(1, keepdim=True) + 1e-6)).masked_fill(equal, 0.0)


def low_variance_kl(logp: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """exp(d) - d - 1 with d = reference - logp per token, clamped as in verl ("low_var_kl")."""
    gap = (reference - logp).clamp(-20, 20)
    return (gap.expm1() - gap).clamp(-10, 10)


def policy_loss(
    logp: torch.Tensor,
    advantage: torch.Tensor,
    mask: torch.Tensor,
    of: torch.Tensor | None = None,
) -> torch.Tensor:
    """The surrogate -advantage x ratio on policy, averaged over tokens (or over `of` so many).

    `logp` and `mask` are (N, R), `advantage` is (N, 1). Its value is minus the mean advantage, and
    its gradient that of -advantage x logp: REINFORCE with the group's baseline.
    """
    ratio = (logp - logp.detach()).exp()
    return token_mean(-advantage * ratio, mask, of)


def token_mean(
    values: torch.Tensor, mask: torch.Tensor, of: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean over all tokens that count: those here, or `of` so many."""
    return (values * mask).sum() / (mask.sum() if of is None else of).clamp(min=1)
