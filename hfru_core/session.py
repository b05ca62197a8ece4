"""An unlearning session: config + data + model -> `StepEvent`s -> an adapter folder.

It runs in `OUT.part`, which is renamed to `OUT` at the end. The checkpoint there (weights, moments
and best weights so far as safetensors; progress as JSON, written last) is replaced as a whole, so a
session that was killed continues where it was and ends with the same result: each step draws its
randomness from (seed, step) alone.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from hfru_core.config import UnlearnConfig
from hfru_core.data.samples import PROTOCOL
from hfru_core.data.source import parse_source
from hfru_core.files import reason, write_file
from hfru_core.locks import claim
from hfru_core.methods import METHODS, TrainedMethod
from hfru_core.model import gpu_memory
from hfru_core.model.vlm import VLM
from hfru_core.model.weights import Tensors, snapshot
from hfru_core.types import (
    NOT_MEASURED,
    Evaluation,
    ProbeAnswer,
    Rate,
    Role,
    Sample,
    StepEvent,
    UnlearnData,
    UserError,
)

LIGHTER = (
    "Take a smaller group (`--group 4`), quantise the decoder (`--quantize nf4`) or compute the "
    "tower's layers twice (`--checkpointing`), each with another --out."
)
CHECKED: tuple[tuple[Role, int], ...] = (("forget", 24), ("retain", 40))  # images to check on
ENOUGH = 20  # with at least this many images of a role, those to check on are held out


@dataclass
class Progress:
    """What a checkpoint holds beside tensors."""

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
        kind = METHODS[config.method]
        if not issubclass(kind, TrainedMethod):
            raise UserError(
                f"{kind.label} is not trained and leaves no adapter. `python -m hfru_core bench "
                f"--methods {config.method}` runs it."
            )
        self.kind = kind
        self.stopping = self.ready = False
        self.best: Tensors = {}
        self.identity = {
            "data": data.fingerprint,
            "config": config.to_record(),
            "base": vlm.fingerprint(),
        }

    def stop(self) -> None:
        """Keep the best weights so far and finish."""
        self.stopping = True

    def run(self) -> Iterator[StepEvent]:
        """Train, report every step, and end with the adapter's folder."""
        if not self.ready:
            self.prepare()
        try:
            with gpu_memory.explained("this session", LIGHTER):
                self.begin()
                while self.progress.step < self.config.steps and not self.stopping:
                    yield self.step()
            yield self.finish()
        finally:
            if self.vlm.processes.writes:
                (self.work / "lock").unlink(missing_ok=True)

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

    def begin(self) -> None:
        """Put LoRA on the model and restore a checkpoint, if there is one."""
        torch.manual_seed(self.config.seed)
        config = self.config
        self.vlm.adapt(config.lora_rank, config.scope, config.checkpointing)
        self.weights = self.vlm.trainable()
        self.optimiser = torch.optim.AdamW(self.weights.values(), lr=1e-3, weight_decay=0.01)
        self.checks, self.base_answers = self.check_set()
        self.base_rates = self.rates_of(self.base_answers)
        self.method = self.kind(self.vlm, self.training_data, config)
        self.method.prepare()
        self.restore()

    def check_set(self) -> tuple[tuple[Sample, ...], list[str]]:
        """Training samples for checkpoint selection, with the original model's answers.

        Their images are held out of training, unless a request has too few of a role.
        """
        rng = random.Random(f"check {self.config.seed}")
        rows: list[Sample] = []
        held: set[str] = set()
        for role, count in CHECKED:
            pool = self.data.select(role, "train")
            images = sorted({s.image_key for s in pool})
            picked = set(rng.sample(images, min(count, max(1, len(images) // 5))))
            held |= picked if len(images) >= ENOUGH else set()
            rows += [s for s in pool if s.image in picked and s.topic in (*PROTOCOL, "colour")]
        rest = tuple(s for s in self.data.samples if s.image not in held)
        self.training_data = replace(self.data, samples=rest)
        return tuple(rows), evaluate.answers(self.vlm, rows)

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
        answers = evaluate.answers(self.vlm, self.checks)
        rates = self.rates_of(answers)
        score = self.score(rates)
        final_stage = number >= self.config.train_steps or not self.config.hfru.grpo_steps
        if score >= self.progress.best_score or (final_stage and not self.config.select_best):
            self.progress.best_step, self.progress.best_score = number + 1, score
            self.best, self.progress.best_metrics = snapshot(self.weights), asdict(rates)
        return score, self.probe_answers(answers)

    def rates_of(self, answers: list[str]) -> Evaluation:
        """The rates of answers on the check set."""
        rows = evaluate.judged(self.data, self.checks, answers)
        return evaluate.summary(rows, NOT_MEASURED)

    def score(self, now: Evaluation) -> float:
        """Mean of the five goals on the check set, the worst one counted twice; 1 is perfect."""
        retained = evaluate.relative(now.retain, self.base_rates.retain) or 0.0
        attributes = evaluate.relative(now.attributes, self.base_rates.attributes)
        goals = [
            measured(now.forget),
            min(1.0, retained),
            1 - measured(now.hallucination),
            measured(now.abstraction),
            1.0 if attributes is None else min(1.0, attributes),
        ]
        return (sum(goals) + min(goals)) / 6

    def probe_answers(self, answers: list[str]) -> tuple[ProbeAnswer, ...]:
        """The first images of the check set with their answers before and now."""
        probes: dict[str, ProbeAnswer] = {}
        for s, before, now in zip(self.checks, self.base_answers, answers):
            if s.topic in ("describe", "name"):
                probe = ProbeAnswer(s.image_key, s.question, before, now, s.role)
                probes.setdefault(s.image_key, probe)
        forget = [p for p in probes.values() if p.role == "forget"][:4]
        return (*forget, *[p for p in probes.values() if p.role == "retain"][:4])

    def checkpoint(self) -> None:
        """Replace the checkpoint: tensors first, the JSON that names their file last."""
        if not self.vlm.processes.writes:
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
        """Continue from a checkpoint of the very same request, if there is one."""
        path = self.work / "session.json"
        if not path.is_file():
            return
        with self.damage_told():
            record = json.loads(path.read_text())
            mine = self.is_of_this_request(record.pop("identity"))
        if not mine:
            raise UserError(
                f"'{self.work}' holds an unfinished session of another request. Repeat that "
                "request to finish it, choose another --out, or delete the folder."
            )
        with self.damage_told():
            self.take_up(record)

    @contextmanager
    def damage_told(self) -> Iterator[None]:
        """Raise in one line what is wrong with a checkpoint and what to do."""
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError,
                RecursionError, SafetensorError) as error:  # fmt: skip
            raise UserError(
                f"The checkpoint of this session is damaged ({type(error).__name__}): it cannot go "
                f"on. Delete '{self.work.name}' (in the app: the button Delete) and start anew."
            ) from None

    def take_up(self, record: dict) -> None:
        """Take progress, weights and moments from a checkpoint."""
        tensors = load_file(self.work / record.pop("file"), device=str(self.vlm.device))
        self.progress = Progress(**record)
        kinds = ("weight", "best", "reference", "exp_avg", "exp_avg_sq", "step")
        part: dict[str, Tensors] = {kind: {} for kind in kinds}
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            part[kind][name] = value
        self.best, self.method.reference = part["best"], part["reference"]
        for name, p in self.weights.items():
            p.data.copy_(part["weight"][name])
            if name in part["step"]:
                keys = ("step", "exp_avg", "exp_avg_sq")
                self.optimiser.state[p] = {k: part[k][name] for k in keys}

    def is_of_this_request(self, identity: dict) -> bool:
        """Whether a checkpoint's identity is this session's."""
        config = UnlearnConfig.from_record(identity["config"])
        return config == self.config and identity == {**self.identity, "config": identity["config"]}

    def finish(self) -> StepEvent:
        """Take the best weights, save the adapter and put its folder in place."""
        for name, value in (self.best or snapshot(self.weights)).items():
            self.weights[name].data.copy_(value)
        began = time.perf_counter()
        if not self.progress.best_metrics:
            self.progress.best_metrics = asdict(
                self.rates_of(evaluate.answers(self.vlm, self.checks))
            )
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
        base_metrics=session.base_rates,
        metrics=evaluation_from(done.best_metrics),
        history=tuple(event_from(row, session.config.steps) for row in done.history),
    )


def measured(rate: Rate) -> float:
    """A rate that must have been measured."""
    if rate.rate is None:
        raise ValueError("The check set has no protocol question about what is to be forgotten.")
    return rate.rate


def contiguous(tensors: Tensors) -> Tensors:
    """Copies that safetensors can write."""
    return {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
