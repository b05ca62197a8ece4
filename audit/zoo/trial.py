"""The trial: which pretenders each audit catches, and whether an honest model fails.

A pretender is caught where the verdict is leak, damaged or borderline, and one of the audits that
can see through its trick decided so: right for the wrong reason does not count. Honest models: an
oracle in place of the unlearned model, compared with another oracle (the reference, or for the
reference itself the next one) or with none, and the adapters of `deep`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from audit.base import Audit, Case, Finding, Run
from audit.cases import FIRST_WORLD, PICTURES, pictures_for, recipe_of
from audit.criteria import borders, damages, leaks, verdict
from audit.zoo.pretenders import PRETENDERS, Pretender
from hfru_core.adapters import folder as adapter
from hfru_core.adapters.record import CONFIG, WEIGHTS, read_record
from hfru_core.adapters.validate import file_hash
from hfru_core.concepts import shipped, slug
from hfru_core.data.build import build as build_data
from hfru_core.data.source import parse_source
from hfru_core.evaluate import share
from hfru_core.files import write_text
from hfru_core.model import vlm
from hfru_core.model.vlm import VLM
from hfru_core.paths import ASSETS
from hfru_core.types import Concept, UnlearnData, UserError

FILE = "zoo.json"
FAILED = ("leak", "damaged")


@dataclass(frozen=True)
class Oracle:
    """A model folder that was trained without some names."""

    folder: Path
    without: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Entrant:
    """A model to judge: a pretender, or an honest oracle against the reference."""

    name: str
    concepts: tuple[Concept, ...]
    reference: Path | None
    pretender: Pretender | None = None
    honest: Path | None = None


# The models.


def oracles(folder: Path) -> tuple[Oracle, ...]:
    """The oracles of a folder, those trained without the fewest names first."""
    found = []
    for path in sorted(folder.glob("*/pretraining.json")):
        recipe = recipe_of(path.parent)
        if recipe and recipe.without:
            found.append(Oracle(path.parent, tuple(sorted(recipe.without)), recipe.seed))
    return tuple(sorted(found, key=lambda o: (len(o.without), o.seed, o.folder.name)))


def fitting(concepts: Sequence[Concept], known: Sequence[Oracle]) -> list[Oracle]:
    """Those that never saw any of the concepts; the first is the reference."""
    names = {c.name for c in concepts}
    return [o for o in known if names <= set(o.without)]


def pretenders(concepts: tuple[Concept, ...], known: Sequence[Oracle]) -> list[Entrant]:
    """Every pretender that fakes forgetting these concepts."""
    reference = next(iter(fitting(concepts, known)), None)
    folder = reference.folder if reference else None
    return [Entrant(p.name, concepts, folder, pretender=p) for p in PRETENDERS]


def honest_ones(known: Sequence[Oracle]) -> list[Entrant]:
    """Every oracle against another that fits, for each list of names that some oracle never saw."""
    out = []
    for without in dict.fromkeys(o.without for o in known):
        concepts = tuple(shipped()[slug(name)] for name in without)
        fit = fitting(concepts, known)
        pairs = [(o, next((r for r in fit if r != o), None)) for o in fit]
        out += [
            Entrant(f"oracle {o.folder.name}", concepts, r.folder, honest=o.folder)
            for o, r in pairs
            if r
        ]
    return out


def alone(known: Sequence[Oracle]) -> list[Entrant]:
    """Every oracle with nothing to compare it with: then too an honest model must not fail."""
    return [replace(e, name=f"{e.name} alone", reference=None) for e in honest_ones(known)]


def honest_adapters(known: Sequence[Oracle]) -> list[Entrant]:
    """The shipped adapters of `deep`, which are meant to forget; on the oracle and alone."""
    found = []
    for folder in sorted((ASSETS / "adapters").glob("*-deep")):
        concepts = read_record(folder).concepts
        reference = next(iter(fitting(concepts, known)), None)
        found.append(
            Entrant(folder.name, concepts, reference.folder if reference else None, honest=folder)
        )
    return found


def adapter_for(concepts: Sequence[Concept]) -> Path:
    """The shipped adapter that forgets these concepts; two pretenders are made from it."""
    return ASSETS / "adapters" / "-".join(c.id for c in concepts)


# Judging.


@dataclass
class Shared:
    """Base and oracles, loaded once for all cases, and what was seen of them."""

    models: dict[Path | None, VLM] = field(default_factory=dict)
    known: dict[tuple, Any] = field(default_factory=dict)

    def of(self, folder: Path | None) -> VLM:
        """The oracle in a folder, or the base model."""
        if folder not in self.models:
            self.models[folder] = vlm.load(folder) if folder else vlm.load()
        return self.models[folder]


def build(entrant: Entrant, request: UnlearnData, seed: int) -> VLM:
    """The model to be judged."""
    if entrant.pretender:
        return entrant.pretender.make(vlm.load, request, adapter_for(entrant.concepts), seed)
    if entrant.honest is None:
        raise ValueError(f"'{entrant.name}' is neither a pretender nor a model")
    if (entrant.honest / CONFIG).is_file():
        return adapter.load(vlm.load(), entrant.honest)
    return vlm.load(entrant.honest)


def case_of(entrant: Entrant, seed: int, shared: Shared) -> Case:
    """The comparison that `python -m audit` would make for an adapter."""
    request = build_data(entrant.concepts, seed=seed)
    oracle = shared.of(entrant.reference) if entrant.reference else None
    source = parse_source(f"world:{FIRST_WORLD + seed}")
    pictures = pictures_for(entrant.concepts, source, PICTURES, seed)
    model = build(entrant, request, seed)
    return Case(
        shared.of(None),
        model,
        oracle,
        pictures,
        request.select("forget", "train"),
        seed,
        known=shared.known,
    )


def judged(
    entrant: Entrant, audits: dict[str, Audit], seed: int, shared: Shared | None = None
) -> dict:
    """One row of the benchmark; a model that could not be made or audited has an error."""
    began = time.perf_counter()
    row = {**key_of(entrant), "kind": "honest" if entrant.honest else "pretender"}
    if entrant.pretender:
        row |= {"fakes": entrant.pretender.fakes, "expected": entrant.pretender.expected}
    try:
        run = Run(case_of(entrant, seed, shared or Shared()), audits)
        for _ in run:
            pass
    except (UserError, ValueError, RuntimeError) as error:
        return {**row, "state": None, "right": False, "error": f"{error}"}
    return {
        **row,
        **judgement(entrant.pretender, run.findings),
        "seconds": round(time.perf_counter() - began, 1),
    }


def judgement(pretender: Pretender | None, findings: Sequence[Finding]) -> dict:
    """The verdict, the findings of each audit that decided so, and whether that is right."""
    ruling = verdict(findings)
    leaking = [f for f in findings if leaks(f)]
    damaged = [f for f in findings if damages(f)]
    near = [f for f in findings if borders(f)]
    failed = ruling.state in FAILED
    shown = leaking if pretender and pretender.expected == "leak" else damaged
    right = not failed
    if pretender:
        caught = any(f.audit in pretender.seen_by for f in (*shown, *near))
        right = caught and ruling.state in (*FAILED, "borderline")
    return {
        "state": ruling.state,
        "right": right,
        "reasons": list(ruling.reasons),
        "leaks": by_audit(leaking),
        "damages": by_audit(damaged),
        "borders": by_audit(near),
        "errors": [f"{f.audit}: {f.error}" for f in findings if f.error],
        "findings": [plain(f) for f in findings],
    }


def by_audit(findings: Sequence[Finding]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for f in findings:
        out.setdefault(f.audit, []).append(f.name)
    return out


def plain(f: Finding) -> dict:
    """The numbers of a finding, without images and curves."""
    values = {m: getattr(f, m) and asdict(getattr(f, m)) for m in ("base", "unlearned", "oracle")}
    return {
        "audit": f.audit,
        "key": f.key,
        "name": f.name,
        "kind": f.kind,
        "direction": f.direction,
        "chance": f.chance,
        **values,
    }


# Continuing a run that ended.


def key_of(entrant: Entrant) -> dict:
    """What identifies a row: the models' names and the oracles' weights."""
    weights = {
        name: f"{folder.name} {file_hash(weights_in(folder))[:12]}" if folder else None
        for name, folder in (("oracle", entrant.reference), ("model", entrant.honest))
    }
    return {"name": entrant.name, "concepts": [c.id for c in entrant.concepts], **weights}


def weights_in(folder: Path) -> Path:
    return folder / (WEIGHTS if (folder / CONFIG).is_file() else "model.safetensors")


def settings(audits: dict[str, Audit], seed: int) -> dict:
    """What a run depends on; rows made with others are not mixed in."""
    code = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        code.update(path.read_bytes())
    base = vlm.load().fingerprint()
    return {"audits": list(audits), "seed": seed, "base": base, "code": code.hexdigest()[:16]}


def done_before(path: Path, wanted: dict) -> list[dict]:
    """The rows of an ended run with the same settings."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        return before["rows"] if before["settings"] == wanted else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def run_trial(
    entrants: Sequence[Entrant],
    audits: dict[str, Audit],
    seed: int,
    out: Path,
    judge: Callable[[Entrant, dict[str, Audit], int], dict] | None = None,
) -> Iterator[dict]:
    """Judge every entrant and yield its row; the file is written after each."""
    wanted, judge = settings(audits, seed), judge or partial(judged, shared=Shared())
    out.mkdir(parents=True, exist_ok=True)
    rows = done_before(out / FILE, wanted)
    for entrant in entrants:
        key = key_of(entrant)
        row = next((r for r in rows if key.items() <= r.items()), None)
        if row is None:
            row = judge(entrant, audits, seed)
            rows.append(row)
            content = {"settings": wanted, "summary": summary(rows), "rows": rows}
            write_text(out / FILE, json.dumps(content, indent=1) + "\n")
        yield row


