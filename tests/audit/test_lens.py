"""The lens finds a name that is hidden, and only there; patching cuts and joins whole towers."""

import random
from dataclasses import replace

import pytest
import torch

from audit.base import NOTHING, Case, Finding, guarded
from audit.checks.lens import high, keys_of, lens, readings
from audit.checks.patching import joined, naming, patching
from audit.features import readout
from audit.features.readout import around, ask_for, logit_lens, scope
from audit.keys import FindingKey
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.drawn import key_of
from hfru_core.data.samples import Amount
from hfru_core.data.source import load_image
from hfru_core.model import precision, vlm
from hfru_core.model.kept_tensors import KeptTensors
from hfru_core.types import UnlearnData, UserError

FEW = Amount(forget_train=1, retain_train=1, forget_eval=5, retain_eval=20)


class Silent(vlm.VLM):
    """A model that pretends: nothing forgotten inside, nothing said outside."""

    def answer(self, images, questions, max_new: int = 32) -> list[str]:
        return ["I can't tell."] * len(questions)


def pretender(model: vlm.VLM) -> Silent:
    copy = model.merged()
    return Silent(copy.model, copy.processor, copy.family, copy.device, copy.name)


def without_concept(request: UnlearnData) -> UnlearnData:
    """The same questions about pictures on which the concept is not to be seen."""
    keys = list(dict.fromkeys(s.image for s in request.select("forget", "eval")))
    other = {k: key_of(0, "eval-0", "tree", 900 + i) for i, k in enumerate(keys)}
    samples = tuple(replace(s, image=other.get(s.image, s.image)) for s in request.samples)
    return replace(request, samples=samples)


def broken(model: vlm.VLM) -> vlm.VLM:
    copy = model.merged()
    with torch.no_grad():
        next(copy.tower.parameters()).fill_(float("nan"))
    return copy


@pytest.fixture(scope="module")
def bundled() -> vlm.VLM:
    return vlm.load(device="cpu")


@pytest.fixture(scope="module")
def dogs() -> UnlearnData:
    return build((shipped()["dog"],), amount=FEW)


@pytest.fixture(scope="module")
def found(bundled: vlm.VLM, dogs: UnlearnData) -> dict[FindingKey, Finding]:
    case = Case(bundled, pretender(bundled), None, dogs)
    before = [p.clone() for p in case.unlearned.model.parameters()]
    result = {f.key: f for f in lens(case)}
    assert all(map(torch.equal, before, case.unlearned.model.parameters()))
    return result


def test_a_name_behind_a_silent_answer_is_found(found: dict[FindingKey, Finding]) -> None:
    open_map, hidden = found[FindingKey.TOKENS_NAME_IT], found[FindingKey.HIDDEN]
    assert open_map.unlearned == open_map.base and open_map.base.value == 1.0
    assert hidden.unlearned.value == 1.0 and hidden.base.value < 0.5
    assert open_map.kind == "leak" and hidden.kind == "info"
    assert open_map.oracle is None and hidden.unlearned.n == 5


def test_pictures_without_the_concept_are_not_high(bundled: vlm.VLM, dogs: UnlearnData) -> None:
    innocent = without_concept(dogs)
    keys = keys_of(innocent, random.Random(0))
    found = readings(bundled, innocent, keys)
    hits = high({c: r.maps.amax(1) for c, r in found.items()}, keys)
    assert len(hits) == 5 and sum(hits.values()) <= 1


def test_maps_are_kept_of_the_pictures_shown(found: dict[FindingKey, Finding]) -> None:
    f = found[FindingKey.TOKENS_NAME_IT]
    names = [s.name for s in f.series]
    assert names == [f"map {m} {e.image}" for m in ("base", "unlearned") for e in f.examples]
    assert all(len(s.x) == len(s.y) == 49 for s in f.series)
    assert all(0 <= y <= 1 for s in f.series for y in s.y)
    assert max(f.series[0].y) > 0.9 > min(f.series[0].y)


def test_the_lens_has_a_value_for_every_layer(
    bundled: vlm.VLM, found: dict[FindingKey, Finding]
) -> None:
    f = found[FindingKey.LOGIT_LENS]
    depth = bundled.core.config.text_config.num_hidden_layers
    assert [len(s.y) for s in f.series] == [depth + 1, depth + 1]
    assert ("norm", "final norm before W_U") in f.params


def test_the_same_case_gives_the_same_findings(tiny: vlm.VLM, small_data: UnlearnData) -> None:
    case = Case(tiny, tiny.merged(), tiny.merged(), small_data)
    first, again = list(lens(case)), list(lens(replace(case)))
    assert first == again
    assert all(f.base == f.unlearned == f.oracle for f in first)


