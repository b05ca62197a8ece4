"""GRPO's arithmetic: advantages, KL estimate, policy loss. Pure functions of tensors.

Constants and forms as HFRU's stage 2 uses them (arXiv 2605.08031; verl's GRPO).
"""

from __future__ import annotations

import torch


def advantages(rewards: torch.Tensor) -> torch.Tensor:
    """Rewards (B, G) -> advantages (B, G): centred and scaled within each group."""
    mean = rewards.mean(1, keepdim=True)
    return (rewards - mean) / (rewards.std(1, keepdim=True) + 1e-6)


def low_variance_kl(logp: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """exp(d) - d - 1 with d = reference - logp per token, clamped as in verl ("low_var_kl")."""
    gap = (reference - logp).clamp(-20, 20)
    return (gap.expm1() - gap).clamp(-10, 10)


def policy_loss(
    logp: torch.Tensor,
    old: torch.Tensor,
    advantage: torch.Tensor,
    mask: torch.Tensor,
    *,
    clip: float,
    dual_clip: float,
    of: torch.Tensor | None = None,
) -> torch.Tensor:
    """Clipped surrogate, averaged over tokens (`of` so many, where others hold the rest).

    `logp`, `old`, `mask` are (N, R), `advantage` is (N, 1). Where the advantage is negative the
    loss is bounded by `dual_clip` (dual-clip PPO, arXiv 1912.09729).
    """
    ratio = (logp - old).exp()
    plain = -advantage * ratio
    clipped = -advantage * ratio.clamp(1 - clip, 1 + clip)
    loss = torch.maximum(plain, clipped)
    bounded = torch.minimum(loss, -advantage * dual_clip)
    return token_mean(torch.where(advantage < 0, bounded, loss), mask, of)


def token_mean(
    values: torch.Tensor, mask: torch.Tensor, of: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean over all tokens that count: those here, or `of` so many."""
    return (values * mask).sum() / (mask.sum() if of is None else of).clamp(min=1)
