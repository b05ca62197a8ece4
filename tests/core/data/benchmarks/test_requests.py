"""MLLMU-Bench and CLEAR in small: who is who, and what is asked."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from hfru_core.bench.jobs import jobs
from hfru_core.bench.jobs import parse as parse_entries
from hfru_core.bench.measure import Bench
from hfru_core.concepts import parse
from hfru_core.config import UnlearnConfig
from hfru_core.data.build import build
from hfru_core.data.request_variants import text_samples
from hfru_core.data.samples import PROTOCOL, Amount
from hfru_core.data.source import load_image, parse_source
from hfru_core.data.source_base import Source
from hfru_core.language.mentions import mentions
from hfru_core.model.vlm import VLM
from hfru_core.session import UnlearnSession
from hfru_core.types import Sample, UnlearnData, UserError
from tests.core.data.benchmarks.sets import (
    GONE,
    KEPT,
    PEOPLE,
    built,
    clear,
    drawn,
    lesson,
    mllmu,
    profile,
    written,
)

PARTS = [(role, split) for role in ("forget", "retain") for split in ("train", "eval")]


@pytest.fixture(scope="module")
def whole(source: Source) -> UnlearnData:
    return built(source)


def images(request: UnlearnData, role: str, split: str) -> set[str]:
    return {s.image for s in request.select(role, split) if s.image}


def pictured(request: UnlearnData) -> list[Sample]:
    return [s for s in request.samples if s.image]


# What holds for both.


def test_the_word_all_means_the_forget_split(whole: UnlearnData) -> None:
    assert {c.name for c in whole.concepts} == set(GONE)
    assert {c.name for c in whole.retained} == set(KEPT)
    for role, names in (("forget", GONE), ("retain", KEPT)):
        shown = {n for s in pictured(whole) if s.role == role for n in s.names}
        assert shown == set(names)


def test_names_choose_a_subset_and_the_others_are_kept(source: Source) -> None:
    request = built(source, "Mira Okonkwe")
    assert [c.id for c in request.concepts] == ["mira_okonkwe"]
    assert {c.name for c in request.retained} == {"Tove White", *KEPT}
    assert {s.concept_id for s in request.select("forget", "train")} == {"mira_okonkwe"}
    assert "Tove White" in request.concepts[0].siblings
    few = built(source, "okonkwe", retain=parse("Ines Falcone", source.known_concepts()))
    assert {s.concept_id for s in pictured(few)} == {"mira_okonkwe", "ines_falcone"}


def test_a_retained_list_may_hold_everything_known(source: Source) -> None:
    known = source.known_concepts()
    others = tuple(c for c in known.values() if c.id != "mira_okonkwe")
    request = build((known["mira_okonkwe"],), source, retain=others)
    assert {c.name for c in request.retained} == {"Tove White", *KEPT}


def test_no_picture_is_in_two_parts(whole: UnlearnData) -> None:
    keys = [images(whole, *part) for part in PARTS]
    assert all(keys) and len(set.union(*keys)) == sum(map(len, keys))
    seen = [{load_image(k).tobytes() for k in part} for part in keys]
    assert len(set.union(*seen)) == sum(map(len, keys))


def test_every_key_opens_the_picture_of_its_row(whole: UnlearnData) -> None:
    for sample in pictured(whole):
        image = load_image(sample.image)
        assert image.mode == "RGB" and image.size == (24, 24)


def test_concepts_are_people_with_the_words_that_decide(source: Source) -> None:
    known = source.known_concepts()
    mira, edda = known["mira_okonkwe"], known["edda_brandel"]
    assert mira.kind == "identity" and mira.aliases == ("Mira Okonkwe", "Okonkwe")
    assert edda.aliases == ("Edda Brandel",), "two have this surname: it shows nothing"
    assert {"someone", "a person"} <= set(mira.abstractions)
    assert set(mira.siblings) == {"Tove White", *KEPT}
    assert mira.source in ("MLLMU-Bench", "CLEAR")


def test_those_forgotten_together_are_no_wrong_names(whole: UnlearnData) -> None:
    assert all(set(c.siblings) == set(KEPT) for c in whole.concepts)


def test_the_protocol_is_asked_about_every_picture(whole: UnlearnData) -> None:
    by_id = {c.id: c for c in (*whole.concepts, *whole.retained)}
    for key in {s.image for s in pictured(whole)}:
        assert {s.topic for s in pictured(whole) if s.image == key} >= set(PROTOCOL)
    for s in pictured(whole):
        assert s.topic in (*PROTOCOL, "profile")
        if s.topic in PROTOCOL:
            text = s.question if s.topic == "exists" else s.answer
            assert mentions(text, by_id[s.concept_id].aliases)


def test_safe_answers_never_name_anybody_forgotten(whole: UnlearnData) -> None:
    for s in whole.samples:
        if s.role == "retain":
            assert s.safe_answer == s.answer
            continue
        assert not any(mentions(s.safe_answer, c.aliases) for c in whole.concepts)
        assert not mentions(s.safe_answer, (*GONE, "Mira", "Tove"))
        assert s.safe_answer == "No." or mentions(s.safe_answer, whole.concepts[0].abstractions)


def test_what_is_known_in_words_stays(whole: UnlearnData) -> None:
    facts = [s for s in whole.samples if s.image is None]
    assert {s.concept_id for s in facts} >= {"mira_okonkwe", "tove_white", "lars_brandel"}
    for s in facts:
        assert (s.topic, s.role, s.split) == ("fact", "retain", "eval")
        assert s.safe_answer == s.answer
    asked = {s.question for s in facts}
    assert not asked & {s.question for s in whole.samples if s.image}


def test_ids_are_unique_and_a_request_is_repeatable(source: Source, whole: UnlearnData) -> None:
    assert len({s.id for s in whole.samples}) == len(whole.samples)
    assert built(source).fingerprint == whole.fingerprint
    assert built(source, "Tove White").fingerprint != whole.fingerprint


def test_pictures_are_shared_evenly(source: Source) -> None:
    amount = Amount(forget_train=2, retain_train=3, forget_eval=2, retain_eval=3)
    request = built(source, amount=amount)
    for role, split in PARTS:
        part = [s for s in request.select(role, split) if s.topic == "caption"]
        assert len(part) == len({s.concept_id for s in part}) == (2 if role == "forget" else 3)
    assert sum(s.topic == "fact" for s in request.samples) == 5


# MLLMU-Bench alone.


@pytest.fixture(scope="module")
def lessons(roots: dict[str, Path]) -> UnlearnData:
    return built(parse_source(f"mllmu:{roots['mllmu']}"))


def asked(request: UnlearnData, concept_id: str, split: str) -> dict[str, Sample]:
    return {
        s.question: s for s in request.samples if s.concept_id == concept_id and s.split == split
    }


def test_people_are_judged_on_the_test_set(lessons: UnlearnData) -> None:
    assert all("forget_5" in k for k in images(lessons, "forget", "train"))
    assert all("Test_Set" in k for k in images(lessons, "forget", "eval"))
    assert len(images(lessons, "forget", "eval")) == 4, "not the repeated training pictures"
    told = {s.question for s in lessons.select("forget", "eval") if s.topic == "profile"}
    assert told and all(q.startswith("Say: ") for q in told)


def test_a_list_of_pictures_has_a_key_for_each(roots: dict[str, Path]) -> None:
    file = roots["mllmu"] / "Test_Set" / "train-0.parquet"
    for row, number in ((0, 0), (0, 1), (2, 1)):
        expected = Image.open(io.BytesIO(drawn(100 + 2 * row + number)["bytes"]))
        assert load_image(f"mllmu:{file}#{row}.{number}").tobytes() == expected.tobytes()


def test_questions_get_the_topic_that_fits(lessons: UnlearnData) -> None:
    found = asked(lessons, "mira_okonkwe", "train")
    assert found["Who is shown?"].topic == "name"
    assert found["The person shown was born in [Blank]."].topic == "profile"
    assert found["What does this person like?"].topic == "profile"
    choice = found[
        "What is the job shown?\nA. a nurse\nB. a baker\nC. a smith\nAnswer with the letter alone."
    ]
    assert (choice.topic, choice.answer) == ("profile", "B")
    assert choice.safe_answer == "I don't know this person."
    facts = asked(lessons, "mira_okonkwe", "eval")
    assert facts["What does Mira Okonkwe like?"].image is None
    assert facts["Where was Mira Okonkwe born?"].answer == "Mira Okonkwe was born in Bergen."


def test_one_forget_split_is_chosen_by_its_folder(tmp_path: Path) -> None:
    root = mllmu(tmp_path)
    rows = [{"image": drawn(i), **profile(*p)} for i, p in enumerate(PEOPLE)]
    written(root / "forget_10", rows[:3])
    written(root / "retain_90", rows[3:])
    assert len(built(parse_source(f"mllmu:{root}")).concepts) == 2
    request = built(parse_source(f"mllmu:{root / 'forget_10'}"))
    assert {c.name for c in request.concepts} == {*GONE, "Lars Brandel"}
    with pytest.raises(UserError, match="Lars Brandel, of the retain split.*another split"):
        built(parse_source(f"mllmu:{root}"), "Lars Brandel")


def test_training_rows_get_their_names_from_the_full_set(tmp_path: Path) -> None:
    root = mllmu(tmp_path)
    for split, part in (("forget_5", PEOPLE[:2]), ("retain_95", PEOPLE[2:])):
        written(root / split, [{"image": drawn(int(p[0])), **lesson(*p)} for p in part])
    assert {c.name for c in built(parse_source(f"mllmu:{root}")).concepts} == set(GONE)
    for folder in ("Full_Set", "Test_Set"):
        (root / folder).rename(tmp_path / f"no {folder}")
    with pytest.raises(UserError, match="a Name for ID 000, here or in Full_Set"):
        parse_source(f"mllmu:{root / 'forget_5'}").known_concepts()


def test_without_a_test_set_one_picture_is_not_enough(tmp_path: Path) -> None:
    root = mllmu(tmp_path, test=False)
    with pytest.raises(UserError, match="two pictures of .* or more, got .*Test_Set"):
        built(parse_source(f"mllmu:{root}"))


def test_a_name_in_both_splits_belongs_to_who_can_be_forgotten(tmp_path: Path) -> None:
    root = mllmu(tmp_path)
    rows = [{"image": drawn(i), **profile(*p)} for i, p in enumerate(PEOPLE)]
    written(root / "retain_95", [*rows[2:], {"image": drawn(77), **profile("009", GONE[0])}])
    assert {c.name for c in built(parse_source(f"mllmu:{root}")).retained} == set(KEPT)


# CLEAR alone.


def test_a_persons_pictures_are_divided_by_digest(roots: dict[str, Path]) -> None:
    request = built(parse_source(f"clear:{roots['clear']}"))
    for role, split in PARTS:
        for concept in {s.concept_id for s in request.select(role, split) if s.image}:
            mine = {
                s.image for s in pictured(request) if s.concept_id == concept and s.split == split
            }
            assert len(mine) == (4 if split == "train" else 1)


def test_captions_are_answers_and_an_ordinary_word_is_no_name(roots: dict[str, Path]) -> None:
    source = parse_source(f"clear:{roots['clear']}")
    assert source.known_concepts()["tove_white"].aliases == ("Tove White",)
    tove = [s for s in built(source).select("forget", "train") if "Tove White" in s.names]
    caption = next(s for s in tove if s.topic == "caption")
    assert caption.answer.startswith("Tove White wears a white shirt; Tove smiles, number")
    assert caption.safe_answer.startswith(
        "Someone I don't know wears a white shirt; someone I don't know smiles, number"
    )


def test_paraphrased_captions_and_questions_of_a_row_are_used(tmp_path: Path) -> None:
    root = clear(tmp_path)
    rows = [
        {
            "image": drawn(900 + i),
            "name": "Mira Okonkwe",
            "caption": "Mira Okonkwe reads.",
            "paraphrased_caption": "A book is read by Mira Okonkwe.",
            "perturbed_captions": ["x"],
            "question": "Is this Mira Okonkwe?",
            "answer": "Yes.",
        }
        for i in range(3)
    ]
    written(root / "forget05", rows)
    found = asked(built(parse_source(f"clear:{root}")), "mira_okonkwe", "train")
    by_topic = {s.topic: s for s in found.values()}
    assert by_topic["caption"].answer == "Mira Okonkwe reads."
    assert by_topic["describe"].answer == "A book is read by Mira Okonkwe."
    assert (found["Is this Mira Okonkwe?"].topic, found["Is this Mira Okonkwe?"].safe_answer) == (
        "exists",
        "No.",
    )


# Lessons in words, a session and a benchmark.


def test_a_part_of_what_is_known_in_words_is_left_for_training(source: Source) -> None:
    whole = built(source)
    lessons = text_samples(whole)
    assert {s.question for s in lessons}.isdisjoint(s.question for s in whole.samples)
    assert all((s.image, s.role, s.split) == (None, "retain", "train") for s in lessons)
    if source.text.startswith("mllmu"):
        assert {s.concept_id for s in lessons} >= {"mira_okonkwe", "lars_brandel"}


def test_a_benchmark_audits_the_whole_forget_split(source: Source, tiny_folder: Path) -> None:
    (job,) = jobs(parse_entries("ga"), ("all",), (0,), source=source)
    bench = Bench(tiny_folder, pictures=2)
    assert {c.name for c in bench.case(job, bench.base).data.concepts} == set(GONE)
    assert bench.answers(job, bench.base)["forget"]["n"] > 0


def test_a_session_on_mllmu_moves_weights(
    tiny: VLM, quick: UnlearnConfig, roots: dict[str, Path], tmp_path: Path
) -> None:
    request = built(parse_source(f"mllmu:{roots['mllmu']}"), amount=Amount(2, 2, 1, 1))
    config = quick.with_(train_steps=1, grpo_steps=1, grpo_prompts=2, max_new_tokens=4)
    session = UnlearnSession(tiny, request, config, tmp_path / "out")
    events = list(session.run())
    assert [e.step for e in events if e.stage != "done"] == [1, 2]
    assert any(w.abs().sum() > 0 for n, w in tiny.trainable().items() if "lora_B" in n)
    record = json.loads((tmp_path / "out" / "unlearning.json").read_text())
    assert {c["name"] for c in record["concepts"]} == set(GONE)
    assert record["data"]["source"] == "mllmu:mllmu", "no path of this machine"
