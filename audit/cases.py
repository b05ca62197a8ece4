"""The case of an audit: who is compared with whom, on which pictures; checked before long work."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hfru_core.paths import ASSETS
from hfru_core.types import Concept, Sample, UserError

if TYPE_CHECKING:
    from audit.base import Case
    from audit.report.report import Subject
    from hfru_core.adapters.record import AdapterRecord
    from hfru_core.data.source import Source
    from hfru_core.model.vlm import VLM

SOURCE = "world:7000"
PICTURES = 64
ORACLES = ASSETS / "oracles"


def prepare(args: Namespace) -> tuple[Case, Subject]:
    """Everything that an audit needs, checked; raises before long work where it cannot be done."""
    from audit.base import Case
    from audit.report.report import Model, Subject, versions
    from hfru_core.adapters.folder import load as load_adapter
    from hfru_core.adapters.validate import WEIGHTS, checked_record
    from hfru_core.data.source import parse_source
    from hfru_core.model import vlm

    record, source = checked_record(args.adapter), parse_source(args.data)
    concepts = record.concepts
    pictures = pictures_for(concepts, source, args.pictures, args.seed)
    load = lambda where: vlm.load(where, device=args.device)  # noqa: E731
    base = load(args.model or vlm.BUNDLED)
    unlearned = load_adapter(load(args.model or vlm.BUNDLED), args.adapter)
    folder = oracle_folder(args.oracle, concepts, base.name)
    oracle = load(folder) if folder else None
    check_finite({"base": base, "unlearned": unlearned, "oracle": oracle})
    trained = session_samples(record, source)
    case = Case(base, unlearned, oracle, pictures, trained, args.seed)
    name = lambda vlm, name: Model(name, vlm.revision, vlm.fingerprint())  # noqa: E731
    return case, Subject(
        adapter=args.adapter.resolve().name,
        adapter_hash=record.hashes[WEIGHTS],
        base=name(base, base.name),
        oracle=name(oracle, folder.name) if folder else None,
        concepts=tuple(c.name for c in concepts),
        source=args.data,
        data_fingerprint=pictures.fingerprint,
        pictures=args.pictures,
        seed=args.seed,
        depth="deep" if args.deep else "standard",
        versions=versions(),
    )


def pictures_for(concepts: tuple[Concept, ...], source: Source, pictures: int, seed: int):
    """Pictures of the concepts and of everything else; the attacker's and the judge's apart."""
    from hfru_core.data.build import build
    from hfru_core.data.samples import Amount

    if pictures < 1:
        raise UserError(f"--pictures must be at least 1, got {pictures}: nothing can be judged.")
    amount = Amount(*(max(1, round(pictures * s)) for s in (2.5, 3.75, 1, 1.5)))
    return build(concepts, source, amount=amount, seed=seed)


def session_samples(record: AdapterRecord, given: Source) -> tuple[Sample, ...]:
    """The forget samples that the session trained on; none where they cannot be had again.

    A record names files without their paths: `given` is tried where it has the same name, and a
    path that a record names is never read, since anybody may have written it.
    """
    from hfru_core.data.build import build
    from hfru_core.data.source import World, parse_source

    made = record.data
    if made is None:
        return ()
    try:
        same_name = given.public_name == made.source
        source = given if same_name else parse_source(made.source)
        if source != given and not isinstance(source, World):
            return ()
        again = build(record.concepts, source, seed=record.config["seed"])
    except (UserError, KeyError):
        return ()
    same = again.fingerprint == made.fingerprint
    return again.select("forget", "train") if same else ()


def oracle_folder(given: Path | None, concepts: Sequence[Concept], base: str) -> Path | None:
    """The oracle given, or the shipped one that fits best: it never saw what was to be forgotten.

    Exactly those concepts if there is one, else the smallest set that holds them.
    """
    wanted = {c.name for c in concepts}
    if given:
        without = never_seen(given)
        if without is not None and not wanted <= without:
            raise UserError(
                f"'{given}' is no oracle for this adapter: it should never have seen "
                f"{', '.join(sorted(wanted))}, but was trained without "
                f"{', '.join(sorted(without)) or 'nothing left out'}. Choose another --oracle."
            )
        return given
    if base != "hfru-studio/bundled":
        return None
    found = [(f, never_seen(f) or set()) for f in sorted(ORACLES.glob("*/"))]
    fitting = [(len(without), seed_of(f), f) for f, without in found if wanted <= without]
    return min(fitting)[2] if fitting else None


def recipe_of(folder: Path) -> dict | None:
    """How a model of the bundled architecture was trained; None for any other model."""
    path = folder / "pretraining.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["recipe"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"'{path}' cannot be read: {error}. Restore the oracle.") from None


def never_seen(folder: Path) -> set[str] | None:
    recipe = recipe_of(folder)
    return None if recipe is None else set(recipe.get("without", ()))


def seed_of(folder: Path) -> int:
    return recipe_of(folder).get("seed", 0)


def check_finite(models: dict[str, VLM | None]) -> None:
    """Refuse a model whose weights hold NaN or infinity: nothing measured on it means anything."""
    weights = ((m, n, p) for m, v in models.items() if v for n, p in v.model.named_parameters())
    for model, name, values in weights:
        if not values.isfinite().all():
            raise UserError(
                f"The {model} model's weights are not all numbers: expected finite values, got "
                f"NaN or infinity in {name}. Its training diverged or the file is damaged: make "
                "or download it again."
            )
