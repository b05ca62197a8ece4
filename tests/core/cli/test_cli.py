"""The command line: its contract, and a reason instead of a traceback for every mistake."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from hfru_core import pipeline
from hfru_core.cli import main as command
from hfru_core.config import UnlearnConfig
from hfru_core.data.build import build
from hfru_core.data.source import load_image
from hfru_core.methods import hfru
from hfru_core.pretrain import train
from hfru_core.types import UserError
from tests.conftest import ROOT, SMALL

COMMANDS = tuple(c for c in command.COMMANDS if c != "app")
MEASURES = (
    "forget",
    "retain",
    "hallucination",
    "abstraction",
    "attributes",
    "refusal",
    "degenerate",
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, quick: UnlearnConfig) -> None:
    """The commands with few pictures and few steps."""
    few = lambda *a, **k: build(*a, **{**k, "amount": SMALL})  # noqa: E731
    monkeypatch.setattr(pipeline, "build", few)
    monkeypatch.setitem(hfru.PRESETS, "default", quick)


def run(*arguments: object) -> int:
    return command.main([str(a) for a in arguments])


def last_line(captured: pytest.CaptureFixture) -> dict:
    return json.loads(captured.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize("arguments", [[], *([c] for c in COMMANDS)], ids=lambda a: " ".join(a))
def test_help(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        run(*arguments, "--help")
    shown = capsys.readouterr().out
    assert end.value.code == 0 and "usage: hfru" in shown
    if not arguments:
        assert all(c in shown for c in COMMANDS) and "examples:" in shown
    else:
        assert {"--out", "--adapter", "--beside", "--concepts", "--revision"} & set(shown.split())


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["forget"],
        ["unlearn"],
        ["unlearn", "--forget", "dog"],
        ["unlearn", "--out", "x"],
        ["unlearn", "--forget", "dog", "--out", "x", "--steps", "many"],
        ["unlearn", "--forget", "dog", "--out", "x", "--scope", "hope"],
        ["answer", "x.png"],
        ["evaluate"],
    ],
    ids=lambda a: " ".join(a),
)
def test_missing_or_impossible_options_end_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as end:
        run(*arguments)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


# fmt: off
MISTAKES = {
    "unknown concept": (["unlearn", "--forget", "unicorn"], "Unknown concept 'unicorn'.*Known"),
    "no concept": (["unlearn", "--forget", ","], "No concept was given"),
    "unknown retain": (["unlearn", "--forget", "dog", "--retain", "fox"], "Unknown concept 'fox'"),
    "both": (["unlearn", "--forget", "dog", "--retain", "dog"], "forgotten and retained at once"),
    "steps": (["unlearn", "--forget", "dog", "--steps", "0"], "--steps must be at least 1, got 0"),
    "preset": (["unlearn", "--forget", "dog", "--preset", "best"], "Unknown preset 'best'"),
    "method": (["unlearn", "--forget", "dog", "--method", "prayer"], "Unknown method 'prayer'"),
    "scope": (["unlearn", "--forget", "dog", "--scope", "decoder"],
              "HFRU does not run with scope 'decoder'. Use one of: encoder, encoder.projector"),
    "source": (["unlearn", "--forget", "dog", "--data", "imagenet"], "Unknown source 'imagenet'"),
    "world seed": (["unlearn", "--forget", "dog", "--data", "world:x"], "expected world or world:"),
    "parquet": (["unlearn", "--forget", "dog", "--data", "pacs:gone"], "There is no file 'gone'"),
    "folder": (["unlearn", "--forget", "dog", "--data", "folder:gone"], "no folder 'gone'"),
    "model": (["unlearn", "--forget", "dog", "--model", "gone"], "no model folder 'gone'"),
    "no model": (["unlearn", "--forget", "dog", "--model", "."], "it has no config.json"),
    "hub": (["unlearn", "--forget", "dog", "--model", "no/such"], "could not be loaded"),
    "device": (["unlearn", "--forget", "dog", "--device", "abacus"], "Unknown device 'abacus'"),
    "evaluate": (["evaluate", "--forget", "unicorn"], "Unknown concept"),
    "pictures": (["evaluate", "--forget", "dog", "--pictures", "0"], "--pictures must be at least"),
    "adapter": (["evaluate", "--forget", "dog", "--adapter", "gone"], "no adapter folder 'gone'"),
    "image": (["answer", "gone.png", "What is it?"], "no picture at 'gone.png'"),
    "key": (["answer", "world:1", "What is it?"], "is no drawn picture"),
    "no image": (["answer", "config.txt", "What is it?"], "is not a picture"),
    "without": (["pretrain", "--without", "unicorn"], "no such class or person"),
    "data": (["pretrain", "--data", "imagenet"], "Unknown source"),
    "pretrain seed": (["pretrain", "--data", "world:x"], "expected world or world:SEED"),
    "workers": (["pretrain", "--workers", "0"], "workers must be at least 1, got 0"),
    "few": (["pretrain", "--pictures", "3"], "3 pictures do not fill a batch of 64"),
    "init": (["pretrain", "--init", "gone"], "is no model folder"),
}
# fmt: on


@pytest.fixture
def mistaken(
    request: pytest.FixtureRequest,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small: None,
) -> list[str]:
    """The arguments of a mistake, completed by what is right."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(train, "world_pool", few_pictures(train.world_pool))
    (tmp_path / "config.txt").write_text("hello")
    arguments = list(MISTAKES[request.param][0])
    if arguments[0] != "pretrain" and "--model" not in arguments:
        arguments += ["--model", str(tiny_folder)]
    return arguments + (["--out", "out"] if arguments[0] in ("unlearn", "pretrain") else [])


