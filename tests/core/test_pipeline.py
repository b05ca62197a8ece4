"""Command line, app and bench walk one path: the same request leaves the same adapter."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from hfru_core import pipeline
from hfru_core.bench import unlearn as bench_unlearn
from hfru_core.bench.jobs import Entry, Job
from hfru_core.cli.main import main
from hfru_core.concepts import parse
from hfru_core.config import UnlearnConfig
from hfru_core.data import drawn
from hfru_core.data.build import build
from hfru_core.data.photo_source import Photos
from hfru_core.data.samples import USUAL, Amount
from hfru_core.data.source import DRAWN, World, parse_source
from hfru_core.methods import hfru
from hfru_core.model import vlm
from hfru_core.protocol.questions import DESCRIBE
from hfru_core.studio.sessions.interrupted import Wish
from hfru_core.studio.sessions.runner import Run, follow
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError
from tests.conftest import SMALL

SEED, STEPS = 3, 2
FEW = Amount(0, 0, 2, 2)


@pytest.fixture(scope="module")
def word(tiny_folder: Path) -> str:
    """A word that the random model says about images: only what it names can be distilled away."""
    images = [drawn.draw(f"world:0/known/dog/{i}") for i in range(5)]
    asked = [(image, question) for image in images for question in DESCRIBE]
    answers = vlm.load(tiny_folder, device="cpu").answer(*map(list, zip(*asked)))
    spoken = Counter(w for text in answers for w in re.findall(r"\b[a-z]{4,}\b", text))
    return next(w for w, _ in spoken.most_common() if w not in ("thing", "object", "something"))


@pytest.fixture(scope="module")
def photos(word: str, tmp_path_factory: pytest.TempPathFactory) -> Photos:
    """A `folder:` source with five images of `word` and of something else."""
    folder = tmp_path_factory.mktemp("photos")
    for label, subject in ((word, "dog"), ("other", "car")):
        (folder / label).mkdir()
        for i in range(5):
            drawn.draw(f"world:0/known/{subject}/{i}").save(folder / label / f"{i}.png")
    return Photos("folder", folder)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, quick: UnlearnConfig) -> None:
    monkeypatch.setitem(hfru.PRESETS, "default", quick)


def by_command(word: str, source: Photos, model: Path, out: Path) -> Path:
    given = ["--forget", word, "--data", source.text, "--model", model]
    given += ["--steps", STEPS, "--seed", SEED, "--scope", "encoder", "--out", out]
    assert main(["unlearn", *map(str, given)]) == 0
    return out


def by_app(word: str, source: Photos, model: Path, out: Path) -> Path:
    studio = Studio(model=model, data_folder=out, amount=USUAL, checked=FEW)
    wish = Wish((word,), seed=SEED, steps=STEPS, scope="encoder", source=source.text)
    *_, last = follow(studio, Run(out / "stop"), wish, out / "runs")
    assert last.title == "Done" and last.adapter
    return last.adapter


def by_bench(word: str, source: Photos, model: Path, out: Path) -> Path:
    job = Job(Entry("hfru", scope="encoder"), word, SEED, steps=STEPS, source=source)
    made = bench_unlearn.make(job, model, None, 1.0, out)
    assert made.steps == STEPS
    return out


@pytest.fixture(scope="module")
def adapters(
    word: str,
    photos: Photos,
    tiny_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    quick: UnlearnConfig,
) -> dict[str, Path]:
    """The adapter folder that each caller leaves."""
    out = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(hfru.PRESETS, "default", quick)
        patch.setattr(bench_unlearn, "clear", lambda *_: None)  # The bench keeps no adapter.
        callers: dict[str, Callable] = {"command": by_command, "app": by_app, "bench": by_bench}
        return {k: make(word, photos, tiny_folder, out / k) for k, make in callers.items()}


def test_the_three_callers_leave_the_same_weights(adapters: dict[str, Path]) -> None:
    weights = [(a / "adapter_model.safetensors").read_bytes() for a in adapters.values()]
    assert len(set(weights)) == 1


def test_the_three_callers_record_the_same_data(adapters: dict[str, Path], photos: Photos) -> None:
    records = [json.loads((a / "unlearning.json").read_text())["data"] for a in adapters.values()]
    assert all(r == records[0] for r in records)
    assert records[0]["source"] == photos.public_name


def test_every_source_but_the_world_distils(word: str, photos: Photos, tiny_folder: Path) -> None:
    load = lambda: vlm.load(tiny_folder, device="cpu")  # noqa: E731
    for source, name, distils in ((DRAWN, "dog", False), (World(7), "dog", False),
                                  (photos, word, True)):  # fmt: skip
        plan = pipeline.plan(source, name, seed=SEED)
        prepared = pipeline.prepare(plan, load, SMALL)
        plain = build(plan.forget, source, amount=SMALL, seed=SEED)
        assert prepared.data.fingerprint == plain.fingerprint
        assert (prepared.data.samples != plain.samples) == distils


@pytest.mark.parametrize(("maps", "source", "preset", "held"), [
    (True, "folder:x", "default", False), (True, "folder:x", "deep", False),
    (True, "folder:x", "paper", None), (True, "world", "default", True),
    (True, "mllmu:x", "default", True), (False, "folder:x", "default", True),
])  # fmt: skip
def test_what_is_retained_is_taught_in_photographs_seen_by_convolutions_alone(
    maps: bool, source: str, preset: str, held: bool | None
) -> None:
    model = SimpleNamespace(family=SimpleNamespace(maps=maps))
    config = UnlearnConfig(preset=preset)
    fitted = pipeline.fitted_to(model, parse_source(source), config)  # type: ignore[arg-type]
    assert (fitted == config) == (held is not False)
    assert bool(fitted.hfru.feature_hold) == (held is not False)


def test_what_a_model_forgot_before_is_not_asked_for_again() -> None:
    earlier = parse("cat", DRAWN.known_concepts())
    wanted = pipeline.plan(DRAWN, "dog", earlier=earlier)
    assert [c.name for c in wanted.forget] == ["cat", "dog"]
    with pytest.raises(UserError, match="cat was forgotten before: ask for something else"):
        pipeline.plan(DRAWN, "cat,dog", earlier=earlier)
