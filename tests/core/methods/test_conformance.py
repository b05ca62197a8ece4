"""Losses against the formulas of their papers and of the authors' code, told again in plain loops.

Both are given the same logits; values and gradients have to agree.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.language.mentions import mentions
from hfru_core.methods import METHODS, configured
from hfru_core.methods.base import AnswerLogits
from hfru_core.methods.mmunlearner import mask_of
from hfru_core.methods.wrong_names import unspelled, with_wrong_names, wrong_answer
from hfru_core.model import rollout, vlm
from hfru_core.training import sft
from hfru_core.types import UnlearnData, UserError

IMAGE, WORDS, ASKED, LENGTHS = 0, 11, 4, (3, 5, 2)
START, LONGEST = ASKED - 1, max(LENGTHS)
ROWS = ("F", "R", "F?", "R?")
Logits = dict[tuple[str, str], torch.Tensor]


@dataclass
class Batch:
    """Questions of four tokens, the first an image, and answers of different lengths."""

    logits: Logits  # (N, T, V) by rows (those with "?" refuse) and model ("now", "before")
    ids: dict[str, torch.Tensor]
    model: str = "now"

    def everywhere(self, rows: str) -> AnswerLogits:
        spoken = torch.arange(LONGEST) < torch.tensor(LENGTHS)[:, None]
        mask = torch.cat([torch.ones(len(LENGTHS), START, dtype=torch.bool), spoken], 1)
        return AnswerLogits(self.logits[rows, self.model], self.ids[rows], mask, START)

    def answers(self, rows: str, answers: object = None) -> AnswerLogits:
        there = self.everywhere(rows if answers is None else f"{rows}?")
        return AnswerLogits(*(values[:, START:] for values in there[:3]))

    @contextmanager
    def original(self) -> Iterator[None]:
        self.model = "before"
        with torch.no_grad():
            yield
        self.model = "now"

    def positions(self, rows: str, answers_alone: bool) -> Iterator[tuple[int, int, int]]:
        """Row, position and token of all that counts: no padding behind an answer."""
        for i, length in enumerate(LENGTHS):
            for t in range(START if answers_alone else 0, START + length):
                yield i, t, int(self.ids[rows][i, t])


@pytest.fixture
def batch() -> Batch:
    made = torch.Generator().manual_seed(0)
    shape = (len(LENGTHS), START + LONGEST)
    ids = {rows: torch.randint(1, WORDS, shape, generator=made) for rows in ROWS}
    for tokens in ids.values():
        tokens[:, 0] = IMAGE
    logits = {
        (rows, model): torch.randn(*shape, WORDS, generator=made).requires_grad_(model == "now")
        for rows in ROWS
        for model in ("now", "before")
    }
    return Batch(logits, ids)


def given(name: str, batch: Batch, **constants: float) -> Any:
    """A method whose model is the batch."""
    kind = METHODS[name]
    method = object.__new__(kind)
    config = SimpleNamespace(image_token_id=IMAGE)
    method.vlm = SimpleNamespace(core=SimpleNamespace(config=config))
    method.c = {**kind.constants, **constants}
    method.forget, method.retain = (lambda rng: "F"), (lambda rng: "R")
    method.idk = lambda rows, rng: "I don't know."
    method.original = batch.original
    method.logits_of, method.everywhere = batch.answers, batch.everywhere
    return method


def logp(batch: Batch, rows: str, i: int, t: int, model: str = "now") -> torch.Tensor:
    """Log-probabilities of the token at a position."""
    scores = batch.logits[rows, model][i, t]
    return scores - scores.exp().sum().log()


def mean(values: list[torch.Tensor]) -> torch.Tensor:
    return sum(values[1:], values[0]) / len(values)


def nll(b: Batch, rows: str) -> torch.Tensor:
    return mean([-logp(b, rows, i, t)[y] for i, t, y in b.positions(rows, True)])


def sums(b: Batch, rows: str, model: str = "now") -> list[torch.Tensor]:
    own = {i: [] for i in range(len(LENGTHS))}
    for i, t, y in b.positions(rows, True):
        own[i].append(logp(b, rows, i, t, model)[y])
    return [sum(values[1:], values[0]) for values in own.values()]


def ascent_on_words(b: Batch) -> torch.Tensor:
    words = [(i, t, y) for i, t, y in b.positions("F", False) if y != IMAGE]
    return mean([logp(b, "F", i, t)[y] for i, t, y in words])


def difference(b: Batch) -> torch.Tensor:
    return nll(b, "R") - nll(b, "F")


def close_everywhere(b: Batch) -> torch.Tensor:
    """Forward KL to the model before, at every position of what is retained."""
    apart = []
    for i, t, _ in b.positions("R", False):
        p, q = logp(b, "R", i, t, "before"), logp(b, "R", i, t)
        apart.append((p.exp() * (p - q)).sum())
    return mean(apart) - nll(b, "F")


def negative_preference(b: Batch) -> torch.Tensor:
    """2 / beta times log(1 + ratio ** beta), beta 0.1, of whole answers."""
    ratios = [now - then for now, then in zip(sums(b, "F"), sums(b, "F", "before"))]
    return mean([20 * (1 + (0.1 * r).exp()).log() for r in ratios]) + nll(b, "R")


def without_reference(b: Batch) -> torch.Tensor:
    """beta 2.5 times what the mean loss has beyond delta, 0.5 here, within the sigmoid."""
    losses = [-total / n for total, n in zip(sums(b, "F"), LENGTHS)]
    chances = [1 / (1 + (-2.5 * (loss - 0.5)).exp()) for loss in losses]
    return 0.1375 * mean([-2 / 2.5 * c.log() for c in chances]) + nll(b, "R")


def self_distilled(b: Batch) -> torch.Tensor:
    """Targets of the model before; where an answer is predicted, its word 10 nats lower."""
    costs = []
    for i, t, y in b.positions("F", False):
        scores = b.logits["F", "before"][i, t].clone()
        scores[y] -= 10.0 if t >= START else 0.0
        target = scores.exp() / scores.exp().sum()
        costs.append(-(target * logp(b, "F", i, t)).sum())
    return mean(costs)


def flat(b: Batch) -> torch.Tensor:
    """KL from uniform on answers, a tenth of it, and the loss on what is retained."""
    even = torch.full((WORDS,), 1 / WORDS)
    uneven = [
        (even * (even.log() - logp(b, "F", i, t))).sum() for i, t, _ in b.positions("F", True)
    ]
    return 0.1 * mean(uneven) + nll(b, "R")


def refused(b: Batch) -> torch.Tensor:
    return nll(b, "F?") + nll(b, "R")


def preferred(b: Batch) -> torch.Tensor:
    """2 / beta times what a refusal lacks to be preferred to the answer, beta 0.1."""
    four = (sums(b, rows, model) for rows in ("F?", "F") for model in ("now", "before"))
    gaps = [(a - c) - (d - e) for a, c, d, e in zip(*four)]
    return mean([20 * (1 + (-0.1 * g).exp()).log() for g in gaps]) + nll(b, "R")


def preserved(b: Batch) -> torch.Tensor:
    """The refusal's loss, and 1 / beta times what the answer to the rest lacks, beta 0.1."""
    gaps = [kept - no for kept, no in zip(sums(b, "R"), sums(b, "R?"))]
    return nll(b, "F?") + mean([10 * (1 + (-0.1 * g).exp()).log() for g in gaps])