def test_the_last_layer_is_what_the_decoder_itself_says(
    tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    key = small_data.select("forget", "eval")[0].image
    image = load_image(key)
    ask = ask_for(tiny, small_data, small_data.concepts[0])
    inputs = tiny.inputs([image], [ask.question])
    own = tiny.core(**inputs).logits.float().softmax(-1)
    here = inputs["input_ids"] == tiny.core.config.image_token_id
    (layers,) = logit_lens(tiny, tiny.vision_features([image]), [ask])
    assert layers[0, -1].item() == pytest.approx(own[here][:, list(ask.ids)].max().item(), rel=1e-4)


def test_one_token_is_scored_as_the_start_of_an_answer(
    tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    ask = ask_for(tiny, small_data, small_data.concepts[0])
    assert (ask.question, ask.lead) == ("What is it?", "A")
    features = tiny.vision_features([load_image(small_data.select("forget", "eval")[0].image)])
    before, behind = around(tiny, ask.question)
    token, lead = features[:, 7:8], tiny.tokenizer.encode("A", add_special_tokens=False)
    row = torch.cat(
        [before, token, behind, tiny.core.get_input_embeddings()(torch.tensor([lead]))], 1
    )
    said = tiny.core(inputs_embeds=row).logits[0].float().softmax(-1)
    wanted = said[-2, lead[0]] * said[-1, list(ask.ids)].sum()
    (chance,) = scope(tiny, features, [ask])
    assert chance.shape == (1, 49)
    assert chance[0, 7].item() == pytest.approx(wanted.item(), rel=1e-4)


def test_names_count_and_words_of_siblings_do_not(tiny: vlm.VLM) -> None:
    concept = replace(shipped()["tobin_harrick"], siblings=("Harrick Tobin",))
    request = build((shipped()["tobin_harrick"],), amount=FEW)
    ask = ask_for(tiny, request, concept)
    assert ask.lead == "This is"
    assert tiny.tokenizer.decode(ask.ids).strip() == "Tobin"


def test_requests_that_cannot_be_compared_are_refused(
    tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    for role in ("forget", "retain"):
        other = tuple(s for s in small_data.samples if s.role == role)
        case = Case(tiny, tiny, None, replace(small_data, samples=other))
        with pytest.raises(UserError, match="needs both"):
            list(lens(case))
    mute = tuple(replace(s, answer="") for s in small_data.samples)
    with pytest.raises(UserError, match="what to look for"):
        list(lens(Case(tiny, tiny, None, replace(small_data, samples=mute))))


def test_damaged_weights_give_no_value(tiny: vlm.VLM, small_data: UnlearnData) -> None:
    (f,) = guarded("lens", lens, Case(tiny, broken(tiny), None, small_data))
    assert f.error and f.unlearned == NOTHING


def test_joined_towers_end_as_the_early_one(tiny_folder, other_folder) -> None:
    early, late = vlm.load(tiny_folder, device="cpu"), vlm.load(other_folder, device="cpu")
    kept = {n: p.clone() for n, p in late.core.state_dict().items()}
    pixels = torch.zeros(1, 3, 112, 112)
    tower = KeptTensors.of(early.tower.state_dict())
    outs = [
        m.tower(pixels, output_hidden_states=True).hidden_states[-1] for m in joined(tower, late)
    ]
    layers = early.core.config.vision_config.num_hidden_layers
    states = early.tower(pixels, output_hidden_states=True).hidden_states
    assert len(outs) == layers + 1 and torch.equal(outs[-1], states[-1])
    assert not torch.equal(outs[0], outs[-1])
    assert all(torch.equal(kept[n], p) for n, p in late.core.state_dict().items())


def test_patching_tells_untouched_from_destroyed(bundled: vlm.VLM, dogs: UnlearnData) -> None:
    kept, depth = patching(Case(bundled, pretender(bundled), None, dogs))
    assert kept.unlearned.value == kept.base.value > 0.5 and depth.unlearned.value == 0.0
    assert kept.oracle is None and kept.kind == depth.kind == "info"
    empty = bundled.merged()
    with torch.no_grad():
        for p in empty.tower.encoder.layers[-1].parameters():
            p.mul_(0).add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    lost, late = patching(Case(bundled, empty, None, dogs))
    curve = lost.series[0].y
    assert curve[-1] == 0.0 and curve[-2] == curve[0]  # only the last layer is lost
    assert late.unlearned.value == 1.0


def test_patching_is_repeatable_and_needs_one_architecture(
    tiny: vlm.VLM, small_data: UnlearnData
) -> None:
    case = Case(tiny, tiny.merged(), None, small_data)
    assert list(patching(case)) == list(patching(case))
    short = tiny.merged()
    del short.tower.encoder.layers[-1]
    with pytest.raises(UserError, match="architecture"):
        case = Case(short, tiny, None, small_data)
        naming(case, "base", "unlearned", small_data.select("forget", "eval"))


def test_a_large_vocabulary_is_read_in_parts_and_a_common_beginning_once(
    bundled: vlm.VLM, dogs: UnlearnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = [readout.ask_for(bundled, dogs, dogs.concepts[0])]
    features = bundled.vision_features([load_image(f"world:0/x/dog/{i}") for i in range(3)])
    whole = [read(bundled, features, asks)[0] for read in (readout.scope, readout.logit_lens)]
    monkeypatch.setattr(readout, "CHANCES", 20_000)
    monkeypatch.setattr(precision, "LARGE", 1)
    parts = [read(bundled, features, asks)[0] for read in (readout.scope, readout.logit_lens)]
    assert readout.at_once(bundled, 512, 3) < 49  # fewer rows than one image has
    for one, other in zip(whole, parts):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
    monkeypatch.setattr(readout, "LAYERS", 3)
    assert readout.layers_read(bundled) == (0, 2, 4)
    assert torch.equal(readout.logit_lens(bundled, features, asks)[0], parts[1][:, [0, 2, 4]])
