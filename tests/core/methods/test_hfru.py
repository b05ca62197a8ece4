"""A step of HFRU in parts: where memory is short, the same gradients one part after the other."""

import random
from collections.abc import Sequence

import pytest
import torch

from hfru_core import pipeline
from hfru_core.config import UnlearnConfig
from hfru_core.evaluate import evaluate
from hfru_core.methods import hfru, hfru_stage2
from hfru_core.model import precision, rollout, vlm
from hfru_core.model.weights import snapshot
from hfru_core.training import distil, parts
from hfru_core.types import UnlearnData


def in_parts_of(size: int):
    def cut(_: vlm.VLM, questions: Sequence[str], __: int) -> list[slice]:
        return [slice(i, min(i + size, len(questions))) for i in range(0, len(questions), size)]

    return cut


def gradients(
    model: vlm.VLM, data: UnlearnData, config: UnlearnConfig, stage: str
) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss of one step, and the gradients it leaves."""
    request = (model, data, config, random.Random(0), snapshot(model.trainable()))
    loss = hfru.disrupt(*request) if stage == "disrupt" else hfru.reinforce(*request)[0]
    loss.backward()
    found = {n: p.grad.clone() for n, p in model.trainable().items() if p.grad is not None}
    for p in model.trainable().values():
        p.grad = None
    return loss.item(), found


@pytest.mark.parametrize("stage", ["disrupt", "reinforce"])
def test_parts_have_the_gradients_of_the_whole(
    stage: str,
    tiny: vlm.VLM,
    small_data: UnlearnData,
    quick: UnlearnConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny.adapt(2)
    with torch.no_grad():
        for p in tiny.trainable().values():
            p.add_(0.02 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    loss, whole = gradients(tiny, small_data, quick, stage)
    module = hfru if stage == "disrupt" else hfru_stage2
    monkeypatch.setattr(module, "in_parts", in_parts_of(3))
    again, summed = gradients(tiny, small_data, quick, stage)
    assert again == pytest.approx(loss, rel=1e-4, abs=1e-6)
    assert whole.keys() == summed.keys()
    assert max(float(g.abs().max()) for g in whole.values()) > 1e-5
    for name, gradient in whole.items():
        assert torch.allclose(summed[name], gradient, rtol=1e-3, atol=1e-6), name


def test_only_one_part_is_in_memory_at_a_time(
    tiny: vlm.VLM, small_data: UnlearnData, quick: UnlearnConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the rows in a part keep about half the bytes for the backward pass."""
    tiny.adapt(2)
    weights = {p.data_ptr() for p in tiny.model.parameters()}

    def kept(size: int) -> int:
        now = most = 0

        class Held:
            def __init__(self, value: torch.Tensor) -> None:
                nonlocal now, most
                self.value = value
                self.bytes = 0 if value.data_ptr() in weights else value.nbytes
                now += self.bytes
                most = max(most, now)

            def __del__(self) -> None:
                nonlocal now
                now -= self.bytes

        monkeypatch.setattr(hfru, "in_parts", in_parts_of(size))
        with torch.autograd.graph.saved_tensors_hooks(Held, lambda held: held.value):
            config = quick.with_(batch=4, retain_batch=0)
            gradients(tiny, small_data, config, "disrupt")
        return most

    assert kept(1) < 0.4 * kept(4)


def test_a_small_decoder_and_a_gpu_take_all_rows_at_once(tiny: vlm.VLM) -> None:
    assert parts.in_parts(tiny, ["a"] * 500, 200) == [slice(0, 500)]


def test_a_large_decoder_takes_as_many_rows_as_fit(
    tiny: vlm.VLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "LARGE", 1)
    monkeypatch.setattr(parts, "ROOM", 20 * 2**20)
    short, long = (parts.in_parts(tiny, ["What is it?"] * 50, answer) for answer in (20, 200))
    assert 1 < len(short) < len(long) <= 50
    assert [i for c in long for i in range(c.start, c.stop)] == list(range(50))
    monkeypatch.setattr(parts, "ROOM", 1)
    assert parts.in_parts(tiny, ["a", "b"], 1) == [slice(0, 1), slice(1, 2)]


def test_the_adapter_switched_off_is_the_base_model(tiny: vlm.VLM, small_data: UnlearnData) -> None:
    base, _ = evaluate(tiny, small_data)
    tiny.adapt(2)
    with torch.no_grad():
        for p in tiny.trainable().values():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    before, after = pipeline.rates(None, tiny, small_data)
    assert before == base
    assert after != base, "the adapter is on again"


def test_prompts_whose_answers_differ_in_reward_come_first() -> None:
    reward = torch.tensor([[1.0, 1.0], [0.3, 1.0], [0.0, 0.0], [1.5, 1.0], [0.7, 0.4]])
    assert hfru_stage2.telling(reward, 2) == [1, 3]
    assert hfru_stage2.telling(reward, 4) == [1, 3, 4, 0]


def test_the_policy_is_what_the_answers_were_drawn_from(
    tiny: vlm.VLM, small_data: UnlearnData, quick: UnlearnConfig
) -> None:
    """At temperature 2 log-probabilities are those of halved logits, as in the authors' trainer."""
    config = quick.with_(temperature=2.0, tries=3)
    tiny.adapt(2)
    rows = hfru_stage2.grpo_prompts(small_data, config, random.Random(0))
    assert len(rows) == 3 * config.hfru.grpo_prompts
    rows = rows[:2]
    rolled = hfru_stage2.roll_out(tiny, config, rows, 0, (0, 2), keep=True)
    mask = rollout.answer_mask(rolled.ids, tiny.eos)
    advantage = torch.randn(2, config.hfru.group, generator=torch.Generator().manual_seed(0))
    request = (tiny, config, rows, rolled, advantage, (mask.sum(), mask.sum()))
    loss, _ = hfru_stage2.policy_loss(*request, snapshot(tiny.trainable()))
    logits = rollout.plain_logits(tiny.core, rolled.inputs, rolled.ids, config.hfru.group)
    said = (logits / 2).log_softmax(-1).gather(-1, rolled.ids[..., None])[..., 0]
    told = -(advantage.flatten()[:, None] * said * mask).sum() / mask.sum()
    weights = [p for n, p in tiny.trainable().items() if "lora_B" in n]
    ours, theirs = (torch.autograd.grad(x, weights) for x in (loss, told))
    assert max(float(g.abs().max()) for g in theirs) > 1e-5
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours, theirs))


def test_paper_learns_the_models_own_captions_in_the_published_share(
    tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    config = hfru.preset("paper", small_data.concepts)
    data = distil.captioned(tiny, small_data, config.topics)
    kept = [s for s in data.select("retain", "train") if s.topic == "describe"][:3]
    assert [s.answer for s in kept] == distil.answers(tiny, kept)
    batch = hfru.lessons(data, config, random.Random(0))
    assert len(batch) == 32 and sum(s.role == "forget" for s in batch) == 10
    held = hfru.lessons(data, config.with_(feature_hold=1.0), random.Random(0))
    assert {s.role for s in held} == {"forget"}
