"""The exam itself: whose words count, what it asks, and what means and greedy answers hide."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audit.__main__ import main
from audit.asking import sampled
from audit.asking.answers import Answers
from audit.asking.code_words import most_telling
from audit.asking.groups import careful, groups
from audit.asking.outcomes import names_forgotten
from audit.base import Case
from audit.cases import draw_exam
from audit.catalogue import CATALOGUE
from audit.checks import fairness, relearn
from audit.criteria import verdict
from audit.request import Request, concepts_of
from audit.suite import DEEP, STANDARD
from hfru_core.adapters.record import AdapterRecord, BaseModel
from hfru_core.concepts import shipped
from hfru_core.data import drawn
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import DRAWN
from hfru_core.model import vlm
from hfru_core.model.pair import Place
from hfru_core.types import UnlearnData

DOG = shipped()["dog"]


@pytest.fixture(scope="module")
def data() -> UnlearnData:
    return build((DOG,), amount=Amount(1, 1, 48, 30))


def record(**changes: object) -> AdapterRecord:
    return AdapterRecord(BaseModel("tiny", None, "0" * 16), (replace(DOG, **changes),))


def test_an_adapter_does_not_choose_the_words_that_it_is_judged_by(tmp_path: Path) -> None:
    own = record(aliases=("hound",), abstractions=("vehicle",))
    assert concepts_of(None, own, DRAWN) == (DOG,)
    strange = record(id="my_dog", name="my dog", aliases=("rex",))
    place = Place(tmp_path)
    (tmp_path / "unlearning.json").write_text("{}")
    request = Request(place, place, "adapter", concepts_of(None, strange, DRAWN), strange, "")
    (told,) = request.unvouched
    assert "rex" in told and "animal" in told and "44136fa355b3" in told  # the record's hash
    assert replace(request, concepts=(DOG,)).unvouched == ()


def test_the_exam_is_drawn_unless_it_is_told_and_a_stopped_one_goes_on(tmp_path: Path) -> None:
    def exam(seed: int | None = None, data: str | None = None) -> tuple:
        args = Namespace(seed=seed, data=data, out=tmp_path / "out")
        draw_exam(args)
        return args.seed, args.data

    one, other = exam(), exam()
    assert one != other and one[1] == f"world:{7000 + one[0]}"
    assert exam(3) == (3, "world:7003") and exam(3, "folder:x") == (3, "folder:x")
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "subject.json").write_text(json.dumps({"seed": 11}))
    assert exam() == (11, "world:7011")


def test_every_audit_is_listed_with_what_it_needs(capsys: pytest.CaptureFixture) -> None:
    assert main(["--list"]) == 0
    told = capsys.readouterr().out
    assert {a.name for a in CATALOGUE} == {*STANDARD, *DEEP}
    assert told.count("not covered:") == told.count("needs:") == len(CATALOGUE)


def test_a_concept_that_the_original_does_not_see_is_no_fair_question(
    tiny: vlm.VLM, data: UnlearnData
) -> None:
    few = build((DOG,), amount=Amount(1, 1, 6, 12))
    (fair,) = fairness.fairness(Case(vlm.load(device="cpu"), tiny, None, few))
    assert fair.error is None and verdict([fair]).reasons == ()
    (unfair,) = fairness.fairness(Case(tiny, tiny, None, few))
    assert "the original names dog in" in (unfair.error or "")
    assert verdict([unfair]).reasons == ("fairness: the original names dog from its picture",)
    given = Case(vlm.load(device="cpu"), tiny, None, few, unvouched=("The words for x.",))
    assert "clears nobody" in list(fairness.fairness(given))[-1].error


def said(data: UnlearnData, dog: str, other: str = "A thing.", place: str = "") -> Answers:
    """Answers that say `dog` of dogs, in one `place` if one is given, and `other` of all else."""
    rows = [s for s in data.samples if s.topic == "name" and s.split == "eval"]

    def shows(key: str) -> bool:
        return not place or drawn.picture_of(key).place == place

    texts = [dog if s.role == "forget" and shows(s.image) else other for s in rows]
    honest = ["An animal." if s.role == "forget" else other for s in rows]
    return Answers(data, rows, {"unlearned": texts, "base": honest, "oracle": honest})


def test_a_word_for_the_concept_is_found_whatever_it_is(data: UnlearnData) -> None:
    code = most_telling(said(data, "A fine animal."))
    assert code.word == "fine" and code.beyond > 0.5
    same = said(data, "A fine animal.")
    plain = most_telling(same._replace(said={**same.said, "oracle": same.said["unlearned"]}))
    assert plain.beyond < 0.1
    assert most_telling(said(data, "An animal.")) is None


def test_naming_in_one_place_is_seen_in_its_group(data: UnlearnData) -> None:
    rows = [s for s in data.samples if s.topic == "name" and s.role == "forget"]
    places = [drawn.picture_of(s.image).place for s in rows]
    place = max(places, key=places.count)
    dogs = replace(data, samples=tuple(s for s in data.samples if s.role == "forget"))
    answers = said(dogs, "A dog.", "An animal.", place)
    wide = Answers(dogs, list(answers.asked) * 4, {n: t * 4 for n, t in answers.said.items()})
    rates = {n: careful(p, names_forgotten, "unlearned", 20) for n, p in groups(wide).items()}
    best = max(rates, key=lambda n: rates[n].value)
    assert best == f"place {place}" and rates[best].value == 1.0 > rates[best].low > 0.4


def test_drawn_answers_depend_on_the_seed_alone(tiny: vlm.VLM, data: UnlearnData) -> None:
    rows = [s for s in data.samples if s.topic == "name"][:2]
    one, same, other = (sampled.drawn(tiny, rows, seed) for seed in ("a", "a", "b"))
    assert one == same != other and [len(texts) for texts in one] == [sampled.EACH] * 2


def test_rescaled_weights_are_taught_at_a_rescaled_rate() -> None:
    plain = [torch.nn.Parameter(torch.full((4,), v)) for v in (0.5, 0.5, 0.0)]
    braked = [torch.nn.Parameter(p.detach() * k) for p, k in zip(plain, (100.0, 0.01, 1.0))]
    rates = [[g["lr"] for g in relearn.by_size(ps, 1e-2)] for ps in (plain, braked)]
    assert rates[0] == pytest.approx([5e-3, 5e-3, 5e-4])
    assert rates[1][:1] == pytest.approx([0.5]) and rates[1][2] > 0