def selective(b: Batch) -> torch.Tensor:
    """A student near its teacher on what is retained, away from it elsewhere; both tasks."""
    apart = {}
    for rows in "FR":
        there = b.positions(rows, True)
        pairs = [(logp(b, rows, i, t, "before"), logp(b, rows, i, t)) for i, t, _ in there]
        apart[rows] = mean([(p.exp() * (p - q)).sum() for p, q in pairs])
    return 0.8 * apart["R"] - apart["F"] + nll(b, "R") - 0.2 * nll(b, "F")


TOLD = {
    "ga": (ascent_on_words, {}),
    "graddiff": (difference, {}),
    "klmin": (close_everywhere, {}),
    "npo": (negative_preference, {}),
    "simnpo": (without_reference, {"delta": 0.5}),
    "undial": (self_distilled, {}),
    "me": (flat, {}),
    "idknll": (refused, {}),
    "idkpo": (preferred, {}),
    "idkap": (preserved, {}),
    "eul": (selective, {}),
}


def agree(ours: torch.Tensor, theirs: torch.Tensor, over: list[torch.Tensor]) -> None:
    assert float(ours) == pytest.approx(float(theirs), abs=1e-5)
    found, wanted = (torch.autograd.grad(x, over, allow_unused=True) for x in (ours, theirs))
    for a, b in zip(found, wanted):
        assert torch.allclose(*(torch.zeros(()) if g is None else g for g in (a, b)), atol=1e-6)


