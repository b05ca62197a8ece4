"""The shared prefix computes what the plain path computes, and sampling keeps its promises."""

import pytest
import torch
from PIL import Image

from hfru_core.model import rollout
from hfru_core.model.families import FAMILIES
from hfru_core.model.vlm import VLM
from hfru_core.pretrain.architecture import build_model, build_processor, build_tokenizer

EOS, STEPS = 2, 7
QUESTIONS = ("What is this?", "Is there a dog in this picture or not?", "Name it.")


@pytest.fixture(scope="module")
def vlm() -> VLM:
    """A random model with LoRA on its tower, its weights large enough that order matters.

    In double precision, so that a difference is an error and not rounding.
    """
    torch.manual_seed(0)
    tokenizer = build_tokenizer([*QUESTIONS, "a red dog stands on the grass and looks at you"])
    model = build_model(tokenizer).double().eval().requires_grad_(False)
    for name, p in model.model.language_model.named_parameters():
        p.mul_(8.0 if "proj" in name or name == "norm.weight" else 1.0)
    vlm = VLM(model, build_processor(tokenizer), FAMILIES["llava"], torch.device("cpu"), "random")
    vlm.adapt(4, "encoder")
    for name, p in vlm.trainable().items():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.2)
    return vlm


@pytest.fixture(scope="module")
def inputs(vlm: VLM) -> dict[str, torch.Tensor]:
    """Three pictures with prompts of three lengths, padded on the left."""
    noise = torch.randint(0, 256, (3, 112, 112, 3), generator=torch.Generator().manual_seed(1))
    batch = vlm.inputs([Image.fromarray(n.byte().numpy()) for n in noise], QUESTIONS)
    assert len(set(batch["attention_mask"].sum(1).tolist())) == 3
    return {**batch, "pixel_values": batch["pixel_values"].double()}


def answers(vlm: VLM, count: int) -> torch.Tensor:
    """Random answers (count, STEPS) without special tokens."""
    generator = torch.Generator().manual_seed(count)
    return torch.randint(6, len(vlm.tokenizer), (count, STEPS), generator=generator)


