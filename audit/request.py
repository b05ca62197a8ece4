"""What is to be audited: which models, where they forgot what; read before anything is loaded."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hfru_core.concepts import parse, shipped
from hfru_core.paths import chosen
from hfru_core.types import Concept, UserError

if TYPE_CHECKING:
    from hfru_core.adapters.record import AdapterRecord
    from hfru_core.data.source_base import Source
    from hfru_core.model.pair import Place

# An adapter of this project, one of another program, or a whole model.
Kind = Literal["adapter", "foreign adapter", "model"]
ADAPTER = "adapter_config.json"


@dataclass(frozen=True)
class Request:
    """The two models, what the second one should have forgotten, and what its record says of it."""

    original: Place
    unlearned: Place
    kind: Kind
    concepts: tuple[Concept, ...]
    record: AdapterRecord | None
    hash: str  # of the unlearned weights

    @property
    def unvouched(self) -> tuple[str, ...]:
        """The word lists that only the adapter's own record gives, in a sentence each."""
        if self.record is None:
            return ()
        theirs = [c for c in self.concepts if c in self.record.concepts and c != known(c)]
        return tuple(
            f"The words for {c.name} are those of the record ({self.record_hash[:12]}): names "
            f"{', '.join(c.aliases)}; general words {', '.join(c.abstractions)}; siblings "
            f"{', '.join(c.siblings) or 'none'}."
            for c in theirs
        )

    @property
    def record_hash(self) -> str:
        """The SHA-256 of the record's file."""
        from hfru_core.adapters.record import INFO
        from hfru_core.adapters.validate import file_hash

        return file_hash(Path(self.unlearned.model) / INFO)

    @property
    def name(self) -> str:
        """How the report calls the unlearned model."""
        return Path(self.unlearned.model).resolve().name


def place(text: str | Path) -> Place:
    """A folder, a bundled model's name, or a Hub id with or without '@REVISION'."""
    from hfru_core.model.pair import Place

    name, at, revision = str(text).rpartition("@")
    if at and not Path(text).exists():
        return Place(chosen(name), revision)
    return Place(chosen(str(text)))


def request_of(args: Namespace, source: Source) -> Request:
    """The request, checked as far as files tell; raises where the models are no pair."""
    from hfru_core.model.pair import check_pair, settings_of

    given = args.unlearned or args.adapter
    if given is None:
        raise UserError("Name what is to be audited: an adapter's folder, or --unlearned MODEL.")
    if args.unlearned and args.adapter:
        raise UserError("Name the unlearned model once: as ADAPTER_DIR or as --unlearned.")
    original, unlearned = place(args.model or ""), place(given)
    kind = kind_of(unlearned, whole=args.unlearned is not None)
    record = record_of(unlearned, kind)
    concepts = concepts_of(args.forget, record, source)
    if kind == "model":
        check_pair(original, unlearned)
    else:
        settings_of(original)
    return Request(original, unlearned, kind, concepts, record, hash_of(unlearned, kind, record))


def kind_of(unlearned: Place, whole: bool) -> Kind:
    """What lies there; a folder given as ADAPTER_DIR is one of an adapter."""
    from hfru_core.adapters.record import INFO

    folder = Path(unlearned.model)
    if (folder / ADAPTER).is_file() and not (folder / INFO).exists():
        return "foreign adapter"
    if (folder / ADAPTER).is_file() or not (whole or (folder / "config.json").is_file()):
        return "adapter"
    return "model"


def record_of(unlearned: Place, kind: Kind) -> AdapterRecord | None:
    """The record of an adapter of this project, or of a model that one was merged into."""
    from hfru_core.adapters.record import INFO, read_record
    from hfru_core.adapters.validate import checked_record

    folder = Path(unlearned.model)
    if kind == "adapter":
        return checked_record(folder)
    return read_record(folder) if kind == "model" and (folder / INFO).is_file() else None


def concepts_of(
    names: str | None, record: AdapterRecord | None, source: Source
) -> tuple[Concept, ...]:
    """What should have been forgotten: as asked for, or as the record says."""
    if names:
        return parse(names, source.known_concepts())
    if record is None:
        raise UserError(
            "The unlearned model does not say what it should have forgotten: "
            "name it (--forget dog)."
        )
    return tuple(known(c) or c for c in record.concepts)


def known(concept: Concept) -> Concept | None:
    """The shipped concept of that id: an adapter does not choose the words that it is judged by."""
    return shipped().get(concept.id)


def hash_of(unlearned: Place, kind: Kind, record: AdapterRecord | None) -> str:
    """The SHA-256 of the weights, of several files of all their hashes; '' of one on the Hub."""
    from hfru_core.adapters import foreign
    from hfru_core.adapters.record import WEIGHTS
    from hfru_core.adapters.validate import file_hash
    from hfru_core.model.folder_limits import weight_files

    folder = Path(unlearned.model)
    if kind == "adapter" and record:
        return record.hashes[WEIGHTS]
    if kind == "foreign adapter":
        return foreign.look(folder).weights
    if not folder.is_dir():
        return ""
    found = [file_hash(file) for file in weight_files(folder)]
    return found[0] if len(found) == 1 else sha256("\n".join(found).encode()).hexdigest()
