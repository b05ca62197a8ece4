"""`python -m audit`: exit codes, refusals, the case it makes, the report it leaves."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from audit import __main__ as command
from audit import cases
from audit.base import Audit, Case, Finding, Measure, of
from audit.keys import FindingKey
from audit.report.json_file import read
from audit.report.report import Subject
from hfru_core.adapters import validate as adapter
from hfru_core.adapters.record import AdapterRecord, BaseModel, TrainingData
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.source import DRAWN, World, load_image, parse_source
from hfru_core.data.source_base import Source
from hfru_core.evaluate import rate_of
from hfru_core.model import vlm
from tests.conftest import SMALL

ALL, SOME, FEW, NONE = (of(rate_of(hits, 200)) for hits in (190, 120, 20, 4))


def planted(
    name: str, unlearned: Measure, kind: str = "leak", key: FindingKey = FindingKey.NAMED
) -> Audit:
    """An audit with this finding, whatever the models do."""
    key = key if kind == "leak" else FindingKey.RETAINED

    def audit(case: Case) -> Iterator[Finding]:
        direction = "higher" if kind == "leak" else "lower"
        oracle = NONE if kind == "leak" else ALL
        yield Finding("behavior", key, name, kind, direction, unlearned, ALL, oracle)

    return audit


def said(case: Case) -> Iterator[Finding]:
    """What the models see, so that the seed and the pictures matter."""
    image = load_image(case.data.select("forget", "eval")[0].image)
    look = lambda vlm: vlm.vision_features([image]).mean().item()  # noqa: E731
    mean = sum(case.once_for(name, ("said",), look) for name in case.models)
    mean += case.rng("said").random()
    number = Measure(mean, 1, mean, mean)
    yield Finding("behavior", FindingKey.ABSTRACTION, "letters", "info", "higher", number)


def broken(case: Case) -> Iterator[Finding]:
    yield Finding("probes", FindingKey.RAW_PIXELS, "before", "info", "higher")
    raise ValueError("a probe with one class")


READ = FindingKey.WORD_FEW  # without a look into the encoder nothing is clear
OUTCOMES = {
    "clear": ({"a": planted("named", NONE), "b": said, "c": planted("read", NONE, key=READ)}, 0),
    "borderline": ({"a": planted("named", FEW)}, 3),
    "leak": ({"a": planted("named", SOME), "b": planted("kept", SOME, "damage")}, 1),
    "damaged": ({"a": planted("named", NONE), "b": planted("kept", SOME, "damage")}, 1),
    "inconclusive": ({"a": planted("named", NONE), "b": broken}, 3),
}


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces the audits by planted ones."""

    def use(audits: dict[str, Audit], left_out: tuple[str, ...] = ("relearn",)) -> None:
        monkeypatch.setattr(command, "suite", lambda deep: (audits, () if deep else left_out))

    use(OUTCOMES["clear"][0])
    return use


@pytest.fixture(scope="module")
def oracle_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base model again, as one that says it never saw a dog."""
    folder = Path(shutil.copytree(tiny_folder, tmp_path_factory.mktemp("oracles") / "no-dog"))
    recipe = json.loads((folder / "pretraining.json").read_text())
    recipe["recipe"]["without"] = ["dog"]
    (folder / "pretraining.json").write_text(json.dumps(recipe))
    return folder


@pytest.fixture(scope="module")
def run(tiny_folder: Path, trained: Path, oracle_folder: Path) -> Callable[..., int]:
    """Audits the small adapter with a few pictures."""

    def call(*more: object, folder: Path = trained) -> int:
        given = [folder, "--model", tiny_folder, "--oracle", oracle_folder, "--pictures", 2]
        return command.main([str(g) for g in (*given, "--device", "cpu", *more)])

    return call


@pytest.fixture(scope="module")
def prepared(tiny_folder: Path, trained: Path, oracle_folder: Path) -> tuple[Case, Subject]:
    """The case that such a call makes."""
    given = [trained, "--model", tiny_folder, "--oracle", oracle_folder, "--pictures", 4]
    given += ["--device", "cpu", "--seed", 0, "--out", "x"]
    return cases.prepare(command.parser().parse_args([str(g) for g in given]))


@pytest.fixture
def ready(prepared: tuple[Case, Subject], monkeypatch: pytest.MonkeyPatch) -> None:
    """The case is there already: no model is loaded again."""
    case, subject = prepared

    def again(args: object) -> tuple[Case, Subject]:
        depth = "deep" if args.deep else "standard"
        seed = args.seed or 0
        return replace(case, seed=seed), replace(subject, seed=seed, depth=depth)

    monkeypatch.setattr(command, "prepare", again)


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """An adapter folder to spoil."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def rehash(folder: Path) -> None:
    """The record names the files as they are now."""
    info = json.loads((folder / adapter.INFO).read_text())
    info["hashes"] = {f: adapter.file_hash(folder / f) for f in adapter.HASHED}
    (folder / adapter.INFO).write_text(json.dumps(info))