@pytest.mark.parametrize("name", TOLD)
def test_a_loss_is_that_of_its_paper(name: str, batch: Batch) -> None:
    told, constants = TOLD[name]
    ours = given(name, batch, **constants).loss(random.Random(0))
    agree(ours, told(batch), [x for x in batch.logits.values() if x.requires_grad])


def test_icu_learns_no_neighbour_of_what_is_forgotten(batch: Batch) -> None:
    """Rows whose words are not predicted any more are left with what stood beside them."""
    method = given("icu", batch)
    with torch.no_grad():
        for i, t, y in batch.positions("F", True):
            batch.logits["F", "now"][i, t, y] += 20.0 if i == 1 else -20.0
    pairs = [SimpleNamespace(row=i) for i in range(len(LENGTHS))]
    method.forget, method.neighbour = (lambda rng: pairs), (lambda sample: sample)

    def answers(rows: list[Any], _: object = None) -> AnswerLogits:
        side = "F" if len(rows) == len(LENGTHS) else "R"
        picked = [r.row for r in rows]
        return AnswerLogits(*(v[picked] for v in batch.answers(side)[:3]))

    method.logits_of = answers
    own = [(i, t, y) for i, t, y in batch.positions("F", True) if i == 1]
    near = [(i, t, y) for i, t, y in batch.positions("R", True) if i == 1]
    ascent = mean([logp(batch, "F", i, t)[y] for i, t, y in own])
    learnt = mean([-logp(batch, "R", i, t)[y] for i, t, y in near])
    held = []
    for i, t, _ in near:
        p, q = logp(batch, "R", i, t, "before"), logp(batch, "R", i, t)
        held.append((p.exp() * (p - q)).sum())
    theirs = ascent + 0.5 * learnt + mean(held)
    agree(
        method.loss(random.Random(0)), theirs, [x for x in batch.logits.values() if x.requires_grad]
    )


def test_rmu_averages_within_answers_first_and_holds_what_is_retained_1200_times(
    batch: Batch,
) -> None:
    made = torch.Generator().manual_seed(1)
    states = {
        key: torch.randn(len(LENGTHS), LONGEST, 6, generator=made).requires_grad_(key[1] == "now")
        for key in batch.logits
    }
    method = given("rmu", batch)
    method.direction = torch.ones(6) / 6**0.5
    spoken = batch.answers("F").mask
    method.hidden = lambda rows: (states[rows, batch.model], spoken)
    norms = [states["F", "before"][i, t].norm() for i, n in enumerate(LENGTHS) for t in range(n)]
    length = mean(norms).detach()

    def apart(rows: str, target: Callable[[int, int], torch.Tensor]) -> torch.Tensor:
        each = [
            mean([(states[rows, "now"][i, t] - target(i, t)).square().mean() for t in range(n)])
            for i, n in enumerate(LENGTHS)
        ]
        return mean(each)

    steered = apart("F", lambda i, t: 4 * length * method.direction)
    held = apart("R", lambda i, t: states["R", "before"][i, t])
    theirs = (steered + 1200 * held) * 6 / length**2
    agree(
        method.loss(random.Random(0)) / 1e3, theirs / 1e3, [states["F", "now"], states["R", "now"]]
    )
    assert METHODS["rmu"].described().endswith("; not published: steer 4")


def at_work(name: str, model: vlm.VLM, data: UnlearnData) -> Any:
    config = configured(name, "default", data.concepts, device="cpu").with_(batch=3)
    model.adapt(2, config.scope)
    return METHODS[name](model, data, config)


