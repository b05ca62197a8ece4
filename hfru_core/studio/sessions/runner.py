"""One visitor's session from the wish to the finished adapter, as reports step by step.

No component is touched here: `follow` yields what there is to show.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfru_core.adapters.record import read_record
from hfru_core.concepts import slug
from hfru_core.config import UnlearnConfig
from hfru_core.data.build import build
from hfru_core.data.source import parse_source
from hfru_core.files import PART, free_name
from hfru_core.paths import MODEL
from hfru_core.studio.server.hardware import seconds_of
from hfru_core.studio.sessions import interrupted
from hfru_core.studio.sessions.interrupted import Wish
from hfru_core.studio.sessions.models import base_model, fresh_model
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import Concept, Evaluation, ProbeAnswer, StepEvent, UserError

if TYPE_CHECKING:
    from hfru_core.model.vlm import VLM
    from hfru_core.pipeline import Plan
    from hfru_core.session import UnlearnSession

STAGES = {"disrupt": "Stage 1: breaking the visual link", "reinforce": "Stage 2: reinforcement"}
PREPARING = (
    "drawing pictures and asking the original model",
    "asking the original model, that of photographs",
)
SLOWER = 2.5  # how much longer a step of stage 2 takes, until one was timed


class Halted(Exception):
    """The visitor has left, or pressed Stop while there is nothing to keep yet."""


@dataclass
class Run:
    """A session that waits or is under way, so that it can be stopped from elsewhere.

    The wish to stop is a file: a session in a process of its own (a GPU lent by the call) sees it.
    It is kept here too: a disk that is full must not keep a session from stopping. `out` is where
    a session that was cut off goes on.
    """

    marker: Path
    session: UnlearnSession | None = None
    share: float = 0.0
    wish: Wish | None = None
    out: Path | None = None
    begun: bool = False
    watch: object = None  # its place among what ends when nobody watches
    ending: str = ""  # how it was asked to end: "", "stopped" or "left"
    keeping: bool = False  # what there is by now is worth saving when Stop is pressed

    @property
    def stopped(self) -> bool:
        return bool(self.ending) or self.marker.exists()

    @property
    def left(self) -> bool:
        """Whether nobody is there any more to want the result."""
        with suppress(FileNotFoundError):
            return self.ending == "left" or self.marker.read_text() == "left"
        return False

    def stop(self, left: bool = False) -> None:
        """End it after the current step."""
        self.ending = "left" if left or self.left else "stopped"
        if self.session:
            self.session.stop()
        with suppress(OSError):
            self.marker.parent.mkdir(parents=True, exist_ok=True)
            self.marker.write_text(self.ending)

    def pulse(self) -> None:
        """Called between batches of answers; raises where nobody wants the result any more."""
        if self.left or (self.stopped and not self.keeping):
            raise Halted


@dataclass(frozen=True)
class Report:
    """What there is to show."""

    title: str
    detail: str = ""
    share: float = 0.0
    config: UnlearnConfig | None = None
    concepts: tuple[Concept, ...] = ()
    events: tuple[StepEvent, ...] = ()
    probes: tuple[ProbeAnswer, ...] = ()
    before: Evaluation | None = None
    after: Evaluation | None = None
    note: str = ""
    adapter: Path | None = None


@dataclass
class Pace:
    """Seconds a step takes in each stage, to tell how long it will last."""

    config: UnlearnConfig
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def left(self, event: StepEvent) -> float:
        self.seconds.setdefault(event.stage, []).append(event.seconds)
        first, second = (self.mean(s) for s in ("disrupt", "reinforce"))
        first = first or 0.0
        todo1 = max(0, self.config.train_steps - event.step)
        todo2 = self.config.steps - max(event.step, self.config.train_steps)
        return todo1 * first + todo2 * (second or SLOWER * first)

    def mean(self, stage: str) -> float | None:
        recent = self.seconds.get(stage, [])[-20:]
        return sum(recent) / len(recent) if recent else None


def plan(wish: Wish, settings: Iterable[tuple[str, Any]] = ()) -> Plan:
    """What a wish comes to; raises where it cannot be."""
    from hfru_core.studio.sessions.torch_side import pipeline

    if not wish.names:
        raise UserError("Choose at least one thing or person to forget.")
    return pipeline.plan(
        parse_source(wish.source),
        ",".join(wish.names),
        preset=wish.preset,
        steps=wish.steps,
        seed=wish.seed,
        scope=wish.scope,
        **dict(settings),
    )


def follow(studio: Studio, run: Run, wish: Wish, folder: Path) -> Iterator[Report]:
    """Train on a model of its own, then judge it; ends with a report that has the adapter.

    What has come to an end, or was stopped, leaves no checkpoint; what was left or cut off does.
    """
    out = run.out or folder_for(folder, wish)
    work, over = out.with_name(out.name + PART), False
    (work / "lock").unlink(missing_ok=True)  # of a process that was killed: this one runs it now
    try:
        yield from followed(studio, run, wish, out)
        over = True
    except Halted:
        over = not run.left
        if over:
            yield Report("Stopped", "before the first step")
    finally:
        run.session = None
        if over or interrupted.kept(work) is None:
            shutil.rmtree(work, ignore_errors=True)


def followed(studio: Studio, run: Run, wish: Wish, out: Path) -> Iterator[Report]:
    """The same; a visitor who leaves raises `Halted`."""
    from hfru_core.studio.sessions.torch_side import pipeline

    wanted = plan(wish, studio.settings)
    report = Report(
        "Preparing",
        PREPARING[wish.photo],
        config=wanted.config,
        concepts=wanted.forget,
    )
    yield report
    prepared = pipeline.prepare(
        wanted, partial(pulsing_model, model_of(studio, wish), run, out), studio.amount
    )
    session = run.session = pipeline.unlearn(prepared, out)
    session.prepare()
    interrupted.keep(wish, session.work)
    run.pulse()
    last = report
    for last in train(session, report):
        run.keeping = True
        run.pulse()
        if run.stopped:
            session.stop()
        yield last
    run.keeping = False
    yield from judge(studio, run, session, wanted, last)


def model_of(studio: Studio, wish: Wish) -> Path:
    """The model that a wish is about."""
    return studio.photo if wish.photo and studio.photo else studio.model


def pulsing_model(path: Path, run: Run, out: Path) -> VLM:
    """A model to train that gives up soon after nobody wants it."""
    run.pulse()
    model = fresh_model(path, out)
    model.before_batch = run.pulse
    return model


def seconds_for(studio: Studio, run: Run, wish: Wish, folder: Path) -> int:
    """How long `follow` with the same arguments is expected to hold a GPU."""
    steps = plan(wish, studio.settings).config.steps
    return seconds_of(steps, bundled=model_of(studio, wish) == MODEL)


def train(session: UnlearnSession, report: Report) -> Iterator[Report]:
    """The steps, as reports."""
    began, events = time.perf_counter(), list[StepEvent]()
    session.begin()
    if session.estimate:
        report = replace(report, config=session.config, detail=session.estimate)
        yield report
    pace = Pace(session.config)
    for event in session.run():
        events = events or earlier(session, event)
        events.append(event)
        probes = event.probes or report.probes or session.checks.probes(session.checks.base_answers)
        if event.adapter:
            detail = f"step {event.step} of {event.of} · {clock(time.perf_counter() - began)}"
        else:
            detail = f"step {event.step} of {event.of} · about {clock(pace.left(event))} left"
        report = replace(
            report,
            title=STAGES.get(event.stage, "Adapter saved"),
            detail=detail,
            share=event.step / event.of,
            events=tuple(events),
            probes=probes,
            adapter=event.adapter,
        )
        yield report


def earlier(session: UnlearnSession, first: StepEvent) -> list[StepEvent]:
    """The steps before the first reported one, of a session that goes on from a checkpoint."""
    rows = [r for r in session.progress.history if r["step"] < first.step]
    return [StepEvent(of=first.of, **r) for r in rows]


def judge(
    studio: Studio, run: Run, session: UnlearnSession, wanted: Plan, report: Report
) -> Iterator[Report]:
    """Rates on pictures that were never trained on; after a stop those that are known already."""
    if run.stopped:
        yield stopped(report)
        return
    judging = replace(report, title="Judging the result", adapter=None)
    yield replace(judging, detail="answers to pictures that it never saw", share=1.0)
    try:
        found = rates(studio, run, session, wanted)
        before = next(found)
        yield replace(judging, detail="half done")
        after = next(found)
    except Halted:
        if run.left:
            raise
        yield stopped(report)
        return
    yield replace(
        report,
        title="Done",
        before=before,
        after=after,
        note="Measured on new pictures that the session did not train on. An adapter is a switch, "
        "not a deletion: whoever has it can take it off.",
    )


def rates(studio: Studio, run: Run, session: UnlearnSession, wanted: Plan) -> Iterator[Evaluation]:
    """What the original and the unlearned model do on pictures that are new to both."""
    from hfru_core.studio.sessions.torch_side import pipeline

    data = build(wanted.forget, wanted.source, amount=studio.checked, seed=session.config.seed)
    base_path = model_of(studio, run.wish) if run.wish else studio.model
    base = replace(base_model(base_path), before_batch=run.pulse)
    return pipeline.rates(base, session.vlm, data)


def stopped(report: Report) -> Report:
    """The last report of a session that was stopped: rates on the check set, as recorded."""
    assert report.adapter
    record = read_record(report.adapter)
    best = record.session.best_step
    kept = f"The best checked adapter (step {best})" if best > 0 else "The adapter as it was"
    note = (
        f"{kept} is kept. Measured on the session's validation pictures because you stopped early: "
        "too optimistic."
    )
    before, after = record.base_metrics, record.metrics
    return replace(report, title="Stopped", before=before, after=after, note=note)


def folder_for(runs: Path, wish: Wish) -> Path:
    """An output folder that does not exist yet."""
    return free_name(runs, "no-" + slug("_".join(wish.names))[:60])


def zipped(studio: Studio, folder: Path, visitor: str) -> Path:
    """The adapter folder as one file to download, where only its owner learns the path."""
    from hfru_core.studio.sessions.torch_side import archive

    target = studio.folder(visitor) / "downloads" / f"{folder.name}.zip"
    target.parent.mkdir(exist_ok=True)
    return archive.pack(folder, target)


def clock(seconds: float) -> str:
    """'1 min 35 s' or '12 s'."""
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{whole // 60} min {whole % 60} s"
