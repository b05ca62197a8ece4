"""Make the shipped extract of WordNet's nouns from its data files.

    python -m hfru_core.language.extract FOLDER [--out assets/words]

FOLDER holds `data.noun`, `cntlist.rev` and `index.noun` of WordNet 3.0 (Debian: the package
wordnet-base, /usr/share/wordnet). One line a synset, in their order: hypernyms (line numbers, "i"
before them where the synset is one individual: a person, a place), lemmas (word:sense number:count
in tagged text) and gloss without its examples. After them, lines "=word count": how often a word
is a verb or an adjective there. A second file has the letters of every noun alone, a line each.
Formats: wndb(5WN), cntlist(5WN).
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

from hfru_core.language.dictionary import Dictionary
from hfru_core.paths import ASSETS

OUT = ASSETS / "words"
LONGEST_GLOSS = 110
NOUN, HYPERNYMS = "1", {"@": "", "@i": "i"}


def counts(folder: Path) -> dict[tuple[str, str, str], int]:
    """How often each sense occurs in tagged text, by lemma, lexicographer's file and number."""
    found: dict[tuple[str, str, str], int] = {}
    for line in (folder / "cntlist.rev").read_text(encoding="ascii").splitlines():
        key, _, count = line.split(" ")
        lemma, _, rest = key.partition("%")
        kind, file, number = rest.split(":")[:3]
        if kind == NOUN:
            found[lemma, file, number] = int(count)
    return found


def other_uses(folder: Path) -> dict[str, int]:
    """How often each word is no noun in tagged text; one more, for what the text has not."""
    found: dict[str, int] = {}
    for part in ("verb", "adj", "adv"):
        for line in data_lines(folder / f"index.{part}"):
            found.setdefault(line.split(" ", 1)[0], 1)
    for line in (folder / "cntlist.rev").read_text(encoding="ascii").splitlines():
        lemma, _, rest = line.partition("%")
        if not rest.startswith(NOUN):
            found[lemma] = found.get(lemma, 1) + int(line.rsplit(" ", 1)[1])
    return found


def senses(folder: Path) -> dict[tuple[str, str], int]:
    """The number of a lemma's sense, by lemma and synset: 1 is the most frequent."""
    found: dict[tuple[str, str], int] = {}
    for line in data_lines(folder / "index.noun"):
        parts = line.split()
        offsets = parts[-int(parts[2]) :]
        found |= {(parts[0], offset): i + 1 for i, offset in enumerate(offsets)}
    return found


def data_lines(file: Path) -> Iterator[str]:
    """The lines after the licence, which is indented."""
    return (x for x in file.read_text(encoding="ascii").splitlines() if not x.startswith(" "))


def synset(line: str) -> tuple[str, str, list[tuple[str, str]], list[tuple[str, str]], str]:
    """Offset, lexicographer's file, (lemma, number) pairs, hypernyms and gloss."""
    data, _, gloss = line.partition(" | ")
    parts = data.split()
    words = 2 * int(parts[3], 16)
    lemmas = [(parts[i], f"{int(parts[i + 1], 16):02d}") for i in range(4, 4 + words, 2)]
    rest = parts[5 + words :]
    pointers = [(rest[i], rest[i + 1]) for i in range(0, len(rest) - 3, 4)]
    links = [(HYPERNYMS[kind], offset) for kind, offset in pointers if kind in HYPERNYMS]
    return parts[0], parts[1], lemmas, links, gloss


def short(gloss: str) -> str:
    """The definition alone, cut to a line."""
    text = gloss.split('; "')[0].strip()
    return text if len(text) <= LONGEST_GLOSS else text[:LONGEST_GLOSS].rsplit(" ", 1)[0] + " ..."


def extract(folder: Path) -> list[str]:
    """The lines of the extract."""
    often, numbers = counts(folder), senses(folder)
    found = [synset(line) for line in data_lines(folder / "data.noun")]
    line_of = {offset: i for i, (offset, *_) in enumerate(found)}
    lines = []
    for offset, file, lemmas, links, gloss in found:
        words = "|".join(
            f"{w}:{numbers[w.lower(), offset]}:{often.get((w.lower(), file, n), 0)}"
            for w, n in lemmas
        )
        up = ",".join(f"{mark}{line_of[x]}" for mark, x in links)
        lines.append(f"{up}\t{words}\t{short(gloss)}")
    nouns = {w.lower() for _, _, lemmas, _, _ in found for w, _ in lemmas}
    uses = sorted(other_uses(folder).items())
    return lines + [f"={word} {count}" for word, count in uses if word in nouns]


def main() -> None:
    parser = argparse.ArgumentParser(description="Extract the nouns of WordNet for shipping.")
    parser.add_argument("folder", type=Path, help="WordNet's data files: data.noun and others")
    parser.add_argument("--out", type=Path, default=OUT, help="folder; default: assets/words")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    lines = extract(args.folder)
    book = Dictionary(lines)
    for name, part in (("nouns.tsv.gz", lines), ("keys.txt.gz", sorted(book.index))):
        packed = gzip.compress("\n".join(("", *part, "")).encode(), 9, mtime=0)
        (args.out / name).write_bytes(packed)
        sys.stdout.write(f"{name}: {len(part)} lines, {len(packed) / 2**20:.1f} MB\n")


if __name__ == "__main__":
    main()
