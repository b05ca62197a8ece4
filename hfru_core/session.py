"""An unlearning session: config + data + model -> `StepEvent`s -> an adapter folder.

Runs in `OUT.part` and is renamed to `OUT` when it is whole. The checkpoint there (weights, moments
and best so far as safetensors; progress as JSON, written last) is replaced whole, so a session
that was killed goes on where it was and ends with the same result: each step draws its randomness
from (seed, step) alone.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hfru_core import evaluate
from hfru_core.adapters.folder import base_of, save
from hfru_core.adapters.record import (
    AdapterRecord,
    Outcome,
    TrainingData,
    evaluation_from,
    event_from,
    event_to_json,
)
from hfru_core.data.samples import PROTOCOL
from hfru_core.data.source import parse_source
from hfru_core.files import reason, write_file
from hfru_core.locks import claim
from hfru_core.methods import METHODS
from hfru_core.model import gpu_memory
from hfru_core.model.vlm import VLM
from hfru_core.types import (
    Evaluation,
    ProbeAnswer,
    Sample,
    StepEvent,
    UnlearnConfig,
    UnlearnData,
    UserError,
)

Tensors = dict[str, torch.Tensor]
LIGHTER = (
    "Take a smaller group (`--group 4`), quantise the decoder (`--quantize nf4`) or compute the "
    "tower's layers twice (`--checkpointing`), each with another --out."
)
ENOUGH = 20  # pictures of a role, from which on some are held out to compare steps on


@dataclass
class Progress:
    """What a checkpoint keeps beside tensors."""

    step: int = 0
    best_step: int = -1
    best_score: float = -1.0
    best_metrics: dict | None = None
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)


class UnlearnSession:
    """One request on one model; iterate `run()`; `stop()` ends it after the current step."""

    def __init__(self, vlm: VLM, data: UnlearnData, config: UnlearnConfig, out: Path) -> None:
        self.vlm, self.data, self.config, self.out = vlm, data, config, Path(out)
        self.work = self.out.with_name(self.out.name + ".part")
        self.progress = Progress()
        if not METHODS[config.method].trains:
            label = METHODS[config.method].label
            raise UserError(
                f"{label} is not trained and leaves no adapter. `python -m hfru_core bench "
                f"--methods {config.method}` runs it."
            )
        self.stopping = self.ready = False
        self.best: Tensors = {}
        self.identity = {
            "data": data.fingerprint,
            "config": asdict(config),
            "base": vlm.fingerprint(),
        }

    def stop(self) -> None:
        """Keep the best weights so far and finish."""
        self.stopping = True

    def run(self) -> Iterator[StepEvent]:
        """Train, tell after every step, and end with the adapter's folder."""
        if not self.ready:
            self.prepare()
        try:
            with gpu_memory.advice("this session", LIGHTER):
                self.begin()
                while self.progress.step < self.config.steps and not self.stopping:
                    yield self.step()
            yield self.finish()
        finally:
            if self.vlm.team.writes:
                (self.work / "lock").unlink(missing_ok=True)

    def prepare(self) -> None:
        """Claim the output folder; raises where it is taken or cannot be written."""
        self.ready = True
        if not self.vlm.team.writes:
            return
        try:
            if self.out.exists():
                raise UserError(f"'{self.out}' exists and is not overwritten. Choose another.")
            self.work.mkdir(parents=True, exist_ok=True)
            claim(self.work / "lock")
        except OSError as error:
            raise UserError(f"'{self.out}' cannot be written: {error.strerror or error}.") from None

    def begin(self) -> None:
        torch.manual_seed(self.config.seed)
        config = self.config
        self.vlm.adapt(config.lora_rank, config.scope, config.checkpointing)
        self.weights = self.vlm.trainable()
        self.optimiser = torch.optim.AdamW(self.weights.values(), lr=1e-3, weight_decay=0.01)
        self.checks, self.base_said = self.check_set()
        self.base_scores = self.rates_of(self.base_said)
        self.method = METHODS[config.method](self.vlm, self.lessons, config)
        self.method.prepare()
        self.restore()

    def check_set(self) -> tuple[tuple[Sample, ...], list[str]]:
        """Training samples that steps are compared on, with the original model's answers.

        Their pictures are kept out of the lessons, unless a request has too few to spare any.
        """
        rng = random.Random(f"check {self.config.seed}")
        rows: list[Sample] = []
        held: set[str] = set()
        for role, count in (("forget", 24), ("retain", 40)):
            pool = self.data.select(role, "train")
            images = sorted({s.image for s in pool})
            picked = set(rng.sample(images, min(count, max(1, len(images) // 5))))
            held |= picked if len(images) >= ENOUGH else set()
            rows += [s for s in pool if s.image in picked and s.topic in (*PROTOCOL, "colour")]
        rest = tuple(s for s in self.data.samples if s.image not in held)
        self.lessons = replace(self.data, samples=rest)
        return tuple(rows), evaluate.answers(self.vlm, rows)

    def step(self) -> StepEvent:
        """One optimiser step of the stage that is due, and a check where one is due."""
        number, config, began = self.progress.step, self.config, time.perf_counter()
        rng = random.Random(f"{config.seed}/{number}")
        self.method.begin(number)
        self.optimiser.zero_grad(set_to_none=True)
        done = self.method.backward(number, rng)
        self.update(done.loss, number)
        loss = self.vlm.team.total(done.loss)
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
        self.optimiser.param_groups[0]["lr"] = self.rate(number)
        self.vlm.team.sum_gradients(self.weights.values())
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
        config, first = self.config, number < self.config.stage1_steps
        within = number if first else number - config.stage1_steps
        length = config.stage1_steps if first else config.grpo_steps
        top = config.stage1_lr if first else config.grpo_lr
        decay = 1 - 0.9 * within / max(1, length) if config.lr_decay else 1.0
        return top * min(1.0, (within + 1) / 5) * decay

    def check_if_due(self, number: int) -> tuple[float | None, tuple[ProbeAnswer, ...]]:
        due = (number + 1) % self.config.check_every == 0 or number + 1 == self.config.steps
        if not due:
            return None, ()
        said = evaluate.answers(self.vlm, self.checks)
        rates = self.rates_of(said)
        score = self.score(rates)
        final_stage = number >= self.config.stage1_steps or not self.config.grpo_steps
        if score >= self.progress.best_score or (final_stage and not self.config.select_best):
            self.progress.best_step, self.progress.best_score = number + 1, score
            self.best, self.progress.best_metrics = values_of(self.weights), asdict(rates)
        return score, self.probe_answers(said)

    def rates_of(self, said: list[str]) -> Evaluation:
        rows = evaluate.judged(self.data, self.checks, said)
        return evaluate.summary(rows, evaluate.wilson(0, 0))

    def score(self, now: Evaluation) -> float:
        """Mean of the five goals on the check set, the worst one counted twice; 1 is perfect."""
        kept = min(1.0, evaluate.relative(now.retain, self.base_scores.retain) or 0.0)
        held = evaluate.relative(now.attributes, self.base_scores.attributes)
        goals = [
            now.forget.rate,
            kept,
            1 - now.hallucination.rate,
            now.abstraction.rate,
            1.0 if held is None else min(1.0, held),
        ]
        return (sum(goals) + min(goals)) / 6

    def probe_answers(self, said: list[str]) -> tuple[ProbeAnswer, ...]:
        """The first pictures of the check set with their answers before and now."""
        shown = {}
        for s, before, now in zip(self.checks, self.base_said, said):
            if s.topic in ("describe", "name") and s.image not in shown:
                shown[s.image] = ProbeAnswer(s.image, s.question, before, now, s.role)
        forget = [p for p in shown.values() if p.role == "forget"][:4]
        return (*forget, *[p for p in shown.values() if p.role == "retain"][:4])

    def checkpoint(self) -> None:
        """Replace the checkpoint whole: tensors first, the JSON that names them last."""
        if not self.vlm.team.writes:
            return
        name = f"checkpoint-{self.progress.step}.safetensors"
        tensors = {f"weight/{n}": p.data for n, p in self.weights.items()}
        tensors |= {f"best/{n}": t for n, t in self.best.items()}
        tensors |= {f"reference/{n}": t for n, t in self.method.reference.items()}
        for n, p in self.weights.items():
            for key, value in self.optimiser.state[p].items():
                tensors[f"{key}/{n}"] = value
        write_file(self.work / name, lambda path: save_file(contiguous(tensors), path))
        record = {**asdict(self.progress), "file": name, "identity": self.identity}
        write_file(
            self.work / "session.json", lambda path: path.write_text(json.dumps(record, indent=1))
        )
        for old in self.work.glob("checkpoint-*.safetensors"):
            if old.name != name:
                old.unlink()

    def restore(self) -> None:
        """Go on from a checkpoint of the very same request, if there is one."""
        path = self.work / "session.json"
        if not path.is_file():
            return
        record = json.loads(path.read_text())
        if record.pop("identity") != json.loads(json.dumps(self.identity)):
            raise UserError(
                f"'{self.work}' holds an unfinished session of another request. Repeat that "
                "request to finish it, choose another --out, or delete the folder."
            )
        tensors = load_file(self.work / record.pop("file"), device=str(self.vlm.device))
        self.progress = Progress(**record)
        part = {k: {} for k in ("weight", "best", "reference", "exp_avg", "exp_avg_sq", "step")}
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            part[kind][name] = value
        self.best, self.method.reference = part["best"], part["reference"]
        for name, p in self.weights.items():
            p.data.copy_(part["weight"][name])
            if name in part["step"]:
                keys = ("step", "exp_avg", "exp_avg_sq")
                self.optimiser.state[p] = {k: part[k][name] for k in keys}

    def finish(self) -> StepEvent:
        """Put the best weights on, save the adapter and rename the folder: it is whole now."""
        for name, value in (self.best or values_of(self.weights)).items():
            self.weights[name].data.copy_(value)
        began = time.perf_counter()
        if not self.progress.best_metrics:
            self.progress.best_metrics = asdict(
                self.rates_of(evaluate.answers(self.vlm, self.checks))
            )
        if self.vlm.team.writes:
            self.put_in_place()
        self.vlm.team.wait()
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
    """The adapter folder of a session, its rates on the check set inside."""
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
        config=asdict(session.config),
        session=Outcome(done.step, done.best_step, done.best_score, done.seconds),
        base_metrics=session.base_scores,
        metrics=evaluation_from(done.best_metrics),
        history=tuple(event_from(row, session.config.steps) for row in done.history),
    )


def values_of(weights: dict[str, torch.nn.Parameter]) -> Tensors:
    return {n: p.detach().clone() for n, p in weights.items()}


def contiguous(tensors: Tensors) -> Tensors:
    return {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
