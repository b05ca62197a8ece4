"""The one path from a request to an adapter: command line, app and bench call it."""

from __future__ import annotations

from hfru_core.types import UserError


def split_steps(config, steps: int | None) -> dict[str, int]:
    """Share a number of steps between the stages as the preset does."""
    if steps is None:
        return {}
    if steps < 1:
        raise UserError(f"--steps must be at least 1, got {steps}.")
    first = round(steps * config.stage1_steps / config.steps)
    return {"stage1_steps": first, "grpo_steps": steps - first}
