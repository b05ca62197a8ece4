"""Batches that follow what a step costs, and what is told before the start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hfru_core.config import UnlearnConfig
from hfru_core.model import vlm
from hfru_core.session import UnlearnSession, fit
from hfru_core.session.fit import Cost
from hfru_core.types import UnlearnData, UserError

MakeSession = Callable[..., UnlearnSession]
DEFAULT = UnlearnConfig()


@pytest.fixture
def costly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every decoder counts as large, and no step fits."""
    monkeypatch.setattr(fit, "is_worth_measuring", lambda _: True)
    monkeypatch.setattr(fit, "BUDGET", 0)


def cost_of(train: float, grpo: float, check: float = 1) -> Cost:
    """By the seconds of a whole step of each stage."""
    return Cost(train / DEFAULT.batch, grpo / DEFAULT.hfru.grpo_prompts, check)


def test_batches_become_as_small_as_the_steps_need() -> None:
    """80 steps of 8 s and 20 of 32 s are 1280 s: three eighths of them are 480."""
    cost = cost_of(8, 32)
    config = fit.fitted(DEFAULT, cost)
    assert (config.batch, config.retain_batch, config.hfru.grpo_prompts) == (9, 12, 6)
    assert cost.left(config, checks=False) == pytest.approx(480)
    assert config.lr == pytest.approx(DEFAULT.lr * (3 / 8) ** 0.5)  # noisier gradients
    assert config.hfru.grpo_lr == pytest.approx(DEFAULT.hfru.grpo_lr * (3 / 8) ** 0.5)


def test_no_batch_is_made_too_small_and_a_quick_session_stays() -> None:
    assert fit.fitted(DEFAULT, cost_of(1e4, 1e4)).hfru.grpo_prompts == fit.SMALLEST
    assert fit.fitted(DEFAULT, cost_of(1, 2)) == DEFAULT


@pytest.mark.parametrize("changes", [{"preset": "paper"}, {"method": "pubg"}])
def test_what_a_paper_says_is_not_changed(changes: dict[str, str]) -> None:
    config = DEFAULT.with_(**changes)
    assert fit.fitted(config, cost_of(1e4, 1e4)) == config


def test_what_is_left_counts_checks_and_both_stages() -> None:
    cost = cost_of(2, 10, 30)
    assert cost.left(DEFAULT) == 80 * 2 + 20 * 10 + 4 * 30
    assert cost.left(DEFAULT, done=90) == 10 * 10 + 1 * 30
    assert cost.left(DEFAULT, done=100) == 0


def test_measuring_moves_nothing_and_the_estimate_is_told(
    session: MakeSession, costly: None
) -> None:
    made = session(batch=8, grpo_prompts=8)
    made.begin()
    assert all(not w.any() for n, w in made.weights.items() if "lora_B" in n)
    assert all(w.grad is None for w in made.weights.values())
    assert (made.config.batch, made.config.hfru.grpo_prompts) == (4, 4)
    assert "4 examples instead of 8" in made.estimate
    assert "evaluation" in made.estimate


def test_a_session_goes_on_with_the_batches_of_its_checkpoint(
    session: MakeSession,
    costly: None,
    monkeypatch: pytest.MonkeyPatch,
    tiny_folder: Path,
    small_data: UnlearnData,
) -> None:
    """However fast the machine is by then."""
    first = session(batch=8, grpo_prompts=8)
    running = first.run()
    next(running), next(running)
    running.close()
    monkeypatch.setattr(fit, "BUDGET", 1e6)
    config = first.config.with_(batch=8, retain_batch=4, grpo_prompts=8)
    again = UnlearnSession(vlm.load(tiny_folder, device="cpu"), small_data, config, first.out)
    assert [e.step for e in again.run()] == [3, 4, 4]
    assert again.config.batch == 4


def test_a_checkpoint_without_batches_is_told_as_damaged(
    session: MakeSession, costly: None, tiny_folder: Path, small_data: UnlearnData
) -> None:
    made = session()
    running = made.run()
    next(running), next(running)
    running.close()
    file = made.work / "session.json"
    file.write_text(file.read_text().replace('"grpo_prompts"', '"gone"'))
    again = UnlearnSession(vlm.load(tiny_folder, device="cpu"), small_data, made.config, made.out)
    with pytest.raises(UserError, match="damaged"):
        again.begin()


def test_small_decoders_are_not_measured(session: MakeSession) -> None:
    made = session()
    made.begin()
    assert made.estimate == "" and not fit.is_worth_measuring(made.vlm)
    assert isinstance(made.weights[next(iter(made.weights))], torch.nn.Parameter)