def few_pictures(world_pool):
    """Held-out pools are large by default: draw a handful."""
    return lambda seed, count, cache: world_pool(seed, min(count, 4), cache)


@pytest.mark.parametrize("mistaken", MISTAKES, indirect=True)
def test_a_mistake_ends_with_2_and_a_reason(
    mistaken: list[str], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture
) -> None:
    message = MISTAKES[request.node.callspec.params["mistaken"]][1]
    assert run(*mistaken) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(f"^error: .*{message}", said.err, re.M | re.S), said.err
    assert "Traceback" not in said.err
    assert not Path("out").exists() and not Path("out.part").exists()


def test_debug_shows_where_it_happened() -> None:
    for arguments in (["--debug", "unlearn"], ["unlearn", "--debug"]):
        with pytest.raises(UserError, match="Unknown concept"):
            run(*arguments, "--forget", "unicorn", "--out", "x")


def test_a_mistake_in_a_process_of_its_own(tmp_path: Path) -> None:
    mistake = [sys.executable, "-m", "hfru_core", "unlearn", "--forget", "unicorn", "--out", "x"]
    plain = subprocess.run(mistake, capture_output=True, text=True, cwd=ROOT, timeout=200)
    assert (plain.returncode, plain.stdout) == (2, "")
    assert plain.stderr.startswith("error: Unknown concept") and "Traceback" not in plain.stderr


def test_no_package_fetches_code_as_it_is_imported(tmp_path: Path) -> None:
    """bitsandbytes does, on some processors, where the package `kernels` is installed."""
    (tmp_path / "kernels.py").write_text("def get_kernel(*a, **k):\n    raise SystemExit(7)\n")
    code = (
        "import audit.checks.quantize, importlib.util; print(importlib.util.find_spec('kernels'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=200,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")


def test_an_existing_output_is_refused_before_any_work(
    tiny_folder: Path,
    tmp_path: Path,
    small: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the base model was measured before the output was checked")

    monkeypatch.setattr("hfru_core.pipeline.evaluate", never)
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("mine")
    assert run("unlearn", "--forget", "dog", "--model", tiny_folder, "--out", out) == 2
    assert "exists and is not overwritten" in capsys.readouterr().err
    assert [p.name for p in out.iterdir()] == ["precious"]


def is_rate(value: dict) -> bool:
    if value["n"] == 0:
        return value["rate"] is value["low"] is value["high"] is None
    return 0 <= value["low"] <= value["rate"] <= value["high"] <= 1


def test_unlearn_evaluate_and_answer_keep_the_contract(
    tiny_folder: Path, tmp_path: Path, small: None, capsys: pytest.CaptureFixture
) -> None:
    out, common = tmp_path / "out", ("--model", tiny_folder, "--device", "cpu", "--json")
    assert run("unlearn", "--forget", "dog", "--out", out, *common) == 0
    made = last_line(capsys)
    assert all(is_rate(made[m]) for m in MEASURES)
    assert made["retain"]["base"] is not None
    assert (made["steps"], made["adapter"]) == (4, str(out)) and made["seconds"] > 0

    request = ("--forget", "dog", "--data", "world:9", "--pictures", 4, "--adapter", out)
    assert run("evaluate", *request, *common) == 0
    measured = last_line(capsys)
    assert all(is_rate(measured[m]) for m in MEASURES)
    assert measured["adapter"] == str(out) and measured["retain"]["base"] is not None
    assert measured["abstraction"]["n"] == 4 * 4

    picture = tmp_path / "dog.png"
    load_image("world:9/test/dog/0").save(picture)
    assert run("answer", picture, "What is it?", "--adapter", out, *common) == 0
    said = last_line(capsys)
    assert set(said) == {"question", "base", "unlearned"} and said["question"] == "What is it?"


def test_answer_prints_for_people(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    Image.new("RGB", (30, 40), "red").save(tmp_path / "red.png")
    for image in (tmp_path / "red.png", "world:0/test/dog/1"):
        assert run("answer", image, "What is it?", "--model", tiny_folder) == 0
        assert capsys.readouterr().out.startswith("base: ")


@pytest.mark.parametrize(("steps", "parts"), [(1, (1, 0)), (13, (10, 3)), (130, (100, 30))])
def test_steps_are_shared_between_the_stages_as_in_the_preset(
    steps: int, parts: tuple[int, int]
) -> None:
    config = UnlearnConfig().with_(train_steps=100, grpo_steps=30)
    split = pipeline.split_steps(config, steps)
    assert (split.train_steps, split.hfru.grpo_steps) == parts
    assert pipeline.split_steps(config, None) == config


# fmt: off
@pytest.mark.parametrize(("change", "message"), [
    ({"group": 1}, "group must be at least 2, got 1"),
    ({"batch": 0}, "batch must be at least 1"),
    ({"lora_rank": 0}, "lora_rank must be at least 1"),
    ({"train_steps": -1}, "Steps cannot be negative"),
    ({"train_steps": 0, "grpo_steps": 0}, "Both stages have 0 steps"),
    ({"forget_share": 1.0}, "forget_share must lie between 0 and 1"),
    ({"scope": "hope"}, "scope is one of encoder, .*, got 'hope'"),
])
# fmt: on
def test_impossible_settings_are_refused(change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        UnlearnConfig().with_(**change)
