"""New adapters from finished ones: another strength, several in one, a merged model.

LoRA's updates B A of a layer add up: [s1 B1, s2 B2] [A1; A2] = s1 B1 A1 + s2 B2 A2, exactly.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from peft import PeftModel

from hfru_core.adapters.folder import Layers, load, now, read, versions, write
from hfru_core.adapters.model_card import merged_card
from hfru_core.adapters.record import INFO, STRONGEST, WEIGHTS, AdapterRecord, Part
from hfru_core.adapters.validate import CARD, checked_record, file_hash
from hfru_core.files import whole
from hfru_core.model.vlm import VLM
from hfru_core.types import UserError


def scale(folder: Path, strength: float, out: Path) -> Path:
    """A new adapter folder with `strength` times the update: 0 is none, 1 the same."""
    return combine([folder], [strength], out)


def stack(folders: Sequence[Path], out: Path, strengths: Sequence[float] = ()) -> Path:
    """A new adapter folder whose update is the sum of several of the same base."""
    if len(folders) < 2:
        raise UserError(f"A stack needs at least two adapters, got {len(folders)}.")
    strengths = strengths or [1.0] * len(folders)
    if len(strengths) != len(folders):
        raise UserError(f"Got {len(strengths)} strengths for {len(folders)} adapters.")
    return combine(folders, strengths, out)


def combine(folders: Sequence[Path], strengths: Sequence[float], out: Path) -> Path:
    """The sum of adapters, each times its strength, with a record of its parts."""
    for strength in strengths:
        if not 0 <= strength <= STRONGEST:
            raise UserError(f"A strength lies between 0 and {STRONGEST}, got {strength}.")
    records = [checked_record(f) for f in folders]
    check_together(folders, records)
    layers = added([read(f) for f in folders], strengths)
    with whole(out) as made:
        write(layers, made, sum_of(records, strengths))
    return out


def check_together(folders: Sequence[Path], records: Sequence[AdapterRecord]) -> None:
    """Refuse adapters of different bases, and the same one twice."""
    first = records[0].base
    for folder, base in zip(folders, (r.base for r in records)):
        if base.fingerprint != first.fingerprint:
            raise UserError(
                f"'{folder.name}' was made for {base.name} ({base.fingerprint}), "
                f"'{folders[0].name}' for {first.name} ({first.fingerprint}). "
                "Only adapters of one base model add up."
            )
    if len({r.hashes[WEIGHTS] for r in records}) < len(records):
        raise UserError("The same adapter is there twice. To make it stronger, scale it.")


def sum_of(records: Sequence[AdapterRecord], strengths: Sequence[float]) -> AdapterRecord:
    """The record of a sum: every concept once, and every part with its strength."""
    return AdapterRecord(
        base=records[0].base,
        concepts=tuple({c.id: c for r in records for c in r.concepts}.values()),
        parts=tuple(p for r, s in zip(records, strengths) for p in parts_of(r, s)),
    )


def parts_of(record: AdapterRecord, strength: float) -> list[Part]:
    """What an adapter adds to a sum: itself, or the parts that it was made of."""
    names = tuple(c.name for c in record.concepts)
    itself = Part(record.hashes[WEIGHTS], 1.0, names, record.config.get("scope"))
    return [replace(p, strength=strength * p.strength) for p in record.parts or (itself,)]


def added(updates: Sequence[Layers], strengths: Sequence[float]) -> Layers:
    """A and B of the sum; where an adapter leaves a layer alone, its share is zeros."""
    ranks = [len(next(iter(layers.values()))[0]) for layers in updates]
    sums = {}
    for name in sorted(set().union(*updates)):
        a, b = next(layers[name] for layers in updates if name in layers)
        none = [
            (a.new_zeros(r, *a.shape[1:]), b.new_zeros(b.shape[0], r, *b.shape[2:])) for r in ranks
        ]
        pairs = [layers.get(name, zeros) for layers, zeros in zip(updates, none)]
        if any((p.shape[1], q.shape[0]) != (a.shape[1], b.shape[0]) for p, q in pairs):
            raise UserError(f"The adapters' weights for {name} differ in shape: not of one base.")
        sums[name] = (
            torch.cat([a for a, _ in pairs]),
            torch.cat([s * b for (_, b), s in zip(pairs, strengths)], dim=1),
        )
    return sums


def base_of_next(base: VLM, folder: Path) -> VLM:
    """The model that the next request of a series starts from: `folder` merged into `base`.

    It keeps the base's fingerprint: an adapter trained on it is added to `folder`, on that base.
    """
    digest = base.fingerprint()
    return replace(load(base, folder).merged(), digest=digest)


def put_on_top(folder: Path, following: Path, out: Path) -> Path:
    """The sum of an adapter and the one that was trained on top of it, in place of the latter."""
    made = stack([folder, following], out)
    shutil.rmtree(following)
    return made


def merge(base: VLM, folder: Path, out: Path) -> Path:
    """A whole model with the adapter merged for good; `base` is changed.

    `unlearning.json` beside the weights is the adapter's record.
    """
    record = checked_record(folder)
    model = load(base, folder).model
    assert isinstance(model, PeftModel)
    with whole(out) as made:
        model.merge_and_unload().save_pretrained(made)
        base.processor.save_pretrained(made)
        hashes = {p.name: file_hash(p) for p in sorted(made.glob("*.safetensors"))}
        merged = {"created": now(), "versions": versions(), "hashes": hashes}
        values = {**record.to_json(), "merged": merged}
        (made / INFO).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        (made / CARD).write_text(merged_card(record), encoding="utf-8")
    return out
