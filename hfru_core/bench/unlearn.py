"""The model of a row: unlearned by a method, or a reference to compare with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from audit.asking.output_filter import filtered
from hfru_core import pipeline
from hfru_core.bench.jobs import REFERENCES, Job
from hfru_core.concepts import parse
from hfru_core.config import UnlearnConfig
from hfru_core.data.request_variants import anonymised, polite, single
from hfru_core.methods import METHODS, EditedMethod
from hfru_core.model import vlm
from hfru_core.model.vlm import VLM
from hfru_core.pipeline import Plan, Prepared, split_steps
from hfru_core.types import Concept, UnlearnData, UserError

REQUESTS: dict[str, Callable[[UnlearnData], UnlearnData]] = {
    "plain": lambda request: request, "polite": polite, "single": single, "anonymised": anonymised,
}  # fmt: skip
TIMED, WARM = 6, 3  # steps that are timed for an equal budget, and those before that do not count
SHORTEST, LONGEST = 10, 600


class Made(NamedTuple):
    """A model, the steps it took, and what it is called."""

    vlm: VLM
    steps: int | None
    scope: str
    label: str
    variant: str


def concepts_of(job: Job) -> tuple[Concept, ...]:
    """What a job's task means to its source; raises where it is not known there."""
    return parse(job.task, job.source.known_concepts())


def plan_of(job: Job, steps: int | None = None) -> Plan:
    """What a job's method does, with the job's steps or so many."""
    entry = job.entry
    return pipeline.plan(
        job.source,
        job.task,
        method=entry.method,
        preset=entry.preset,
        steps=job.steps or steps,
        seed=job.seed,
        scope=entry.scope,
    )


def check(job: Job) -> None:
    """Raise where a job could never run."""
    if job.entry.method in REFERENCES:
        concepts_of(job)
    else:
        plan_of(job)


def prepare(job: Job, plan: Plan, load: Callable[[], VLM]) -> Prepared:
    """The model and the data of a job, in its variant of the request."""
    prepared = pipeline.prepare(plan, load)
    return replace(prepared, data=REQUESTS[job.request](prepared.data))


def make(
    job: Job,
    model: Path | str,
    oracle: Path | None,
    seconds: float,
    work: Path,
    steps: int | None = None,
) -> Made:
    """The unlearned model of a job; an equal budget is worth `seconds` of training, or `steps`."""
    if job.entry.method in REFERENCES:
        return reference(job, model, oracle)
    kind, preset = METHODS[job.entry.method], job.entry.preset
    label = kind.label if job.entry.method != "hfru" else f"HFRU {preset}"
    prepared = prepare(job, plan_of(job, steps), lambda: vlm.load(model))
    scope = prepared.config.scope
    if issubclass(kind, EditedMethod):
        edited = kind(prepared.model, prepared.data, prepared.config).edit()
        return Made(edited, None, scope, label, kind.described(preset))
    clear(prepared.model, work)  # of a run that was killed
    if job.budget == "equal" and not (job.steps or steps):
        config = lasting(replace(prepared, model=vlm.load(model)), seconds, work)
        prepared = replace(prepared, config=config)
    session = pipeline.unlearn(prepared, work)
    for _ in session.run():
        pass
    clear(prepared.model, work)
    return Made(session.vlm, session.progress.step, scope, label, kind.described(preset))


def clear(model: VLM, work: Path) -> None:
    """Remove a session's folder, once for all processes."""
    if model.processes.writes:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(work.with_name(work.name + ".part"), ignore_errors=True)
    model.processes.wait()


def lasting(prepared: Prepared, seconds: float, work: Path) -> UnlearnConfig:
    """Settings with as many steps as fit into a time, both stages' steps timed in their share.

    The model is trained meanwhile: give one that is not needed any more.
    """
    config, model = prepared.config, prepared.model
    unsaved = config.with_(checkpoint_every=config.steps + 1)
    probe = pipeline.unlearn(replace(prepared, config=unsaved), work)
    probe.start()
    spent = []
    for start in (0, config.train_steps):
        if start < config.steps:
            probe.progress.step = start
            times = [probe.step().seconds for _ in range(min(TIMED, config.steps - start))]
            # The fastest: whatever else runs on this machine only slows steps down.
            spent.append(min(times[min(WARM, len(times) - 1) :]))
    shares = [config.train_steps, config.hfru.grpo_steps][: len(spent)]
    mean = torch.tensor(sum(t * s for t, s in zip(spent, shares)) / sum(shares))
    each = float(model.processes.total(mean)) / model.processes.size  # All take as many steps.
    return split_steps(config, max(SHORTEST, min(LONGEST, round(seconds / each))))


def reference(job: Job, model: Path | str, oracle: Path | None) -> Made:
    """The original, an oracle or a filter in front of the original."""
    name = job.entry.method
    if name == "oracle":
        if oracle is None:
            raise UserError(
                f"There is no oracle for {job.task}: train one (pretrain --without), and name it "
                "(bench --oracle DIR)."
            )
        return Made(vlm.load(oracle), None, "all", REFERENCES[name], "never saw the concept")
    if name == "base":
        return Made(vlm.load(model), None, "all", REFERENCES[name], "as it was")
    forget, _, _ = job.source.request(concepts_of(job), ())
    with_filter = filtered(vlm.load(model), forget)
    return Made(with_filter, None, "all", REFERENCES[name], "names replaced in the answers")
