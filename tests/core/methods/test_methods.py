"""Every method of the field on the tiny model: what moves, what stays, and what is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hfru_core.concepts import shipped
from hfru_core.config import UnlearnConfig
from hfru_core.data.request_variants import anonymised, polite, single, text_samples
from hfru_core.data.source import load_image
from hfru_core.methods import METHODS, configured
from hfru_core.methods.base import kl
from hfru_core.methods.eul import merge, merged
from hfru_core.methods.rmuse import angle, barycentre, length
from hfru_core.model import vlm
from hfru_core.session import UnlearnSession
from hfru_core.types import UnlearnData, UserError

# The parts that a method moves by itself: (tower, projector, decoder).
TOWER, SEEN, WORDS, ALL = (1, 0, 0), (1, 1, 0), (0, 0, 1), (1, 1, 1)
MOVES = {
    "hfru": TOWER, "pubg": WORDS, "mmunlearner": SEEN, "ga": WORDS, "graddiff": WORDS,
    "klmin": WORDS, "npo": WORDS, "simnpo": WORDS, "idknll": WORDS, "idkpo": WORDS,
    "idkap": WORDS, "me": WORDS, "evasive": WORDS, "rmu": WORDS, "undial": WORDS, "siu": ALL,
    "ga-pd": WORDS, "graddiff-pd": WORDS, "kl-pd": WORDS, "idk-pd": WORDS, "icu": WORDS,
    "eul": WORDS, "ssiuu": WORDS, "su": WORDS, "salun": TOWER, "nspu": TOWER,
}  # fmt: skip
UNTRAINED = ("manu", "leace", "rmuse")
PARTS = ("vision_tower", "multi_modal_projector", "language_model")


def quick(name: str, request: UnlearnData, **changes: object) -> UnlearnConfig:
    config = configured(name, "default", request.concepts, device="cpu")
    return config.with_(
        train_steps=2,
        batch=3,
        retain_batch=3,
        grpo_steps=0,
        lora_rank=2,
        max_new_tokens=4,
        **changes,
    )


def at_work(name: str, model: vlm.VLM, request: UnlearnData, **changes: object):
    """A method before its first step."""
    config = quick(name, request, **changes)
    model.adapt(2, config.scope)
    method = METHODS[name](model, request, config)
    method.prepare()
    return method


def test_every_method_has_its_row() -> None:
    assert {*MOVES, *UNTRAINED} == set(METHODS)
    assert all(m.label and m.source and m.variant for m in METHODS.values())
    assert all(set(m.published) <= set(m.constants) for m in METHODS.values())
    assert METHODS["rmu"].described().endswith("; not published: steer 4")
    assert "not published" not in METHODS["npo"].described()


@pytest.mark.parametrize("name", MOVES)
def test_a_session_moves_what_its_paper_moves(
    name: str, tiny: vlm.VLM, small_data: UnlearnData, tmp_path: Path
) -> None:
    before = {n: p.clone() for n, p in tiny.core.named_parameters()}
    # A random model knows no answer, and ICU moves nothing for what is not known.
    settings = (("known", -1.0),) if name == "icu" else ()
    config = quick(name, small_data, settings=settings)
    session = UnlearnSession(tiny, small_data, config, tmp_path / "out")
    events = list(session.run())
    moved = [n for n, p in session.weights.items() if "lora_B" in n and p.abs().sum() > 0]
    assert tuple(any(part in n for n in moved) for part in PARTS) == tuple(map(bool, MOVES[name]))
    after = {n.replace(".base_layer", ""): p for n, p in tiny.core.named_parameters()}
    assert all(torch.equal(after[n], p) for n, p in before.items())
    assert events[-1].stage == "done" and (tmp_path / "out" / "unlearning.json").is_file()


@pytest.mark.parametrize("name", UNTRAINED)
def test_an_edit_changes_answers_without_training(
    name: str, tiny: vlm.VLM, small_data: UnlearnData, tmp_path: Path
) -> None:
    config = configured(name, "default", small_data.concepts)
    row = small_data.select("forget", "train")[0]
    images, asked = [load_image(row.image)] * 2, ["What is it?", row.question]
    plain = vlm.load(Path(tiny.core.name_or_path), device="cpu")
    edited = METHODS[name](tiny, small_data, config).edit()
    assert len(edited.answer(images, asked)) == 2
    if name == "rmuse":  # The weights stay: whoever holds them has the model as it was.
        assert all(map(torch.equal, edited.merged().model.parameters(), plain.model.parameters()))
    else:
        pairs = zip(edited.model.parameters(), plain.model.parameters())
        assert not all(torch.equal(a, b) for a, b in pairs)
    with pytest.raises(UserError, match="leaves no adapter"):
        UnlearnSession(plain, small_data, config, tmp_path / "out")


def test_ascent_makes_answers_less_likely_and_refusals_more(
    tiny_folder: Path, small_data: UnlearnData
) -> None:
    for name, sign in (("ga", 1), ("idknll", -1)):
        method = at_work(name, vlm.load(tiny_folder, device="cpu"), small_data)
        rows = method.forget(random.Random(0))
        answers = None if name == "ga" else ["I don't know."] * len(rows)
        optimiser = torch.optim.AdamW(method.vlm.trainable().values(), lr=5e-3)
        first = float(method.nll(rows, answers))
        for number in range(8):
            optimiser.zero_grad()
            method.backward(number, random.Random(number))
            optimiser.step()
        assert sign * (float(method.nll(rows, answers)) - first) > 0.05


def test_masks_keep_what_they_should(tiny: vlm.VLM, small_data: UnlearnData) -> None:
    method = at_work("salun", tiny, small_data)
    method.backward(0, random.Random(0))
    chosen = torch.cat([m.flatten() for m in method.mask.values()])
    assert 0.4 < chosen.float().mean() < 0.6
    for name, mask in method.mask.items():
        assert not tiny.trainable()[name].grad[~mask].any()


def test_ssiuu_charges_for_what_moved_since_the_step_before(
    tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    """Neurons that hide are charged whenever they grew, not only those of the start model."""
    method = at_work("ssiuu", tiny, small_data, settings=(("lambda", 1e3),))

    def charge() -> float:
        rng = random.Random(0)
        plain = -method.nll(method.forget(rng)) + method.nll(method.retain(rng))
        return float(method.loss(random.Random(0)) - plain)

    assert charge() == pytest.approx(0, abs=1e-3), "nothing moved yet"
    for _ in range(2):
        with torch.no_grad():
            for p in tiny.trainable().values():
                p += 0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1))
        assert charge() > 0.1
        assert charge() == pytest.approx(0, abs=1e-3), "it stayed since"


def test_ssiuu_goes_on_from_a_checkpoint_with_the_step_before(
    tiny_folder: Path, small_data: UnlearnData, tmp_path: Path
) -> None:
    config = quick("ssiuu", small_data, settings=(("lambda", 10.0),), checkpoint_every=1)

    def begun(name: str) -> UnlearnSession:
        model = vlm.load(tiny_folder, device="cpu")
        return UnlearnSession(model, small_data, config.with_(train_steps=3), tmp_path / name)

    whole, cut = begun("whole"), begun("cut").run()
    list(whole.run())
    next(cut), next(cut)
    cut.close()
    again = begun("cut")
    list(again.run())
    assert again.progress.history[2]["loss"] == whole.progress.history[2]["loss"]
    assert all(torch.equal(again.weights[n], p) for n, p in whole.weights.items())


def test_the_start_model_is_the_reference(tiny: vlm.VLM, small_data: UnlearnData) -> None:
    method = at_work("klmin", tiny, small_data)
    rows = method.retain(random.Random(0))
    assert float(method.kl(rows)) == pytest.approx(0, abs=1e-6)
    for p in tiny.trainable().values():
        p.data.normal_(0, 0.2)
    assert float(kl(method.reference_logits(rows), method.logits_of(rows))) > 1e-3


def test_merged_updates_act_as_each_did_on_its_own_inputs() -> None:
    generator = torch.Generator().manual_seed(0)
    wide = torch.randn(2, 40, 8, generator=generator)
    wide[0, :, 4:], wide[1, :, :4] = 0, 0  # inputs that do not overlap: nothing to trade off
    updates = torch.randn(2, 5, 8, generator=generator)
    both = merged(list(updates), [x.T @ x for x in wide])
    for x, w in zip(wide, updates):
        assert torch.allclose(x @ both.T, x @ w.T, atol=1e-4)


def test_removals_merge_into_one_adapter() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(2, 40, 8)
    inputs[0, :, 4:], inputs[1, :, :4] = 0, 0
    removals = [{"layer": (torch.randn(2, 8), torch.randn(5, 2))} for _ in inputs]
    a, b = merge(removals, [{"layer": x.T @ x} for x in inputs])["layer"]
    assert (a.shape, b.shape) == ((4, 8), (5, 4)), "ranks add up"
    for x, part in zip(inputs, removals):
        alone = part["layer"][1] @ part["layer"][0]
        assert torch.allclose(x @ (b @ a).T, x @ alone.T, atol=1e-4)


def test_grams_are_of_what_a_layer_is_given(tiny: vlm.VLM, small_data: UnlearnData) -> None:
    method = at_work("eul", tiny, small_data)
    name = next(n for n, _ in tiny.core.named_modules() if n.endswith("layers.0.mlp.down_proj"))
    gram = method.grams([name])[name]
    assert len(gram) == tiny.core.get_submodule(name).in_features and gram.trace() > 0
    assert torch.allclose(gram, gram.T) and torch.linalg.eigvalsh(gram)[0] > -1e-3 * gram.trace()
    assert torch.equal(method.grams([name])[name], gram), "and no hook is left"


def test_steering_leaves_retained_states_and_turns_others_no_further_than_the_target(
    tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    config = configured("rmuse", "default", small_data.concepts)
    steered = METHODS["rmuse"](tiny, small_data, config).edit()
    torch.manual_seed(0)
    retained = steered.centre + torch.randn(5, len(steered.kept)) @ steered.kept
    assert torch.equal(steered.steer(None, (), retained), retained)
    states = torch.randn(50, len(steered.centre))
    out = steered.steer(None, (), states)
    moved = steered.outside(states).squeeze(-1)
    assert moved.any() and torch.equal(out[~moved], states[~moved])
    assert torch.allclose(length(out), length(states), rtol=1e-4)
    units = states[moved] / length(states[moved])
    turned = angle(units, out[moved] / length(out[moved]))
    assert turned.min() > 0.01 and (turned <= 0.6 * angle(units, steered.target) + 1e-3).all()


def test_a_barycentre_lies_between_directions() -> None:
    units = torch.eye(3)[:2]
    assert torch.allclose(barycentre(units), torch.tensor([0.5, 0.5, 0.0]).sqrt(), atol=1e-4)
    skewed = torch.nn.functional.normalize(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0]]))
    assert float(angle(barycentre(skewed), skewed[1])) == pytest.approx(torch.pi / 6, abs=1e-3)


def test_variants_change_forget_lessons_alone(small_data: UnlearnData) -> None:
    for change in (anonymised, polite, single):
        now = change(small_data)
        for role, split in (("retain", "train"), ("retain", "eval"), ("forget", "eval")):
            assert now.select(role, split) == small_data.select(role, split)
        assert now.select("forget", "train") != small_data.select("forget", "train")
    assert len({s.image for s in single(small_data).select("forget", "train")}) == 1
    blurred = anonymised(small_data).select("forget", "train")[0]
    sharp = small_data.select("forget", "train")[0]
    assert load_image(blurred.image) != load_image(sharp.image)
    facts = {s.question for s in small_data.samples if s.image is None}
    assert text_samples(small_data) and not facts & {s.question for s in text_samples(small_data)}


def test_what_cannot_run_is_refused_by_name(tiny: vlm.VLM, small_data: UnlearnData) -> None:
    dog = (shipped()["dog"],)
    with pytest.raises(UserError, match="Unknown method 'magic'"):
        configured("magic", "default", dog)
    with pytest.raises(UserError, match="R-MUSE does not run with scope 'encoder'"):
        configured("rmuse", "default", dog, scope="encoder")
    with pytest.raises(UserError, match="Only hfru has presets"):
        configured("npo", "paper", dog)
    with pytest.raises(UserError, match="NPO has no setting gamma"):
        at_work("npo", tiny, small_data, settings=(("gamma", 1.0),))


def test_methods_name_the_data_they_miss(tiny_folder: Path, small_data: UnlearnData) -> None:
    load = lambda: vlm.load(tiny_folder, device="cpu")  # noqa: E731
    bare = replace(small_data, source="folder:/home/ada/photos")
    at_work("mmunlearner", load(), bare)  # No text passes through a tower: none is needed.
    with pytest.raises(UserError, match="needs text-only questions .* 'folder:photos' has none"):
        at_work("mmunlearner", load(), bare, scope="all")
    blank = at_work("npo", load(), anonymised(small_data))
    with pytest.raises(UserError, match="an anonymised request has none"):
        blank.loss(random.Random(0))
    orphans = tuple(replace(c, siblings=()) for c in small_data.concepts)
    with pytest.raises(UserError, match="has no siblings that could be named instead"):
        at_work("salun", load(), replace(small_data, concepts=orphans)).loss(random.Random(0))
    alone = tuple(s for s in small_data.samples if s.role == "forget")
    with pytest.raises(UserError, match="needs harmless pictures"):
        at_work("ga-pd", load(), replace(small_data, samples=alone))


def test_harmless_pictures_are_asked_in_the_words_of_the_request(
    tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    kinds = {c.id: c.kind for c in small_data.retained}
    asked = {s.question for s in polite(small_data).select("forget", "train")}
    method = at_work("kl-pd", tiny, polite(small_data))
    things = [s for s in method.harmless if kinds[s.concept_id] == "object"]
    assert {s.topic for s in things} == {"describe", "caption", "name", "exists"}
    assert all(s.question in asked for s in things)
    people = [s for s in method.harmless if kinds[s.concept_id] == "identity"]
    assert not any(s.question in asked for s in people if s.topic != "exists"), "what fits a dog"


def test_adapting_the_decoder_keeps_what_text_needs(
    tiny_folder: Path, small_data: UnlearnData
) -> None:
    seen, told = (
        at_work("mmunlearner", vlm.load(tiny_folder, device="cpu"), small_data, scope=scope).mask
        for scope in ("encoder+projector", "all")
    )
    assert all(m.all() for n, m in seen.items() if "lora_A" in n), "no gradient yet: left free"
    held = [m.float().mean() for n, m in told.items() if "language_model" in n and "lora_B" in n]
    assert 0 < sum(held) / len(held) < 1
