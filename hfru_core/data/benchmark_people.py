"""Who is in a benchmark of people: `mllmu:DIR`, `umu:DIR`, `clear:DIR/forget05`.

The folder decides: who is in `forget_5` can be forgotten, who is in `retain_95` is kept. A source
names the data set's folder, of which the smallest forget split is taken, or one forget split in it.
MLLMU-Bench has one image of each person to learn from and others in Test_Set to be judged on;
elsewhere a tenth of a person's images is held out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from hfru_core import concepts
from hfru_core.data.benchmark_layouts import columns_below, way_out
from hfru_core.data.benchmark_parquet import (
    PAIRS,
    TITLES,
    Person,
    View,
    bad,
    read_clear,
    read_mllmu,
)
from hfru_core.data.umu_bench import read_umu

READERS = {"mllmu": read_mllmu, "umu": read_umu, "clear": read_clear}


@lru_cache(maxsize=2)
def people(kind: str, folder: Path) -> dict[str, Person]:
    """Everybody of a forget split and its retain split, by id; no image is in two parts."""
    root, pair = splits(kind, folder)
    groups, test, facts = READERS[kind](root, pair)
    found: dict[str, Person] = {}
    seen: set[str] = set()
    for split, group in zip(pair, groups):
        if not group:
            raise bad(root / split, "rows with pictures of people", "an empty split")
        for name, own in group.items():
            if concepts.slug(name) in found:
                continue  # Answers cannot tell two of one name apart: who can be forgotten counts.
            train, judged = (own, test.get(name, [])) if test else divided(own)
            found[concepts.slug(name)] = Person(
                name,
                split == pair[0],
                unseen(train, seen),
                unseen(judged, seen),
                tuple(dict.fromkeys(facts.get(name, []))),
            )
    return found


def splits(kind: str, path: Path) -> tuple[Path, tuple[str, str]]:
    """The data set's folder, its forget split and the retain split that belongs to it."""
    pairs, way = PAIRS[kind], f"Give the folder of {TITLES[kind]} that holds both as {kind}:DIR."
    if not path.is_dir():
        raise bad(path, f"a folder with splits of {TITLES[kind]}", "no folder", way)
    root = path.parent if path.name in pairs else path
    there = [path.name] if path.name in pairs else [f for f in pairs if (path / f).is_dir()]
    if not there or not (root / pairs[there[0]]).is_dir():
        wanted = " or ".join(f"{f} with {pairs[f]}" for f in there[:1] or pairs)
        found = ", ".join(sorted(p.name for p in root.iterdir()))
        other = way_out(kind, columns_below(root))
        raise bad(root, f"the splits {wanted}", found, other or f"Was one downloaded alone? {way}")
    return root, (there[0], pairs[there[0]])


def divided(own: Sequence[View]) -> tuple[list[View], list[View]]:
    """A tenth of somebody's images, at least one of several, aside by digest; of one, 1 in 10."""
    ranked = sorted({v.digest: v for v in own}.values(), key=lambda v: v.digest)
    aside = max(1, len(ranked) // 10)
    if len(ranked) == 1:
        aside = int(bytes.fromhex(ranked[0].digest)[0] % 10 == 0)
    return ranked[aside:], ranked[:aside]


def unseen(views: Iterable[View], seen: set[str]) -> tuple[View, ...]:
    """The images that no part has so far; they are seen from now on."""
    fresh = {v.digest: v for v in views if v.digest not in seen}
    seen.update(fresh)
    return tuple(fresh.values())