# What it tells


@pytest.mark.parametrize("state", OUTCOMES)
def test_the_exit_code_tells_the_verdict(
    state: str,
    run: Callable[..., int],
    suite: Callable[..., None],
    ready: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    audits, code = OUTCOMES[state]
    suite(audits)
    assert run("--out", tmp_path / "out", "--json") == code
    shown = capsys.readouterr()
    told = json.loads(shown.out.splitlines()[-1])
    assert told["verdict"] == state and f"{state.upper()}: " in shown.err
    made = read(tmp_path / "out")
    assert made.verdict.state == state and made.subject.adapter == "no-dogs"
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "report.json",
        "report.md",
        "report.html",
        "findings.csv",
        "SHA256SUMS",
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_one_failing_audit_loses_no_other(
    run: Callable[..., int], suite: Callable[..., None], ready: None, tmp_path: Path
) -> None:
    suite({"broken": broken, "said": said})
    run("--out", tmp_path / "out")
    names = [f.name for f in read(tmp_path / "out").findings]
    assert names == ["before", "failed", "letters"]


def test_same_seed_same_report(
    run: Callable[..., int], suite: Callable[..., None], tmp_path: Path
) -> None:
    suite({"said": said})
    outs = [tmp_path / name for name in ("a", "b", "c")]
    for out, seed in zip(outs, (3, 3, 4)):
        run("--seed", seed, "--out", out)
    texts = [
        [line for line in (out / "report.json").read_text().splitlines() if '"timing"' not in line]
        for out in outs
    ]
    assert texts[0] == texts[1] != texts[2]


def test_it_names_what_was_not_done(
    run: Callable[..., int], suite: Callable[..., None], ready: None, tmp_path: Path
) -> None:
    suite({"said": said})
    run("--out", tmp_path / "standard")
    run("--deep", "--out", tmp_path / "deep")
    standard, deep = (" ".join(read(tmp_path / d).not_covered) for d in ("standard", "deep"))
    assert "In short form: relearn" in standard and "--deep" not in deep
    assert "membership is not tested" in standard  # The fixture's session used few pictures.


def test_progress_is_told_in_lines_if_asked_for(
    run: Callable[..., int],
    suite: Callable[..., None],
    ready: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    suite({"a": planted("named", NONE), "b": said})
    run("--events", "--out", tmp_path / "out")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows.pop(0) == {"audits": ["a", "b"]}
    assert [(r["audit"], r["done"], r["of"], r["finding"]) for r in rows] == [
        ("a", 0, 2, None),
        ("a", 0, 2, "named"),
        ("b", 1, 2, None),
        ("b", 1, 2, "letters"),
    ]


def test_diff_of_two_reports(
    run: Callable[..., int],
    suite: Callable[..., None],
    ready: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    suite(OUTCOMES["leak"][0])
    run("--out", a)
    suite(OUTCOMES["clear"][0])
    run("--seed", 1, "--out", b)
    capsys.readouterr()
    assert command.main(["diff", str(a), str(b / "report.json")]) == 0
    shown = capsys.readouterr().out
    assert "verdict: leak -> clear" in shown and "seed: 0 -> 1" in shown
    assert "* behavior: named: 0.60 -> 0.02, change -0.58" in shown and "only in A" in shown
    assert command.main(["diff", str(a), str(b), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == ["leak", "clear"]
    assert command.main(["diff", str(a), str(tmp_path / "gone")]) == 2
    assert "cannot be read" in capsys.readouterr().err


# What it refuses


def spoil_record(folder: Path, **changes: object) -> None:
    info = json.loads((folder / adapter.INFO).read_text()) | changes
    (folder / adapter.INFO).write_text(json.dumps(info))


def no_record(folder: Path) -> None:
    (folder / adapter.INFO).unlink()


def changed_weights(folder: Path) -> None:
    path = folder / adapter.WEIGHTS
    weights = load_file(path)
    save_file({k: v + 1 for k, v in weights.items()}, path)


def nan_weights(folder: Path) -> None:
    path = folder / adapter.WEIGHTS
    save_file({k: torch.full_like(v, float("nan")) for k, v in load_file(path).items()}, path)
    rehash(folder)


def other_base(folder: Path) -> None:
    info = json.loads((folder / adapter.INFO).read_text())
    spoil_record(folder, base=info["base"] | {"fingerprint": "0" * 16, "name": "other/base"})


SPOILED = {
    "no record": (no_record, "name it .--forget dog."),
    "weights": (changed_weights, "expected [0-9a-f]{12}, got [0-9a-f]{12}"),
    "nan": (nan_weights, "unlearned model's weights .* expected finite .* NaN"),
    "base": (other_base, "made for other/base"),
    "concepts": (lambda f: spoil_record(f, concepts=[]), "names no concepts"),
    "bad concept": (lambda f: spoil_record(f, concepts=[{"id": 1}]), "a concept has the fields"),
    "schema": (lambda f: spoil_record(f, schema=9), "not readable as schema"),
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_adapter_is_refused(
    how: str,
    copied: Path,
    run: Callable[..., int],
    suite: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    spoil, message = SPOILED[how]
    spoil(copied)
    refused(run("--out", tmp_path / "out", folder=copied), message, capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["copy"]


def refused(code: int, message: str, capsys: pytest.CaptureFixture) -> None:
    shown = capsys.readouterr()
    assert code == 2 and shown.out == ""
    assert re.search(message, shown.err, re.S) and "Traceback" not in shown.err


# fmt: off
MISTAKES = {
    "pictures": (["--pictures", "0"], "--pictures must be at least 1, got 0"),
    "source": (["--data", "imagenet"], "Unknown source 'imagenet'"),
    "strangers": (["--data", "folder:photos"], "no pictures of dog"),
    "no forget": (["--data", "folder:single"], "pictures of dog for (train|eval), at least"),
    "model": (["--model", "gone"], "no model folder 'gone'"),
    "oracle": (["--oracle", "gone"], "no model folder 'gone'"),
    "device": (["--device", "abacus"], "Unknown device"),
    "out": (["--out", "photos"], "'photos' exists and is not overwritten"),
    "out is a file": (["--out", "photos/cat/0.png/x"], "cannot be written"),
}
# fmt: on


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_before_long_work(
    mistake: str,
    run: Callable[..., int],
    suite: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    for name, count in (
        ("photos/cat", 12),
        ("photos/horse", 12),
        ("single/cat", 12),
        ("single/dog", 1),
    ):
        (tmp_path / name).mkdir(parents=True)
        for i in range(count):
            load_image(f"world:0/x/{Path(name).name}/{i}").save(tmp_path / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    arguments, message = MISTAKES[mistake]
    refused(run("--out", tmp_path / "out", *arguments), message, capsys)


def test_a_surprise_is_no_leak(
    run: Callable[..., int],
    suite: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(command, "prepare", lambda args: {}["gone"])
    refused(run("--out", out), "unexpected KeyError: 'gone' \\(--debug", capsys)
    assert run("--out", out, "--debug") == 2 and "Traceback" in capsys.readouterr().err
    monkeypatch.setattr(command, "prepare", interrupted)
    assert run("--out", out) == 130 and not list(tmp_path.iterdir())


def interrupted(args: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "arguments", [[], ["x"], ["x", "--out", "y", "--seed", "z"], ["diff", "x"]]
)
def test_missing_options_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        command.main(arguments)
    assert end.value.code == 2 and "usage: python -m audit" in capsys.readouterr().err


# The case


def test_the_case_is_what_the_adapter_says(
    prepared: tuple[Case, Subject], tiny_folder: Path, trained: Path
) -> None:
    case, subject = prepared
    counts = [
        len({s.image for s in case.data.select(role, split) if s.image})
        for split in ("train", "eval")
        for role in ("forget", "retain")
    ]
    assert counts == [10, 15, 4, 6] and case.data.source == "world:7000"
    assert subject.oracle.name == "no-dog" and subject.adapter == trained.name
    assert subject.base.fingerprint == case.unlearned.fingerprint()
    assert subject.adapter_hash == adapter.file_hash(trained / adapter.WEIGHTS)
    found = {}
    for name in ("base", "unlearned", "base"):
        with case.using(name) as model:
            found[name] = model.vision_features([load_image("world:0/x/dog/0")])
            assert bool([n for n, _ in model.model.named_parameters() if "lora" in n]) == (
                name == "unlearned"
            )
    alone = vlm.load(tiny_folder, device="cpu").vision_features([load_image("world:0/x/dog/0")])
    assert torch.equal(found["base"], alone) and not torch.equal(found["unlearned"], alone)


RECORD = AdapterRecord(BaseModel("tiny", None, "0" * 16), (shipped()["dog"],))


def test_the_sessions_own_samples_are_had_again_only_if_they_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    concepts = (shipped()["dog"],)
    made = build(concepts, World(5), amount=SMALL, seed=2)
    record = replace(RECORD, data=TrainingData("world:5", made.fingerprint), config={"seed": 2})
    assert cases.session_samples(record, DRAWN) == ()
    few = partial(build, amount=SMALL)
    monkeypatch.setattr("hfru_core.data.build.build", few)
    assert cases.session_samples(record, DRAWN) == made.select("forget", "train")
    assert cases.session_samples(replace(record, data=None, config={}), DRAWN) == ()
    gone = replace(record, data=TrainingData("folder:gone", "1"), config={"seed": 0})
    assert cases.session_samples(gone, DRAWN) == ()


def test_no_path_that_a_record_names_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record may come from anybody; only what the person gives here is opened."""
    asked: list[Source] = []
    monkeypatch.setattr(
        "hfru_core.data.build.build", lambda concepts, source, **k: asked.append(source)
    )
    for source in ("folder:/etc", "pacs:/etc/passwd", "folder:secret"):
        record = replace(RECORD, data=TrainingData(source, "1"), config={"seed": 0})
        assert cases.session_samples(record, parse_source("folder:mine")) == ()
    assert not asked


def test_word_lists_that_were_edited_since_do_not_make_the_concept_a_retained_one() -> None:
    older = replace(shipped()["dog"], aliases=("dog",))
    found = cases.pictures_for((older,), World(7000), 2, 0)
    assert older in found.concepts and "dog" not in {c.id for c in found.retained}


BUNDLED = "hfru-studio/bundled"
# fmt: off
ORACLES = {
    "z-both": (["dog", "elephant"], 0), "a-dog-5": (["dog"], 5), "b-dog-1": (["dog"], 1),
    "wide": (["dog", "elephant", "cat"], 0), "none": ([], 0),
}
# fmt: on


@pytest.fixture
def oracles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, (without, seed) in ORACLES.items():
        (tmp_path / name).mkdir()
        recipe = {"recipe": {"without": without, "seed": seed}}
        (tmp_path / name / "pretraining.json").write_text(json.dumps(recipe))
    monkeypatch.setattr(cases, "ORACLES", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "base", "found"),
    [
        (["dog"], BUNDLED, "b-dog-1"),
        (["elephant", "dog"], BUNDLED, "z-both"),
        (["elephant"], BUNDLED, "z-both"),
        (["cat"], BUNDLED, "wide"),
        (["horse"], BUNDLED, None),
        (["dog", "horse"], BUNDLED, None),
        (["dog"], "some/model", None),
    ],
)
def test_the_reference_oracle_is_the_one_that_fits_best(
    wanted: list[str], base: str, found: str | None, oracles: Path
) -> None:
    concepts = [shipped()[w] for w in wanted]
    assert cases.oracle_folder(None, concepts, base) == (oracles / found if found else None)


def test_an_oracle_that_saw_the_concept_is_refused(oracles: Path) -> None:
    horse = [shipped()["horse"]]
    with pytest.raises(cases.UserError, match="not an oracle for this adapter.*horse.*dog"):
        cases.oracle_folder(oracles / "z-both", horse, BUNDLED)
    stranger = oracles / "stranger"
    assert cases.oracle_folder(stranger, horse, BUNDLED) == stranger
    (oracles / "none" / "pretraining.json").write_text("{")
    with pytest.raises(cases.UserError, match="cannot be read"):
        cases.oracle_folder(oracles / "none", horse, BUNDLED)
