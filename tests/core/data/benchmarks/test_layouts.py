"""UMU-Bench is read as a whole, and every layout of the field is told by its columns."""

import json
import re
from pathlib import Path

import pytest

from hfru_core.data.benchmark_people import people
from hfru_core.data.source import load_image, parse_source
from hfru_core.types import UserError
from tests.core.data.benchmarks.sets import GONE, KEPT, built, clear, literals, mllmu, umu, written


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return umu(tmp_path_factory.mktemp("benchmarks") / "umu")


def test_every_record_of_umu_bench_is_read(root: Path) -> None:
    found = people("umu", root)
    assert {p.name for p in found.values() if p.can_go} == set(GONE)
    assert {p.name for p in found.values() if not p.can_go} == set(KEPT)
    for person in found.values():
        assert len(person.train) == len(person.eval) == 1
        for view in (*person.train, *person.eval):
            assert [a.pictured for a in view.asked] == [True] * 3
            assert load_image(view.key).size == (24, 24)
        assert len(person.facts) == 4 and all(person.name in a.question for a in person.facts)


def test_umu_bench_becomes_a_request(root: Path) -> None:
    request = built(parse_source(f"umu:{root}"), forget=GONE[0])
    assert [c.name for c in request.concepts] == [GONE[0]]
    assert {s.topic for s in request.samples} >= {"profile", "name", "fact"}


BROKEN = {
    "no literal": ({"MM_QA": "{'question': {"}, "a Python literal in MM_QA"),
    "no answers": ({"Cloze": "{'question': {'0': 'Who?'}}"}, "'question' and 'answer' in Cloze"),
    "an answer fewer": (
        {"MM_QA": "{'question': {'0': 'Who?'}, 'answer': {}}"},
        "an answer to question 0 in MM_QA",
    ),
    "code": ({"MM_QA": "{'question': __import__('os').getcwd()}"}, "a Python literal in MM_QA"),
    "nameless": ({"Biography": "{'Job': 'baker'}"}, "name in Biography"),
    "no picture": ({"image": "{'path': 'a.png'}"}, "a picture's bytes in image"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_umu_bench_is_refused(name: str, tmp_path: Path) -> None:
    changes, message = BROKEN[name]
    root = umu(tmp_path)
    written(root / "forget_5", [{**literals("000", GONE[0], 0), **changes}])
    with pytest.raises(UserError, match=rf"train-0.parquet#0': expected .*{message}"):
        parse_source(f"umu:{root}").known_concepts()


RECORDS = {  # of benchmarks in JSON, by what a message calls them
    "FIUBench": {"unique_id": "1", "image_path": "a.png", "qa_list": []},
    "SafeEraser": {"image_path": "a.png", "category": "x", "unsafe_pairs": []},
    "UnLOK-VQA": {"id": 1, "src": "?", "pred": "a", "loc": "?", "loc_ans": "b", "image_id": 2},
    "OFFSIDE": {"messages": [], "images": []},
}
COLUMNS = {  # of splits of CLEAR
    "a perturbed split of CLEAR": {"image": None, "caption": "a", "perturbed_captions": ["b"]},
    "real_faces or real_world of CLEAR": {"question": "?", "answer": "a", "options": ["a", "b"]},
}


def test_a_wrong_prefix_names_the_right_one(tmp_path: Path, root: Path) -> None:
    others = {"mllmu": mllmu(tmp_path / "m"), "clear": clear(tmp_path / "c"), "umu": root}
    for kind in others:
        for right, folder in others.items():
            if kind != right:
                with pytest.raises(UserError, match=rf"give it as {right}:DIR"):
                    parse_source(f"{kind}:{folder}").known_concepts()


@pytest.mark.parametrize("title", [*RECORDS, *COLUMNS])
def test_a_benchmark_that_is_not_read_is_named(title: str, tmp_path: Path) -> None:
    if title in RECORDS:
        (tmp_path / "full.json").write_text(json.dumps([RECORDS[title]]), encoding="utf-8")
    else:
        written(tmp_path / "forget05_perturbed", [COLUMNS[title]])
    with pytest.raises(UserError, match=f"looks like {re.escape(title)}"):
        parse_source(f"clear:{tmp_path}").known_concepts()
