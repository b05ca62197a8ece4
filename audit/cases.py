"""The case of an audit: which models are compared, on which images; checked before long work."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hfru_core.paths import ASSETS, chosen
from hfru_core.types import Concept, Sample, UnlearnData, UserError

if TYPE_CHECKING:
    from audit.base import Case
    from audit.report.report import Subject
    from hfru_core.adapters.record import AdapterRecord
    from hfru_core.data.source_base import Source

SOURCE = "world:7000"
PICTURES = 64
ORACLES = ASSETS / "oracles"


def prepare(args: Namespace) -> tuple[Case, Subject]:
    """Everything that an audit needs, checked; raises before long work where it cannot be done."""
    from audit.base import Case, check_weights
    from audit.report.report import Model, Subject, versions
    from hfru_core.adapters.folder import load as load_adapter
    from hfru_core.adapters.record import WEIGHTS
    from hfru_core.adapters.validate import checked_record
    from hfru_core.data.source import parse_source
    from hfru_core.model import vlm

    record, source = checked_record(args.adapter), parse_source(args.data)
    concepts = record.concepts
    images = pictures_for(concepts, source, args.pictures, args.seed)
    load = lambda where: vlm.load(where, device=args.device)  # noqa: E731
    base = load(chosen(args.model))
    unlearned = load_adapter(load(chosen(args.model)), args.adapter)
    folder = oracle_folder(args.oracle, concepts, base.name)
    oracle = load(folder) if folder else None
    case = Case(base, unlearned, oracle, images, session_samples(record, source), args.seed)
    check_weights(case)
    return case, Subject(
        adapter=args.adapter.resolve().name,
        adapter_hash=record.hashes[WEIGHTS],
        base=Model(base.name, base.revision, base.fingerprint()),
        oracle=Model(folder.name, oracle.revision, oracle.fingerprint())
        if oracle and folder
        else None,
        concepts=tuple(c.name for c in concepts),
        source=args.data,
        data_fingerprint=images.fingerprint,
        pictures=args.pictures,
        seed=args.seed,
        depth="deep" if args.deep else "standard",
        versions=versions(),
    )


def pictures_for(
    concepts: tuple[Concept, ...], source: Source, pictures: int, seed: int
) -> UnlearnData:
    """Images of the concepts and of everything else; the attacker's apart from the evaluated."""
    from hfru_core.data.build import build
    from hfru_core.data.samples import Amount

    if pictures < 1:
        raise UserError(f"--pictures must be at least 1, got {pictures}: nothing can be measured.")
    amount = Amount(*(max(1, round(pictures * s)) for s in (2.5, 3.75, 1, 1.5)))
    return build(concepts, source, amount=amount, seed=seed)


def session_samples(record: AdapterRecord, given: Source) -> tuple[Sample, ...]:
    """The forget samples that the session trained on; none where they cannot be built again.

    A record names files without their paths: `given` is tried where it has the same name. A path
    in a record is never read, since anybody may have written it.
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
    """The given oracle, or the shipped one that never saw the concepts.

    Preferably one that lacks exactly these concepts, else the fewest others.
    """
    wanted = {c.name for c in concepts}
    if given:
        recipe = recipe_of(given)
        if recipe and not wanted <= recipe.without:
            raise UserError(
                f"'{given}' is not an oracle for this adapter: it should never have seen "
                f"{', '.join(sorted(wanted))}, but was trained without "
                f"{', '.join(sorted(recipe.without)) or 'nothing left out'}. "
                "Choose another --oracle."
            )
        return given
    if base != "hfru-studio/bundled":
        return None
    shipped = [(f, recipe_of(f)) for f in sorted(ORACLES.glob("*/"))]
    fitting = [(len(r.without), r.seed, f) for f, r in shipped if r and wanted <= r.without]
    return min(fitting)[2] if fitting else None


class Recipe(NamedTuple):
    """How a model of the bundled architecture was trained, as far as an oracle needs it."""

    without: frozenset[str]
    seed: int


def recipe_of(folder: Path) -> Recipe | None:
    """How a model of the bundled architecture was trained; None for any other model."""
    path = folder / "pretraining.json"
    try:
        recipe = dict(json.loads(path.read_text(encoding="utf-8"))["recipe"])
        return Recipe(frozenset(recipe.get("without", ())), recipe.get("seed", 0))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"'{path}' cannot be read: {error}. Restore the oracle.") from None
