"""The model of a row: unlearned by a method, or a reference to compare with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from audit.asking.output_filter import filtered
from hfru_core.bench.jobs import REFERENCES, Job
from hfru_core.concepts import parse
from hfru_core.data.build import build
from hfru_core.data.request_variants import anonymised, polite, single
from hfru_core.methods import METHODS, configured
from hfru_core.model import vlm
from hfru_core.model.vlm import VLM
from hfru_core.session import UnlearnSession
from hfru_core.types import Concept, UnlearnConfig, UnlearnData, UserError

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
    return parse(job.task, job.source.known_concepts())


def request_of(job: Job) -> UnlearnData:
    """What is to be forgotten, in the job's variant."""
    return REQUESTS[job.request](build(concepts_of(job), job.source, seed=job.seed))


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
    request, load = request_of(job), lambda: vlm.load(model)
    config = config_of(job)
    kind = METHODS[job.entry.method]
    label = kind.label if job.entry.method != "hfru" else f"HFRU {job.entry.preset}"
    variant = kind.told(job.entry.preset)
    if not kind.trains:
        unlearned = kind(load(), request, config).edit()
        return Made(unlearned, None, config.scope, label, variant)
    unlearned = load()
    clear(unlearned, work)  # of a run that was killed
    if job.steps or steps:
        config = with_steps(config, job.steps or steps)
    elif job.budget == "equal":
        config = lasting(config, load(), request, seconds, work)
    session = UnlearnSession(unlearned, request, config, work)
    for _ in session.run():
        pass
    clear(unlearned, work)
    return Made(session.vlm, session.progress.step, config.scope, label, variant)


def clear(model: VLM, work: Path) -> None:
    """Remove a session's folder, once for all processes."""
    if model.team.writes:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(work.with_name(work.name + ".part"), ignore_errors=True)
    model.team.wait()


def config_of(job: Job) -> UnlearnConfig:
    """The settings of a job's method."""
    entry = job.entry
    return configured(
        entry.method, entry.preset, concepts_of(job), seed=job.seed, scope=entry.scope
    )


def with_steps(config: UnlearnConfig, steps: int) -> UnlearnConfig:
    """So many steps, shared between stages as the preset does."""
    first = round(steps * config.stage1_steps / config.steps)
    return config.with_(stage1_steps=first, grpo_steps=steps - first)


def lasting(
    config: UnlearnConfig, model: VLM, request: UnlearnData, seconds: float, work: Path
) -> UnlearnConfig:
    """As many steps as fit into a time, both stages' steps timed in their share."""
    unsaved = config.with_(checkpoint_every=config.steps + 1)
    probe = UnlearnSession(model, request, unsaved, work)
    probe.begin()
    spent = []
    for start in (0, config.stage1_steps):
        if start < config.steps:
            probe.progress.step = start
            times = [probe.step().seconds for _ in range(min(TIMED, config.steps - start))]
            # The fastest: whatever else runs on this machine only slows steps down.
            spent.append(min(times[min(WARM, len(times) - 1) :]))
    shares = [config.stage1_steps, config.grpo_steps][: len(spent)]
    each = torch.tensor(sum(t * s for t, s in zip(spent, shares)) / sum(shares))
    each = float(model.team.total(each)) / model.team.size  # All take as many steps.
    return with_steps(config, max(SHORTEST, min(LONGEST, round(seconds / each))))


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
    with_filter = filtered(vlm.load(model), request_of(job).concepts)
    return Made(with_filter, None, "all", REFERENCES[name], "names replaced in the answers")
