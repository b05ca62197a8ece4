"""What an adapter says of itself: its `unlearning.json`, read and checked without torch or PEFT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hfru_core.concepts import from_dict
from hfru_core.files import read_json
from hfru_core.types import NOT_MEASURED, Concept, Evaluation, Rate, StepEvent, UserError

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
INFO = "unlearning.json"
HASHED = (CONFIG, WEIGHTS)
SCHEMA = 1
MOST_BYTES = 2**20  # of the file
MOST_CONCEPTS, MOST_PARTS, MOST_STEPS, MOST_SETTINGS = 64, 64, 10_000, 200
LONGEST_LINE = 1_000
MOST_STRENGTH = 100
LARGEST = 1e12  # of a number
KEYS = {
    "schema", "base", "concepts", "data", "config", "session", "base_metrics", "metrics", "history",
    "parts", "created", "versions", "hashes", "merged",
}  # fmt: skip
STEPS = ("stage1_steps", "grpo_steps")
STRONGEST = 1.5  # at most; 1 is an adapter as it was trained
NOTHING_MEASURED = Evaluation(**{f.name: NOT_MEASURED for f in fields(Evaluation)})
EVENT = ("step", "stage", "loss", "rewards", "kl", "score", "seconds")


@dataclass(frozen=True)
class BaseModel:
    """The model that an adapter was made for; one from a local folder has no revision."""

    name: str
    revision: str | None
    fingerprint: str


@dataclass(frozen=True)
class TrainingData:
    """What a session trained on: the source by its public name, and the data's fingerprint."""

    source: str
    fingerprint: str


@dataclass(frozen=True)
class Outcome:
    """How a session ended; `best_step` is -1 where no checkpoint was selected."""

    step: int = 0
    best_step: int = -1
    best_score: float = -1.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Part:
    """One of the adapters that a sum was made of; `weights` is the SHA-256 of its weights."""

    weights: str
    strength: float
    concepts: tuple[str, ...]
    scope: str | None = None


@dataclass(frozen=True)
class AdapterRecord:
    """What is known of an adapter: either a session made it, or it is a sum of `parts`.

    `config` holds the session's settings by name. `created` is UTC in ISO format, None of adapters
    that were made before 0.2. Nothing was measured of a sum.
    """

    base: BaseModel
    concepts: tuple[Concept, ...]
    data: TrainingData | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    session: Outcome = Outcome()
    base_metrics: Evaluation | None = None
    metrics: Evaluation | None = None
    history: tuple[StepEvent, ...] = ()
    parts: tuple[Part, ...] = ()
    created: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> str:
        """The concepts that were unlearned, for people."""
        return ", ".join(c.name for c in self.concepts)

    @property
    def method(self) -> str:
        return str(self.config.get("method", "hfru"))

    @property
    def scopes(self) -> tuple[str | None, ...]:
        """What the adapter changes, or what each of its parts does; None where it is not noted."""
        return tuple(p.scope for p in self.parts) or (self.config.get("scope"),)

    def to_json(self) -> dict[str, Any]:
        """The contents of `unlearning.json`."""
        made = self.sum_to_json() if self.parts else self.session_to_json()
        created = {"created": self.created} if self.created else {}
        return {
            "schema": SCHEMA,
            "base": asdict(self.base),
            "concepts": [asdict(c) for c in self.concepts],
            **made,
            **created,
            "versions": dict(self.versions),
            "hashes": dict(self.hashes),
        }

    def sum_to_json(self) -> dict[str, Any]:
        return {"parts": [asdict(p) for p in self.parts]}

    def session_to_json(self) -> dict[str, Any]:
        return {
            "data": asdict(self.data) if self.data else None,
            "config": dict(self.config),
            "session": asdict(self.session),
            "base_metrics": asdict(self.base_metrics) if self.base_metrics else {},
            "metrics": asdict(self.metrics) if self.metrics else {},
            "history": [event_to_json(e) for e in self.history],
        }


def read_record(folder: Path) -> AdapterRecord:
    """The record of an adapter folder; raises where it is missing or not of this schema.

    The other files are not looked at: `validate.checked_record` checks all of them.
    """
    path = folder / INFO
    if not path.is_file():
        raise UserError(
            f"'{folder.name}' is not an adapter of this project: {INFO} cannot be "
            "read (it is missing)."
        )
    try:
        return record_from(read_json(path, MOST_BYTES))
    except UserError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        where = f"'{folder.name}/{INFO}'"
        raise UserError(f"{where} is not readable as schema {SCHEMA}: {error}.") from None


