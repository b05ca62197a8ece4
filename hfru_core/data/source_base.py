"""What every source of images can be asked, and what those of somebody's own files share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from hfru_core.data.benchmark_parquet import AGAIN
from hfru_core.data.samples import Amount, Entry, samples_of
from hfru_core.files import one_line
from hfru_core.types import Concept, Role, Sample, Split

Concepts = tuple[Concept, ...]
Request = tuple[Concepts, Concepts, dict[str, Concept]]  # forget, retain, all that is known


class Source(Protocol):
    """Images, and what is known about them."""

    @property
    def text(self) -> str:
        """The source as people write it."""

    @property
    def public_name(self) -> str:
        """The text for records: a file or folder by its name, without its path."""

    @property
    def distils(self) -> bool:
        """Whether the answers to train on must come from the model itself."""

    @property
    def photographs(self) -> bool:
        """Whether its images are photographs of things, of which those of one kind look alike."""
        return False

    def known_concepts(self) -> dict[str, Concept]:
        """The concepts that there are images of, by id; raises where the files are wrong."""

    def request(self, forget: Concepts, retain: Concepts) -> Request:
        """What to forget and to retain, spelled out, and the concepts known to this request."""
        return forget, retain, self.known_concepts()

    def samples(
        self, forget: Concepts, retain: Concepts, amount: Amount, seed: int
    ) -> list[Sample]:
        """The questions about so many images of each role and split, and the text-only facts."""

    def text_samples(self, concepts: Concepts) -> tuple[Sample, ...]:
        """Text-only questions to train on, never evaluated on; none where nothing is known."""

    def unclear_keys(self, split: str, word: str, kind: str, count: int) -> list[str]:
        """Keys of images that show no more than a kind ('animal'); none where there are none."""

    def fresh(self, seed: int) -> Source:
        """Images that no session trained on: drawn by another seed, or the held-out photographs."""


@dataclass(frozen=True)
class Files(Source):
    """What photographs and benchmarks have in common: files of somebody's own."""

    kind: str
    path: Path

    distils = True

    @property
    def text(self) -> str:
        return f"{self.kind}:{self.path}"

    @property
    def public_name(self) -> str:
        return f"{self.kind}:{self.path.name}"

    def reading(self) -> AbstractContextManager[None]:
        """Whatever fails in here is told as a fault of the files."""
        return one_line(f"'{self.public_name}' could not be read", AGAIN)

    def unclear_keys(self, split: str, word: str, kind: str, count: int) -> list[str]:
        return []

    def fresh(self, seed: int) -> Self:
        return self


def pictured(
    forget: Concepts,
    retain: Concepts,
    amount: Amount,
    entries: Callable[[Role, Split, Concept, int], Sequence[Entry]],
) -> list[Sample]:
    """Questions about the images of each role and split that `entries` finds for a concept."""
    samples: list[Sample] = []
    groups: tuple[tuple[Role, Concepts], ...] = (("forget", forget), ("retain", retain))
    splits: tuple[Split, ...] = ("train", "eval")
    for role, group in groups:
        for split in splits:
            for concept, count in amount.shared(group, role, split):
                for entry in entries(role, split, concept, count):
                    samples += samples_of(entry, role, split, forget)
    return samples
