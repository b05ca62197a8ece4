"""The preset `deep`: forgotten pictures lose what sets them apart, and names go out of reach."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

import pytest
import torch

from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.drawn import picture_of
from hfru_core.data.request_variants import unclear
from hfru_core.data.samples import Amount
from hfru_core.data.source import BLURRED, load_image
from hfru_core.methods import METHODS, configured
from hfru_core.methods.hfru_cooccurring import SHARPNESS, anchor_weight, with_other_names
from hfru_core.methods.hfru_deep import COOCCURRING, DeepTerms, layer_separation, mean_gap, mmd, nll
from hfru_core.model import vlm
from hfru_core.model.hooks import tower_layers
from hfru_core.protocol.answers import true_names
from hfru_core.types import UnlearnData


def cloud(shift: float = 0.0, spread: float = 1.0, seed: int = 0) -> torch.Tensor:
    made = torch.Generator().manual_seed(seed)
    return shift + spread * torch.randn(64, 6, generator=made)


def test_mmd_is_nothing_between_samples_of_one_kind_and_sees_more_than_means() -> None:
    same = mmd(cloud(seed=1), cloud(seed=2))
    assert same.abs() < 0.02
    assert mmd(cloud(seed=1), cloud(0.7, seed=2)) > 3 * same.abs() + 0.02
    wider = mmd(cloud(seed=1), cloud(spread=2.5, seed=2))
    assert wider > 0.05 and mean_gap(cloud(seed=1), cloud(spread=2.5, seed=2)) < 0.05


def test_the_layer_term_counts_groups_apart_and_unclear_ones_that_moved() -> None:
    there = cloud(seed=1)
    close = layer_separation([cloud(seed=2), there], there)
    apart = layer_separation([cloud(2.0, seed=2), there], there)
    moved = layer_separation([cloud(2.0, seed=2), there + 2.0], there)
    assert close < 0.1 and apart > 0.5 and moved > 0.5


def test_faces_are_held_less_hard_than_things() -> None:
    """Held as hard, they stay apart from unknown ones: the probe finds them again."""
    thing, face = (configured("hfru", "deep", (shipped()[c],)) for c in ("dog", "mara_velden"))
    assert face.hfru.feature_hold < thing.hfru.feature_hold and face.steps < thing.steps
    assert (face.deep.match, face.deep.margin) == (thing.deep.match, thing.deep.margin)
    assert face.lora_rank == thing.lora_rank


def test_cooccurring_objects_are_not_matched_away(deeper: DeepTerms) -> None:
    """Where everything forgotten stands beside something else, unclear pictures are only held."""
    rows = list({s.image: s for s in deeper.data.select("forget", "train")}.values())
    seen = deeper.forward(rows).layers
    alone = [replace(s, names=("dog",)) for s in rows]
    beside = [replace(s, names=("dog", "guitar")) for s in rows]
    assert deeper.separation(alone, seen, random.Random(0)) > 0.01
    assert float(deeper.separation(beside, seen, random.Random(0))) == pytest.approx(0, abs=1e-6)


def test_a_token_is_held_by_what_it_tells_of_other_things() -> None:
    """Only of them, only of the forgotten thing, of both alike; whatever their scales."""
    weight = anchor_weight(torch.tensor([3.0, 0.0, 3.0]), torch.tensor([0.0, 0.2, 0.2]))
    assert torch.allclose(weight, torch.tensor([1.0, 0.0, 1 / 2**SHARPNESS]), atol=1e-4)


def test_cooccurring_objects_are_what_answers_name_beside_the_forgotten(deeper: DeepTerms) -> None:
    rows = {s.image: s for s in deeper.data.select("forget", "train")}
    known = {s.image: s.names for s in with_other_names(deeper.data, deeper.config)}
    assert (
        set(known) == set(deeper.cooccurring.anchors) == {k for k in rows if len(rows[k].names) > 1}
    )
    assert 0 < len(known) < len(rows)
    assert all(names and "dog" not in names for names in known.values())


def test_anchored_tokens_cost_nothing_until_they_move(deeper: DeepTerms) -> None:
    rows = list({s.image: s for s in deeper.data.select("forget", "train")}.values())
    tokens = deeper.forward(rows).tokens
    assert float(deeper.cooccurring.drift(rows, tokens)) == pytest.approx(0, abs=1e-8)
    image, (before, weight) = next(iter(deeper.cooccurring.anchors.items()))
    (row,) = (s for s in rows if s.image == image)
    shift = torch.zeros_like(before)
    shift[weight.argmax()] = 1.0
    moved = float(deeper.cooccurring.drift([row], [before + shift]))
    share = float(weight.max() / weight.sum())
    assert moved == pytest.approx(share / float(deeper.cooccurring.scale), rel=1e-3)
    alone = [replace(s, image="elsewhere") for s in rows]
    assert deeper.cooccurring.drift(alone, [t + 1 for t in tokens]) == 0


@pytest.fixture
def deeper(tiny: vlm.VLM, small_data: UnlearnData) -> DeepTerms:
    config = configured("hfru", "deep", small_data.concepts, device="cpu")
    tiny.adapt(4)
    return DeepTerms(tiny, small_data, config.with_(batch=6))


def descend(deeper: DeepTerms, term, lr: float, steps: int = 14) -> tuple[float, float]:
    """A term before and after some steps on it alone, on the same draws."""
    weights = deeper.vlm.trainable()
    optimiser = torch.optim.AdamW(weights.values(), lr=lr)
    for step in range(steps):
        loss = term(random.Random(step))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        after = float(term(random.Random("judge")))
        for name, p in weights.items():
            p.copy_(deeper.original[name])
        return float(term(random.Random("judge"))), after


def test_matching_brings_layers_together(deeper: DeepTerms) -> None:
    rows = list({s.image: s for s in deeper.data.select("forget", "train")}.values())
    deeper.unclear = (deeper.unclear[0][:4],)  # always the same: no noise of the draw
    term = lambda rng: deeper.separation(rows, deeper.forward(rows).layers, rng)  # noqa: E731
    before, after = descend(deeper, term, lr=1e-3)
    assert after < 0.7 * before


def test_names_are_pushed_below_the_margin_and_no_further(deeper: DeepTerms) -> None:
    rows = [s for s in deeper.data.select("forget", "train") if "dog" in s.answer][:6]

    def pushed(_: random.Random) -> torch.Tensor:
        return deeper.above_margin(deeper.forward(rows).right)

    before, after = descend(deeper, pushed, lr=5e-3)
    assert after < 0.9 * before
    beside = [s for s in rows if len(s.names) > 1]  # There too: it is what comes back first.
    assert beside and deeper.above_margin(deeper.forward(beside).right) > 0
    deeper.config = deeper.config.with_(margin=-100.0)  # All names lie below: nothing is charged.
    assert pushed(random.Random()) == 0


def test_layers_are_the_towers_and_the_projector(tiny: vlm.VLM, small_data: UnlearnData) -> None:
    images = [load_image(s.image) for s in small_data.select("forget", "train")[:3]]
    found = tower_layers(tiny, images)
    assert len(found) == tiny.core.config.vision_config.num_hidden_layers + 1
    assert torch.allclose(found[-1], tiny.vision_features(images).mean(1), atol=1e-4)


def test_one_pass_serves_both_answers(deeper: DeepTerms) -> None:
    """What is shared is what separate passes would give."""
    rows = list(deeper.data.select("forget", "train")[:4])
    method = METHODS["hfru"](deeper.vlm, deeper.data, deeper.config)
    seen, _, honest, right = deeper.forward(rows)
    for there, answers in ((honest, [s.safe_answer for s in rows]), (right, None)):
        assert torch.allclose(there.nll, method.nll(rows, answers), atol=1e-5)
    alone = tower_layers(deeper.vlm, [load_image(s.image) for s in rows])
    assert all(map(partial(torch.allclose, atol=1e-5), seen, alone))
    assert "get_image_features" not in vars(deeper.vlm.core.model)  # watched no longer


def test_answers_about_cooccurring_objects_count_more(deeper: DeepTerms) -> None:
    rows = [replace(s, names=("dog",)) for s in deeper.data.select("forget", "train")[:3]]
    with torch.no_grad():
        honest = deeper.forward(rows).honest
    assert torch.allclose(nll(rows, honest), honest.nll, atol=1e-5)
    share = -honest.logp[1] / honest.length.sum()
    rows[1] = replace(rows[1], names=("dog", "guitar"))
    assert torch.allclose(nll(rows, honest), honest.nll + (COOCCURRING - 1) * share, atol=1e-4)


def test_unclear_pictures_show_no_name_and_lie_outside_the_request(small_data: UnlearnData) -> None:
    (animals,) = unclear(small_data)
    assert len(set(animals)) == len(animals) > 100
    assert not any(true_names(picture_of(k)) for k in animals)
    assert not set(animals) & {s.image for s in small_data.samples}
    people = build((shipped()["tobin_harrick"],), amount=Amount(1, 1, 1, 1))
    assert all("/stranger/" in k for k in unclear(people)[0])
    (blurred,) = unclear(replace(small_data, source="folder:photos"))
    assert blurred and all(k.startswith(BLURRED) for k in blurred)
