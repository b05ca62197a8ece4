"""The data sets of HFRU's authors: what the numbers of their labels mean.

PACS: Li et al., ICCV 2017, as in the hub dataset flwrlabs/pacs. VGG: ten people of VGGFace2 (Cao
et al., FG 2018), in the order of XMUDeepLIT/HFRU.
"""

from __future__ import annotations

from functools import lru_cache

from hfru_core.concepts import slug
from hfru_core.types import Concept

PACS_LABELS = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
PACS_STYLES = {
    "art_painting": "painting", "cartoon": "cartoon", "photo": "photo", "sketch": "sketch",
}  # fmt: skip
VGG_LABELS = (
    "Alex Ferguson", "Alex Salmond", "Alexis Tsipras", "Arsène Wenger", "Benedict Cumberbatch",
    "Chris Christie", "François Fillon", "George Osborne", "Shinzō Abe", "Viktor Orbán",
)  # fmt: skip
NAMES = {"pacs": PACS_LABELS, "vgg": VGG_LABELS}
DATA_SOURCES = {"flwrlabs/pacs": PACS_LABELS, "VGGFace2": VGG_LABELS}  # of their verl files
UNKNOWN = ("someone I don't know", "someone", "a person", "person", "man", "woman")


@lru_cache(maxsize=1)
def people() -> dict[str, Concept]:
    """The ten people by id; a surname names them, a first name does not."""
    return {
        slug(name): Concept(
            slug(name), name, "identity", (name, name.split()[-1]), UNKNOWN,
            tuple(n for n in VGG_LABELS if n != name), "VGGFace2",
        )
        for name in VGG_LABELS
    }  # fmt: skip