def test_states_are_those_of_the_answers_own_tokens(tiny: vlm.VLM, small_data: UnlearnData) -> None:
    method = at_work("rmu", tiny, small_data)
    method.prepare()
    rows = small_data.select("forget", "train")[:3]
    ids, inputs = sft.encode_answers(tiny, [s.answer for s in rows]), method.inputs_of(rows)
    everything = rollout.answered(tiny.core, inputs, torch.cat([ids, ids[:, -1:]], 1))
    place = rollout.positions(tiny.core, everything)
    out = tiny.core(**everything, **place, output_hidden_states=True)
    layer = list(tiny.decoder.layers).index(method.layer) + 1
    states, mask = method.hidden(rows)
    assert torch.allclose(states, out.hidden_states[layer][:, -ids.shape[1] :], atol=1e-5)
    assert mask.sum() == sft.tokens(tiny, [s.answer for s in rows])


def test_everywhere_is_question_image_and_answer(tiny: vlm.VLM, small_data: UnlearnData) -> None:
    method = at_work("klmin", tiny, small_data)
    rows = small_data.select("forget", "train")[:4]
    whole, answers, inputs = method.everywhere(rows), method.logits_of(rows), method.inputs_of(rows)
    assert torch.allclose(whole.logits[:, whole.start :], answers.logits, atol=1e-5)
    assert torch.equal(whole.ids[:, whole.start :], answers.ids)
    assert torch.equal(whole.ids[:, : whole.start], inputs["input_ids"][:, 1:])
    real = int(inputs["attention_mask"].sum()) - len(rows)
    assert int(whole.mask.sum()) == real + int(answers.mask.sum())
    images = int((inputs["input_ids"] == tiny.core.config.image_token_id).sum())
    assert int(whole.mask.sum()) - int(method.in_words(rows).mask.sum()) == images > 0


def test_a_tensor_that_no_loss_moved_yet_is_left_free_at_any_threshold() -> None:
    some, none = torch.tensor([4.0, 1.0, 0.0]), torch.zeros(3)
    assert mask_of(none, none, 2.0).all()
    assert mask_of(some, torch.ones(3), 2.0).tolist() == [True, False, False]
    assert not mask_of(none, some + 1, 2.0).any()


def test_wrong_names_can_be_spelled_and_stay_the_same(
    tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    """Nine of the siblings of dog and elephant are no words of the bundled tokenizer."""
    pair = (shipped()["dog"], shipped()["elephant"])
    data = build(pair, amount=Amount(16, 4, 2, 2))
    assert any(unspelled(tiny, s) for c in pair for s in c.siblings)
    topics = ("describe", "caption", "name", "exists")
    taught = [
        s
        for s in with_wrong_names(tiny, data, topics, 0).select("forget", "train")
        if s.topic in topics
    ]
    assert not any(unspelled(tiny, s.safe_answer) for s in taught)
    assert not any(mentions(s.safe_answer, c.aliases) for s in taught for c in pair)
    again = with_wrong_names(tiny, data, topics, 0).select("forget", "train")
    assert [s for s in again if s.topic in topics] == taught
    others = with_wrong_names(tiny, data, topics, 1).select("forget", "train")
    assert [s for s in others if s.topic in topics] != taught


def test_one_wrong_name_stands_for_all_and_is_none_of_what_stays(tiny: vlm.VLM) -> None:
    dog, elephant = shipped()["dog"], shipped()["elephant"]
    data = build((dog, elephant), amount=Amount(4, 4, 2, 2))
    sample = replace(
        next(s for s in data.select("forget", "train") if s.topic == "describe"),
        answer="A dog and an elephant.",
    )
    found = {wrong_answer(tiny, sample, data, seed) for seed in range(12)}
    assert found == {"A cat and a cat.", "A horse and a horse.", "A giraffe and a giraffe."}
    kept = replace(data, retained=tuple(c for c in data.retained if c.id in ("cat", "horse")))
    found = {wrong_answer(tiny, sample, kept, seed) for seed in range(12)}
    assert found == {"A giraffe and a giraffe."}, "another class is not taught instead"
    odd = tuple(replace(c, siblings=("quokka",)) for c in data.concepts)
    with pytest.raises(UserError, match="can spell none of the names"):
        wrong_answer(tiny, sample, replace(data, concepts=odd), 0)
