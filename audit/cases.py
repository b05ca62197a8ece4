"""The case of an audit: which models are compared, on which images; checked before long work."""

from __future__ import annotations

import json
import secrets
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from audit.request import Request, place, request_of
from audit.results import SUBJECT
from hfru_core.files import PART
from hfru_core.paths import ASSETS
from hfru_core.types import Concept, Sample, UnlearnData, UserError

if TYPE_CHECKING:
    from audit.base import Case
    from audit.report.report import Model, Subject
    from hfru_core.adapters.record import AdapterRecord
    from hfru_core.data.source_base import Source
    from hfru_core.model.pair import Place
    from hfru_core.model.vlm import VLM

FIRST_WORLD = 7000  # seeds of drawn pictures from here on are the audit's own
SOURCE = f"world:{FIRST_WORLD}"
PICTURES = 64
ORACLES = ASSETS / "oracles"


def prepare(args: Namespace) -> tuple[Case, Subject]:
    """Everything that an audit needs, checked; raises before long work where it cannot be done."""
    from audit.base import Case, check_weights
    from audit.models import opened
    from audit.report.report import Subject, versions
    from audit.report.rules import stated, words_of
    from hfru_core.data.source import parse_source

    draw_exam(args)
    source = parse_source(args.data)
    request = request_of(args, source)
    images = pictures_for(request.concepts, source, args.pictures, args.seed)
    retrained = oracle_place(args.oracle, request)
    models, switch = opened(request, retrained, args.device)
    trained = session_samples(request.record, source) if request.record else ()
    oracle = models.get("oracle")
    case = Case(
        models["base"],
        models["unlearned"],
        oracle,
        images,
        trained,
        args.seed,
        caveats(request),
        switch=switch,
    )
    check_weights(case)
    case = replace(case, unvouched=request.unvouched)
    return case, Subject(
        adapter=request.name,
        adapter_hash=request.hash or case.unlearned.fingerprint(),
        base=described(case.base),
        oracle=replace(described(oracle), name=retrained.name) if oracle and retrained else None,
        concepts=tuple(c.name for c in request.concepts),
        source=args.data,
        data_fingerprint=images.fingerprint,
        pictures=args.pictures,
        seed=args.seed,
        depth="deep" if args.deep else "standard",
        versions=versions(),
        words=words_of(request.concepts),
        rules=stated(),
    )


def draw_exam(args: Namespace) -> None:
    """Where none was given, a seed at random, and the drawn pictures that go with it.

    An exam that everybody knows can be learned by heart.
    """
    begun = unfinished(args.out)
    if args.seed is None:
        args.seed = begun.get("seed", secrets.randbelow(2**31))
    if args.data is None:
        args.data = f"world:{FIRST_WORLD + args.seed}"


def unfinished(out: Path) -> dict:
    """What an audit that was stopped began with; nothing where there is none."""
    try:
        return dict(json.loads((out.with_name(out.name + PART) / SUBJECT).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def caveats(request: Request) -> tuple[str, ...]:
    """What could not be checked of the models: an adapter of another program has no fingerprint."""
    from hfru_core.adapters import foreign

    if request.kind != "foreign adapter":
        return ()
    named, original = foreign.look(Path(request.unlearned.model)).base, request.original.name
    if Path(named).name == Path(original).name:
        return ()
    return (
        f"The adapter names {named or 'no model'} as its base and was put on {original}: its "
        "layers fit, but only whoever made it knows whether that is the same model.",
    )


def described(vlm: VLM) -> Model:
    """A model as the report names it."""
    from audit.report.report import Model

    return Model(vlm.name, vlm.revision, vlm.fingerprint())


def oracle_place(given: str | None, request: Request) -> Place | None:
    """Where the oracle is: as given, or a shipped one; None where there is none."""
    from hfru_core.model.pair import Place

    if given and not Path(given).is_dir():
        return place(given)
    folder = oracle_folder(Path(given) if given else None, request.concepts, request.original.name)
    return Place(folder) if folder else None


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