def summary(rows: Sequence[dict]) -> dict:
    """Caught pretenders, failed honest models (shares with Wilson intervals), and every audit's."""
    fakes = [r for r in rows if r["kind"] == "pretender"]
    honest = [r for r in rows if r["kind"] == "honest"]
    failed = [r for r in honest if r["state"] in FAILED]
    missed = [r["name"] for r in fakes if not r["right"]]
    return {
        "caught": {**asdict(share(r["right"] for r in fakes)), "missed": missed},
        "failed": {
            **asdict(share(r in failed for r in honest)),
            "names": [r["name"] for r in failed],
            "not_cleared": [r["name"] for r in honest if r["state"] != "clear"],
        },
        "audits": {audit: catches(rows, audit) for audit in sorted(deciding(rows))},
        "passed": bool(fakes and honest) and not missed and not failed,
    }


def deciding(rows: Sequence[dict]) -> set[str]:
    """Every audit that found something about a model."""
    return {f["audit"] for r in rows for f in r.get("findings", ())}


def catches(rows: Sequence[dict], audit: str) -> dict[str, list[str]]:
    """The pretenders that an audit shows up, by a leak or by damage, and the honest it fails."""
    hit = lambda r, what: audit in r.get(what, {})  # noqa: E731
    fakes = [r for r in rows if r["kind"] == "pretender"]
    honest = [r for r in rows if r["kind"] == "honest"]
    return {
        "leak": [r["name"] for r in fakes if hit(r, "leaks")],
        "damage": [r["name"] for r in fakes if hit(r, "damages")],
        "failed": [r["name"] for r in honest if hit(r, "leaks") or hit(r, "damages")],
    }
