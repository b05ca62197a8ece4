"""GRPO's arithmetic against brute force, hand-made cases and the properties it promises."""

import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hfru_core.training.grpo import advantages, low_variance_kl, policy_loss, token_mean

CLIP, DUAL = 0.2, 3.0
numbers = st.floats(-5, 5, width=32)


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


def loss_and_gradient(ratio: float, advantage: float) -> tuple[float, float]:
    """The loss of one token and its derivative with respect to the token's log-probability."""
    logp = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    loss = policy_loss(
        logp,
        torch.zeros(1, 1),
        torch.tensor([[advantage]]),
        torch.ones(1, 1),
        clip=CLIP,
        dual_clip=DUAL,
    )
    loss.backward()
    return loss.item(), logp.grad.item()


# fmt: off
@pytest.mark.parametrize(("ratio", "advantage", "loss", "gradient"), [
    (1.0, 2.0, -2.0, -2.0),    # on policy: minus the advantage
    (1.0, -2.0, 2.0, 2.0),
    (1.1, 2.0, -2.2, -2.2),    # inside the clip: ratio times advantage
    (1.5, 2.0, -2.4, 0.0),     # clipped: no more to gain
    (0.5, 2.0, -1.0, -1.0),    # worse than before: pulled back in full
    (0.5, -2.0, 1.6, 0.0),     # clipped: has been made rare enough
    (1.5, -2.0, 3.0, 3.0),
    (4.0, -2.0, 6.0, 0.0),     # dual clip: bounded by 3 times the advantage
])
def test_the_policy_loss_by_hand(
    ratio: float, advantage: float, loss: float, gradient: float
) -> None:
    assert loss_and_gradient(ratio, advantage) == pytest.approx((loss, gradient), abs=1e-9)
# fmt: on


def test_on_policy_the_gradient_is_minus_advantage_over_all_tokens() -> None:
    logp = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    policy_loss(
        logp, logp.detach(), torch.tensor([[1.0], [-0.5]]), mask, clip=CLIP, dual_clip=DUAL
    ).backward()
    expected = torch.tensor([[-0.2, -0.2, 0.0], [0.1, 0.1, 0.1]])
    torch.testing.assert_close(logp.grad, expected)


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