def gradients(vlm: VLM, logits: torch.Tensor, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients of a loss that weighs the answers differently, by parameter."""
    weights = torch.linspace(-1, 1, len(ids))[:, None]
    (rollout.token_logprobs(logits, ids) * weights).sum().backward()
    found = {n: p.grad.clone() for n, p in vlm.trainable().items()}
    vlm.model.zero_grad(set_to_none=True)
    return found


def picked(vlm: VLM, inputs: dict[str, torch.Tensor], seed: int, **changes) -> torch.Tensor:
    settings = {"group": 4, "max_new": STEPS, "eos": (EOS,), **changes}
    with torch.no_grad():
        prefix = rollout.prefill(vlm.core, inputs)
    generator = torch.Generator().manual_seed(seed)
    return rollout.sample(vlm.core, prefix, generator=generator, **settings)


@pytest.mark.parametrize("group", [1, 4])
def test_shared_equals_plain(vlm: VLM, inputs: dict[str, torch.Tensor], group: int):
    ids = answers(vlm, 3 * group)
    plain = rollout.plain_logits(vlm.core, inputs, ids, group)
    shared = rollout.shared_logits(vlm.core, rollout.prefill(vlm.core, inputs), ids, group)
    assert shared.shape == (3 * group, STEPS, len(vlm.tokenizer))
    torch.testing.assert_close(shared, plain, atol=1e-5, rtol=0)
    expected, found = gradients(vlm, plain, ids), gradients(vlm, shared, ids)
    assert any("vision_tower" in n for n in expected)
    for name, gradient in expected.items():
        scale = gradient.abs().max()
        assert scale > 0, name
        assert (found[name] - gradient).abs().max() <= 1e-5 * scale, name


def test_one_token_answers_come_from_the_prompt(vlm: VLM, inputs: dict[str, torch.Tensor]):
    ids = answers(vlm, 6)[:, :1]
    with torch.no_grad():
        plain = rollout.plain_logits(vlm.core, inputs, ids, 2)
        shared = rollout.shared_logits(vlm.core, rollout.prefill(vlm.core, inputs), ids, 2)
    torch.testing.assert_close(shared, plain, atol=1e-5, rtol=0)


def test_an_answer_does_not_see_its_siblings(vlm: VLM, inputs: dict[str, torch.Tensor]):
    ids = answers(vlm, 12)
    other = ids.clone()
    other[1::4] = ids[1::4].flip(1)
    with torch.no_grad():
        prefix = rollout.prefill(vlm.core, inputs)
        before = rollout.shared_logits(vlm.core, prefix, ids, 4)
        after = rollout.shared_logits(vlm.core, prefix, other, 4)
    same = torch.arange(12) % 4 != 1
    assert torch.equal(before[same], after[same])
    assert not torch.allclose(before[~same], after[~same])


def test_greedy_equals_generate(vlm: VLM, inputs: dict[str, torch.Tensor]):
    with torch.no_grad():
        theirs = vlm.core.generate(
            **inputs, max_new_tokens=STEPS, do_sample=False, eos_token_id=EOS, pad_token_id=EOS
        )
    ours = picked(vlm, inputs, 0, group=1, temperature=0.0)
    assert torch.equal(ours, theirs[:, inputs["input_ids"].shape[1] :])


def test_greedy_answers_of_a_group_are_one(vlm: VLM, inputs: dict[str, torch.Tensor]):
    one = picked(vlm, inputs, 0, group=1, temperature=0.0)
    assert torch.equal(picked(vlm, inputs, 0, temperature=0.0), one.repeat_interleave(4, 0))


def test_sampling_follows_the_shared_logits(vlm: VLM, inputs: dict[str, torch.Tensor]):
    """Drawing token by token from `shared_logits` of the sample gives the sample."""
    ids = picked(vlm, inputs, 3, eos=(-1,))
    with torch.no_grad():
        logits = rollout.shared_logits(vlm.core, rollout.prefill(vlm.core, inputs), ids, 4)
    generator = torch.Generator().manual_seed(3)
    rows = (0, len(logits))
    drawn = [rollout.pick(logits[:, step], 1.0, generator, rows) for step in range(STEPS)]
    assert torch.equal(torch.stack(drawn, 1), ids)


def test_the_seed_decides(vlm: VLM, inputs: dict[str, torch.Tensor]):
    first = picked(vlm, inputs, 5, eos=(-1,))
    assert first.shape == (12, STEPS)
    assert torch.equal(first, picked(vlm, inputs, 5, eos=(-1,)))
    assert not torch.equal(first, picked(vlm, inputs, 6, eos=(-1,)))
    assert len({tuple(row) for row in first.tolist()}) == 12


def test_banned_ids_are_never_sampled(vlm: VLM, inputs: dict[str, torch.Tensor]):
    banned = tuple(range(len(vlm.tokenizer) - 2))
    allowed = {len(vlm.tokenizer) - 2, len(vlm.tokenizer) - 1}
    assert set(picked(vlm, inputs, 0, banned=banned).unique().tolist()) == allowed


def test_rows_end_padded_with_the_end_token(vlm: VLM, inputs: dict[str, torch.Tensor]):
    half = tuple(range(6, 6 + (len(vlm.tokenizer) - 6) // 2))
    ids = picked(vlm, inputs, 1, eos=(EOS, *half), max_new=12)
    mask = rollout.answer_mask(ids, (EOS, *half))
    assert mask.any(1).all() and not mask.all()
    assert (ids[~mask] == EOS).all()
    lengths = mask.sum(1)
    ended = lengths < ids.shape[1]
    last = ids.gather(1, lengths[:, None] - 1)[:, 0]
    assert torch.isin(last[ended], torch.tensor([EOS, *half])).all()


def test_sampling_stops_when_all_have_ended(vlm: VLM, inputs: dict[str, torch.Tensor]):
    everything = tuple(range(len(vlm.tokenizer)))
    assert picked(vlm, inputs, 0, eos=everything, max_new=50).shape == (12, 1)


def test_sampling_leaves_the_prefix_as_it_was(vlm: VLM, inputs: dict[str, torch.Tensor]):
    prefix = rollout.prefill(vlm.core, inputs)
    before = [layer.keys.detach().clone() for layer in prefix.cache.layers]
    logits = prefix.logits.detach().clone()
    settings = {"eos": (EOS,), "banned": (7, 8), "temperature": 0.7}
    rounds = [
        rollout.sample(
            vlm.core, prefix, group, 5, generator=torch.Generator().manual_seed(9), **settings
        )
        for group in (1, 1, 4, 4)
    ]
    assert torch.equal(rounds[0], rounds[1]) and torch.equal(rounds[2], rounds[3])
    assert torch.equal(prefix.logits, logits) and prefix.logits.requires_grad
    for layer, keys in zip(prefix.cache.layers, before, strict=True):
        assert torch.equal(layer.keys, keys)
    ids = answers(vlm, 12)
    used = rollout.shared_logits(vlm.core, prefix, ids, 4)
    fresh = rollout.shared_logits(vlm.core, rollout.prefill(vlm.core, inputs), ids, 4)
    assert torch.equal(used, fresh)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([5, 6, 7, 8], [1, 1, 1, 1]),
        ([5, 6, 2, 2], [1, 1, 1, 0]),
        ([5, 3, 6, 2], [1, 1, 0, 0]),
        ([2, 5, 6, 7], [1, 0, 0, 0]),
        ([5, 6, 7, 2], [1, 1, 1, 1]),
    ],
)
def test_answer_mask(ids: list[int], expected: list[int]):
    found = rollout.answer_mask(torch.tensor([ids]), (2, 3))
    assert found.dtype == torch.bool
    assert found[0].int().tolist() == expected
