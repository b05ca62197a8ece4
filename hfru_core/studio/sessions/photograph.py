"""A photograph to begin with: it comes with scikit-learn, which is installed with the app."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

NAME = "china.jpg"
BY, LICENCE = "danielbuechele", "CC BY 2.0"
SOURCE = "https://www.flickr.com/photos/danielbuechele/6061409035/"
TERMS = "https://creativecommons.org/licenses/by/2.0/"


@lru_cache(maxsize=1)
def file() -> Path | None:
    """Where it lies; scikit-learn itself is not imported, which takes a second."""
    found = find_spec("sklearn")
    path = Path(found.origin or "").parent / "datasets" / "images" / NAME if found else None
    return path if path and path.is_file() else None


def key() -> str | None:
    """Its key, as other pictures have one."""
    return f"file:{file()}" if file() else None
