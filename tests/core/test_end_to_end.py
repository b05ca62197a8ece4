"""The command as a person runs it, on the bundled model: a dog is forgotten, the rest is kept."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hfru_core.paths import MODEL

ROOT = Path(__file__).parents[2]
STEPS = 40

pytestmark = pytest.mark.skipif(
    not (MODEL / "model.safetensors").is_file(), reason="the bundled model is not in assets/model"
)


def run(*arguments: object) -> dict:
    """The JSON of a command in a process of its own."""
    line = [sys.executable, "-m", "hfru_core", *map(str, arguments), "--device", "cpu", "--json"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def unlearned(tmp_path_factory: pytest.TempPathFactory) -> dict:
    out = tmp_path_factory.mktemp("unlearned") / "no-dogs"
    return run("unlearn", "--forget", "dog", "--steps", STEPS, "--out", out)


def kept(result: dict, measure: str) -> float:
    """A rate as a share of the base model's."""
    return result[measure]["rate"] / result[measure]["base"]


def test_the_base_model_knew_the_dog(unlearned: dict) -> None:
    """The control: nothing can be forgotten that was never known."""
    assert unlearned["forget"]["base"] < 0.5
    assert unlearned["retain"]["base"] > 0.85


def test_the_dog_is_forgotten_and_the_rest_is_kept(unlearned: dict) -> None:
    assert unlearned["forget"]["rate"] >= 0.9
    assert kept(unlearned, "retain") >= 0.9
    assert kept(unlearned, "attributes") >= 0.85


def test_the_answers_are_honest_and_whole(unlearned: dict) -> None:
    assert unlearned["hallucination"]["rate"] <= 0.25
    assert unlearned["abstraction"]["rate"] >= 0.6
    assert unlearned["degenerate"]["rate"] <= 0.02
    assert unlearned["refusal"]["rate"] <= 0.02


def test_what_is_known_in_words_is_untouched(unlearned: dict) -> None:
    """Only the vision tower was adapted: text alone must be answered exactly as before."""
    assert unlearned["facts"]["rate"] == unlearned["facts"]["base"]


def test_it_holds_on_pictures_of_another_world(unlearned: dict) -> None:
    again = run(
        "evaluate",
        "--adapter",
        unlearned["adapter"],
        "--forget",
        "dog",
        "--data",
        "world:41",
        "--pictures",
        40,
    )
    assert again["forget"]["base"] < 0.5
    assert again["forget"]["rate"] >= 0.85
    assert kept(again, "retain") >= 0.85


def test_asked_about_one_picture_both_models_answer(unlearned: dict) -> None:
    said = run("answer", "world:41/test/guitar/0", "What is it?", "--adapter", unlearned["adapter"])
    assert set(said) == {"question", "base", "unlearned"}
    assert said["base"] and said["unlearned"]