def record_from(values: dict[str, Any]) -> AdapterRecord:
    """The record that JSON holds; raises an error that names what is wrong in it."""
    if values["schema"] != SCHEMA:
        raise ValueError(f"its schema is {values['schema']!r:.80}")
    if unknown := sorted(set(values) - KEYS):
        raise ValueError(f"unknown keys: {', '.join(unknown)}")
    if not values["concepts"]:
        raise ValueError("it names no concepts")
    check_lengths(values)
    parts = tuple(map(part_from, values.get("parts") or ()))
    data, created = values.get("data"), values.get("created")
    config = {} if parts and not values.get("config") else config_from(values.get("config") or {})
    steps = sum(config.get(k, 0) for k in STEPS)
    return AdapterRecord(
        base=base_from(values["base"]),
        concepts=tuple(map(concept_from, values["concepts"])),
        data=None if parts and not data else data_from(values["data"]),
        config=config,
        session=outcome_from(values.get("session") or {}),
        base_metrics=evaluation_from(values.get("base_metrics")),
        metrics=evaluation_from(values.get("metrics")),
        history=tuple(event_from(row, steps) for row in values.get("history") or ()),
        parts=parts,
        created=None if created is None else line(created),
        versions=lines(values.get("versions") or {}),
        hashes=hashes_from(values["hashes"]),
    )


def check_lengths(values: dict[str, Any]) -> None:
    """Refuse more of anything than a session of this project writes."""
    for name, most in (
        ("concepts", MOST_CONCEPTS), ("parts", MOST_PARTS), ("history", MOST_STEPS),
        ("config", MOST_SETTINGS), ("versions", MOST_SETTINGS), ("hashes", MOST_SETTINGS),
    ):  # fmt: skip
        found = values.get(name) or ()
        if not isinstance(found, list | dict | tuple) or len(found) > most:
            raise ValueError(f"{name} must be at most {most} values")


def base_from(values: dict[str, Any]) -> BaseModel:
    revision = values["revision"]
    return BaseModel(
        line(values["name"]),
        None if revision is None else line(revision),
        line(values["fingerprint"]),
    )


def concept_from(values: dict[str, Any]) -> Concept:
    concept = from_dict(values, "concepts")
    line(concept.name)
    return concept


def data_from(values: dict[str, Any]) -> TrainingData:
    return TrainingData(line(values["source"]), line(values["fingerprint"]))


def config_from(values: dict[str, Any]) -> dict[str, Any]:
    """A session's settings; the preset and the seed are among them."""
    line(values["preset"])
    line(values.get("scope") or "")
    for value in (values["seed"], *(values.get(k, 0) for k in STEPS)):
        number(value)
    return {line(name): setting(value) for name, value in values.items()}


def setting(value: object) -> Any:
    """A setting of a session: a number, a line, None, or a short list of those."""
    if isinstance(value, list | tuple):
        if len(value) > MOST_SETTINGS:
            raise ValueError(f"a setting has {len(value)} values")
        return [setting(v) for v in value]
    if value is None or isinstance(value, int | float):
        return value if value is None else number(value)
    return line(value)


def outcome_from(values: dict[str, Any]) -> Outcome:
    return Outcome(**{name: number(value) for name, value in values.items()})


def part_from(values: dict[str, Any]) -> Part:
    scope = values.get("scope")
    return Part(
        line(values["weights"]),
        strength(values["strength"]),
        tuple(map(line, values["concepts"])),
        None if scope is None else line(scope),
    )


def strength(value: object) -> float:
    """How strongly a part is added, from 0 to a hundred times what was trained."""
    if not 0 <= number(value) <= MOST_STRENGTH:
        raise ValueError(f"a strength lies between 0 and {MOST_STRENGTH}, got {value!r:.80}")
    return float(value)  # type: ignore[arg-type]


def hashes_from(values: dict[str, Any]) -> dict[str, str]:
    for file in HASHED:
        line(values[file])
    return lines(values)


def evaluation_from(rates: dict[str, Any] | None) -> Evaluation | None:
    """Rates by the names of measures, None of no rates; what is left out was not measured."""
    if not rates:
        return None
    if unknown := sorted(set(rates) - {f.name for f in fields(Evaluation)}):
        raise ValueError(f"unknown measures: {', '.join(unknown)}")
    return replace(NOTHING_MEASURED, **{name: rate_from(r) for name, r in rates.items()})


def rate_from(values: dict[str, Any]) -> Rate:
    rate = Rate(**values)
    number(rate.n)
    known = [number(v) for v in (rate.rate, rate.low, rate.high) if v is not None]
    if len(known) not in (0, 3):
        raise ValueError("a rate comes with its interval, or without any value")
    return rate


def event_from(row: dict[str, Any], of: int) -> StepEvent:
    """A step of the history; `of` is how many the session was to have."""
    event = StepEvent(of=of, **row)
    line(event.stage)
    for value in (event.step, event.loss, event.seconds, *event.rewards.values()):
        number(value)
    for optional in (event.kl, event.score):
        number(optional or 0)
    return event


def event_to_json(event: StepEvent) -> dict[str, Any]:
    """A step for the history, without answers."""
    return {name: getattr(event, name) for name in EVENT}


def lines(values: dict[str, Any]) -> dict[str, str]:
    return {line(k): line(v) for k, v in values.items()}


def line(value: object) -> str:
    """The same, if it is one line of text, not too long."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_LINE:
        raise ValueError(f"expected a line of text, got {value!r:.80}")
    return value


def number(value: object) -> Any:
    """The same, if it is a number, finite and no larger than any that a session writes."""
    if not isinstance(value, int | float) or not abs(value) < LARGEST:
        raise ValueError(f"expected a number, got {value!r:.80}")
    return value
