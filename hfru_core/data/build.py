"""Concepts and a source of images -> `UnlearnData`: forget and retain, train and eval, disjoint."""

from __future__ import annotations

import hashlib

from hfru_core.concepts import choices
from hfru_core.data.samples import USUAL, Amount
from hfru_core.data.source import DRAWN
from hfru_core.data.source_base import Source
from hfru_core.types import Concept, UnlearnData, UserError


def build(
    forget: tuple[Concept, ...],
    source: Source = DRAWN,
    *,
    retain: tuple[Concept, ...] = (),
    amount: Amount = USUAL,
    seed: int = 0,
) -> UnlearnData:
    """The data of one request; without `retain`, everything else that the source knows is kept."""
    forget, retain, known = source.request(forget, retain)
    check_request(forget, retain, known, source)
    # By id: a record may hold older word lists than those known now.
    forgotten = {c.id for c in forget}
    retain = retain or tuple(c for c in known.values() if c.id not in forgotten)
    samples = source.samples(forget, retain, amount, seed)
    digest = hashlib.sha256(repr(sorted((s.id, s.image, s.answer) for s in samples)).encode())
    return UnlearnData(forget, retain, tuple(samples), source.text, digest.hexdigest()[:16])


def check_request(
    forget: tuple[Concept, ...],
    retain: tuple[Concept, ...],
    known: dict[str, Concept],
    source: Source,
) -> None:
    """Raise where a source cannot serve what is to be forgotten and retained."""
    if not forget:
        raise UserError("No concept was given to forget. " + choices(known))
    both = [c.name for c in forget if c in retain]
    if both:
        raise UserError(f"{', '.join(both)} cannot be forgotten and retained at once.")
    strangers = [c.name for c in (*forget, *retain) if c.id not in known]
    if strangers:
        raise UserError(
            f"There are no pictures of {', '.join(strangers)} in '{source.text}'. " + choices(known)
        )
    if len(forget) >= len(known):
        raise UserError("Everything was asked to be forgotten: leave at least one concept to keep.")
