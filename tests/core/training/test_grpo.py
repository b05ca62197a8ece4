"""GRPO's arithmetic against brute force, hand-made cases and the properties it promises."""

import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hfru_core.training.grpo import advantages, low_variance_kl, policy_loss, token_mean

CLIP, DUAL = 0.2, 3.0
# No subnormal numbers: beside them, what is equal in exact arithmetic is rounded apart.
numbers = st.integers(-5000, 5000).map(lambda n: n / 1024)


def matrix(rows: int, columns: int) -> st.SearchStrategy[torch.Tensor]:
    return arrays("float32", (rows, columns), elements=numbers).map(torch.from_numpy)


@given(matrix(3, 4))
@settings(max_examples=50, deadline=None)
def test_advantages_are_standard_scores_within_each_group(rewards: torch.Tensor) -> None:
    got = advantages(rewards.double())
    for row, line in zip(rewards.tolist(), got.tolist()):
        mean, spread = statistics.mean(row), statistics.stdev(row)
        expected = [(r - mean) / (spread + 1e-6) for r in row]
        assert line == pytest.approx(expected, abs=1e-4)


def test_a_group_of_equals_has_no_advantage() -> None:
    got = advantages(torch.tensor([[0.3] * 5, [1.5] * 5]))
    assert torch.equal(got, torch.zeros(2, 5))


def test_groups_do_not_touch_each_other() -> None:
    rewards = torch.tensor([[0.0, 1.0, 2.0], [5.0, 5.0, 9.0]])
    alone = advantages(rewards[:1])
    assert torch.equal(advantages(rewards)[:1], alone)


@given(matrix(2, 6), matrix(2, 6))
@settings(max_examples=50, deadline=None)
def test_the_kl_estimate_is_never_negative(logp: torch.Tensor, reference: torch.Tensor) -> None:
    assert (low_variance_kl(logp, reference) >= 0).all()
    assert torch.equal(low_variance_kl(logp, logp), torch.zeros_like(logp))


def test_the_kl_estimate_is_unbiased() -> None:
    """Over samples of the policy its mean is the KL divergence itself."""
    generator = torch.Generator().manual_seed(0)
    policy, reference = torch.randn(2, 8, generator=generator).mul(0.5).log_softmax(-1)
    exact = (policy.exp() * (policy - reference)).sum()
    drawn = torch.multinomial(policy.exp(), 200_000, replacement=True, generator=generator)
    estimates = low_variance_kl(policy[drawn], reference[drawn])
    # Five standard errors: a wrong direction or sign is many times that off.
    error = 5 * estimates.std() / len(drawn) ** 0.5
    assert estimates.mean() == pytest.approx(exact.item(), abs=error.item())
    assert error < 0.05 * exact


def test_the_kl_estimate_is_bounded_where_the_policies_part() -> None:
    got = low_variance_kl(torch.tensor([-100.0, 0.0]), torch.tensor([0.0, -100.0]))
    assert got.tolist() == [10.0, 10.0]


def clipped(
    logp: torch.Tensor, old: torch.Tensor, advantage: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """PPO's clipped surrogate with a dual clip (arXiv 1912.09729), as verl has it: clamped."""
    ratio = (logp - old).clamp(-20, 20).exp()
    loss = torch.maximum(-advantage * ratio, -advantage * ratio.clamp(1 - CLIP, 1 + CLIP))
    bounded = torch.minimum(loss, -advantage * DUAL)
    return token_mean(torch.where(advantage < 0, bounded, loss), mask)


@given(matrix(3, 4), matrix(3, 1))
@settings(max_examples=50, deadline=None)
def test_on_policy_no_clip_can_act(logp: torch.Tensor, advantage: torch.Tensor) -> None:
    """One update a rollout: value and gradient are those of the clipped surrogate, bit by bit."""
    mask, results = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]), []
    for loss_of in (
        lambda x: policy_loss(x, advantage, mask),
        lambda x: clipped(x, x.detach(), advantage, mask),
    ):
        x = logp.clone().requires_grad_()
        loss = loss_of(x)
        loss.backward()
        results.append((loss.detach(), x.grad))
    (ours, our_slope), (theirs, their_slope) = results
    assert torch.equal(ours, theirs) and torch.equal(our_slope, their_slope)


def test_on_policy_the_gradient_is_minus_advantage_over_all_tokens() -> None:
    logp = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    loss = policy_loss(logp, torch.tensor([[1.0], [-0.5]]), mask)
    loss.backward()
    expected = torch.tensor([[-0.2, -0.2, 0.0], [0.1, 0.1, 0.1]])
    torch.testing.assert_close(logp.grad, expected)
    assert loss.item() == pytest.approx(-(2 * 1.0 + 3 * -0.5) / 5)


def test_the_mean_can_be_over_tokens_that_others_hold() -> None:
    logp, mask = torch.zeros(2, 3), torch.ones(2, 3)
    advantage = torch.tensor([[1.0], [3.0]])
    assert policy_loss(logp, advantage, mask, of=torch.tensor(12)) == pytest.approx(-1.0)


@given(matrix(2, 5), matrix(2, 5))
@settings(max_examples=50, deadline=None)
def test_tokens_that_do_not_count_change_nothing(values: torch.Tensor, noise: torch.Tensor) -> None:
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])
    brute = [v for row, keep in zip(values.tolist(), mask.tolist()) for v, k in zip(row, keep) if k]
    assert token_mean(values, mask).item() == pytest.approx(statistics.mean(brute), abs=1e-5)
    elsewhere = torch.where(mask.bool(), values, noise)
    assert torch.equal(token_mean(values, mask), token_mean(elsewhere, mask))


def test_no_tokens_mean_zero_and_not_nan() -> None:
    assert token_mean(torch.ones(2, 3), torch.zeros(2, 3)) == 0


@pytest.mark.parametrize("group", range(2, 17))
@pytest.mark.parametrize("value", [0.1, 0.7, 1.0 / 3, 1e-7, 123.456])
def test_equal_rewards_give_no_advantage_at_all(group: int, value: float) -> None:
    assert not advantages(torch.full((3, group), value)).any()
