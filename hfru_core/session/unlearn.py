"""An unlearning session: config + data + model -> `StepEvent`s -> an adapter folder.

It runs in `OUT.part`, which is renamed to `OUT` at the end. The checkpoint there (weights, moments
and best weights so far as safetensors; progress as JSON, written last) is replaced as a whole, so a
session that was killed continues where it was and ends with the same result: each step draws its
randomness from (seed, step) alone.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError

from hfru_core.adapters.folder import base_of, save
from hfru_core.adapters.record import (
    AdapterRecord,
    Outcome,
    TrainingData,
    evaluation_from,
    event_from,
    event_to_json,
)
from hfru_core.config import UnlearnConfig
from hfru_core.data.source import parse_source
from hfru_core.files import reason
from hfru_core.locks import claim
from hfru_core.methods import METHODS, TrainedMethod
from hfru_core.model import gpu_memory
from hfru_core.model.early_maps import early_maps_kept
from hfru_core.model.vlm import VLM
from hfru_core.model.weights import Tensors, snapshot
from hfru_core.session import checkpoint, fit
from hfru_core.session.checkpoint import Progress
from hfru_core.session.checks import Checks
from hfru_core.types import ProbeAnswer, StepEvent, UnlearnData, UserError

LIGHTER = (
    "Take a smaller group (`--group 4`), quantise the decoder (`--quantize nf4`) or compute the "
    "tower's layers twice (`--checkpointing`), each with another --out."
)


class UnlearnSession:
    """One request on one model; iterate `run()`; `stop()` ends it after the current step.

    After `begin`, which `run` calls where nobody did, `estimate` says what the session of a large
    decoder will take on this CPU; its batches are made to fit.
    """

    def __init__(self, vlm: VLM, data: UnlearnData, config: UnlearnConfig, out: Path) -> None:
        self.vlm, self.data, self.config, self.out = vlm, data, config, Path(out)
        self.work = self.out.with_name(self.out.name + ".part")
        self.progress = Progress()
        kind = METHODS[config.method]
        if not issubclass(kind, TrainedMethod):
            raise UserError(
                f"{kind.label} is not trained and leaves no adapter. `python -m hfru_core bench "
                f"--methods {config.method}` runs it."
            )
        self.kind = kind
        self.stopping = self.ready = self.begun = False
        self.best: Tensors = {}
        self.estimate = ""
        self.origin = {"data": data.fingerprint, "base": vlm.fingerprint()}

    def stop(self) -> None:
        """Keep the best weights so far and finish."""
        self.stopping = True

    def run(self) -> Iterator[StepEvent]:
        """Train, report every step, and end with the adapter's folder."""
        if not self.begun:
            self.begin()
        with self.locked():
            while self.progress.step < self.config.steps and not self.stopping:
                yield self.step()
            yield self.finish()
        self.vlm.early = None  # its maps serve no more
        self.unlock()

    def prepare(self) -> None:
        """Claim the output folder; raises where it is taken or cannot be written."""
        self.ready = True
        if not self.vlm.processes.writes:
            return
        try:
            if self.out.exists():
                raise UserError(f"'{self.out}' exists and is not overwritten. Choose another.")
            self.work.mkdir(parents=True, exist_ok=True)
            claim(self.work / "lock")
        except OSError as error:
            raise UserError(f"'{self.out}' cannot be written: {error.strerror or error}.") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Whatever ends the session early, another may go on with its checkpoint."""
        try:
            with gpu_memory.explained("this session", LIGHTER), early_maps_kept(self.vlm):
                yield
        except BaseException:
            self.unlock()
            raise

    def unlock(self) -> None:
        if self.vlm.processes.writes:
            (self.work / "lock").unlink(missing_ok=True)

    def begin(self) -> None:
        """Make ready: what comes before the first step. `run` does it where nobody did."""
        if not self.ready:
            self.prepare()
        self.begun = True
        with self.locked():
            self.start()

    def start(self) -> None:
        """Put LoRA on the model, ask it what it is checked on, and restore a checkpoint."""
        config = self.config
        self.vlm.adapt(
            config.lora_rank, config.scope, config.checkpointing, config.seed, config.full
        )
        self.weights = self.vlm.trainable()
        self.optimiser = torch.optim.AdamW(self.weights.values(), lr=1e-3, weight_decay=0.01)
        self.checks = Checks(self.vlm, self.data, config.seed)
        kept = checkpoint.read(self.work)
        if fit.is_worth_measuring(self.vlm):
            self.fit(kept)
        self.method = self.made(self.config)
        self.method.prepare()
        if kept:
            self.restore(kept)

    def made(self, config: UnlearnConfig) -> TrainedMethod:
        return self.kind(self.vlm, self.checks.rest, config)

    def fit(self, kept: dict | None) -> None:
        """Measure what the session costs; choose its batches, or take those of its checkpoint."""
        asked, done = self.config, kept["step"] if kept else 0
        cost = fit.measured(self.made, asked, self.checks.seconds)
        self.config = fit.fitted(asked, cost)
        if kept:
            with checkpoint.damage_told(self.work):
                self.config = fit.taken_from(asked, kept["identity"]["config"])
        self.estimate = fit.told(cost, asked, self.config, done)

    def identity(self) -> dict:
        """What a checkpoint must be of, to go on from it."""
        return {**self.origin, "config": self.config.to_record()}

    def step(self) -> StepEvent:
        """One optimiser step, and a check and a checkpoint where they are due."""
        number, config, began = self.progress.step, self.config, time.perf_counter()
        rng = random.Random(f"{config.seed}/{number}")
        self.method.begin(number)
        self.optimiser.zero_grad(set_to_none=True)
        done = self.method.backward(number, rng)
        self.update(done.loss, number)
        loss = self.vlm.processes.total(done.loss)
        self.progress.step += 1
        score, probes = self.check_if_due(number)
        seconds = time.perf_counter() - began
        self.progress.seconds += seconds
        event = StepEvent(
            step=number + 1,
            of=config.steps,
            stage=self.method.stage(number),
            loss=float(loss),
            rewards=done.rewards,
            kl=done.kl,
            score=score,
            probes=probes,
            seconds=seconds,
        )
        self.progress.history.append(event_to_json(event))
        if self.progress.step % config.checkpoint_every == 0:
            self.checkpoint()
        return event

    def update(self, loss: torch.Tensor, number: int) -> None:
        """Apply the gradients; raises where they or the loss are not finite."""
        self.optimiser.param_groups[0]["lr"] = self.rate(number)
        self.vlm.processes.sum_gradients(self.weights.values())
        norm = torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise UserError(
                f"The loss became {loss.item()} (gradient {norm.item()}) at step {number + 1}: the "
                "learning rate is too high for this model. The checkpoint before it is kept; try "
                "a tenth of the rate."
            )
        self.optimiser.step()

    def rate(self, number: int) -> float:
        """The learning rate: a short warm-up, then to a tenth within each stage."""
        config, first = self.config, number < self.config.train_steps
        within = number if first else number - config.train_steps
        length = config.train_steps if first else config.hfru.grpo_steps
        top = config.lr if first else config.hfru.grpo_lr
        decay = 1 - 0.9 * within / max(1, length) if config.lr_decay else 1.0
        return top * min(1.0, (within + 1) / 5) * decay

    def check_if_due(self, number: int) -> tuple[float | None, tuple[ProbeAnswer, ...]]:
        """The score on the check set and some answers, where due; keeps the best weights."""
        due = (number + 1) % self.config.check_every == 0 or number + 1 == self.config.steps
        if not due:
            return None, ()
        answers = self.checks.answers()
        rates = self.checks.rates(answers)
        score = self.checks.score(rates)
        final_stage = number >= self.config.train_steps or not self.config.hfru.grpo_steps
        if score >= self.progress.best_score or (final_stage and not self.config.select_best):
            self.progress.best_step, self.progress.best_score = number + 1, score
            self.best, self.progress.best_metrics = snapshot(self.weights), asdict(rates)
        return score, self.checks.probes(answers)

    def checkpoint(self) -> None:
        """Replace the checkpoint by the session as it is now."""
        if self.vlm.processes.writes:
            weights: Tensors = dict(self.weights)
            tensors = {"weight": weights, "best": self.best, "reference": self.method.reference}
            dtype = self.vlm.core.get_input_embeddings().weight.dtype
            checkpoint.write(
                self.work, self.progress, self.identity(), tensors, self.optimiser, dtype
            )

    def restore(self, record: dict) -> None:
        """Continue from a checkpoint of the very same request."""
        identity = record["identity"]
        with checkpoint.damage_told(self.work):
            config = UnlearnConfig.from_record(identity["config"])
            same = {**self.identity(), "config": identity["config"]} == identity
        if config != self.config or not same:
            raise UserError(
                f"'{self.work}' holds an unfinished session of another request. Repeat that "
                "request to finish it, choose another --out, or delete the folder."
            )
        self.progress, self.best, self.method.reference = checkpoint.take_up(
            self.work, record, self.weights, self.optimiser, self.vlm.device
        )

    def finish(self) -> StepEvent:
        """Take the best weights, save the adapter and put its folder in place."""
        for name, value in (self.best or snapshot(self.weights)).items():
            self.weights[name].data.copy_(value)
        began = time.perf_counter()
        if not self.progress.best_metrics:
            self.progress.best_metrics = asdict(self.checks.rates(self.checks.answers()))
        if self.vlm.processes.writes:
            self.put_in_place()
        self.vlm.processes.wait()
        return StepEvent(
            step=self.progress.step,
            of=self.config.steps,
            stage="done",
            loss=0.0,
            score=self.progress.best_score if self.best else None,
            adapter=self.out,
            seconds=time.perf_counter() - began,
        )

    def put_in_place(self) -> None:
        """Write the adapter's folder beside its place, and rename it."""
        result = self.work / "result"
        shutil.rmtree(result, ignore_errors=True)
        write_folder(self, result)
        try:
            os.rename(result, self.out)
        except OSError as error:
            raise UserError(f"'{self.out}' cannot be written: {error.strerror}.") from None
        shutil.rmtree(self.work, ignore_errors=True)


def write_folder(session: UnlearnSession, folder: Path) -> None:
    """Write the adapter folder of a session, with its rates on the check set."""
    try:
        save(session.vlm, folder, record_of(session))
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"The adapter could not be written: {reason(error)}. The checkpoint in "
            f"'{session.work}' is kept: free some space and repeat the command."
        ) from None


def record_of(session: UnlearnSession) -> AdapterRecord:
    """What the adapter's record says of its session."""
    data, done = session.data, session.progress
    return AdapterRecord(
        base=base_of(session.vlm),
        concepts=data.concepts,
        data=TrainingData(parse_source(data.source).public_name, data.fingerprint),
        config=session.config.to_record(),
        session=Outcome(done.step, done.best_step, done.best_score, done.seconds),
        base_metrics=session.checks.base_rates,
        metrics=evaluation_from(done.best_metrics),
        history=tuple(event_from(row, session.config.steps) for row in done.history),
    )
