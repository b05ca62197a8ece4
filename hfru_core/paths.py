"""Where the project's own files are: the same in a checkout, an installed wheel and a Space."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parent  # where Python finds hfru_core and audit
# A wheel carries the assets inside the package; in a checkout they lie beside it.
IN_WHEEL = PACKAGE / "assets"
ASSETS = IN_WHEEL if IN_WHEEL.is_dir() else ROOT / "assets"

MODEL = ASSETS / "model"  # the bundled model of the drawn world
PHOTO = ASSETS / "photo"  # the bundled model that sees photographs
ADAPTERS = ASSETS / "adapters"
ORACLES = ASSETS / "oracles"  # models retrained without a concept
REPORTS = ASSETS / "reports"


# What people type for a bundled model, and how adapters name theirs.
BUNDLED = {
    "world": MODEL, "hfru-studio/bundled": MODEL, "photo": PHOTO, "hfru-studio/photo": PHOTO,
}  # fmt: skip


def chosen(model: str | None) -> str | Path:
    """The model that was asked for: a bundled one by its name, the drawn world's for nothing."""
    return BUNDLED.get(model, model) if model else MODEL


def model_name(model: str | Path) -> str:
    """How an adapter names its base: a Hub id, or a folder's name without its path."""
    if Path(model).resolve() == MODEL.resolve():
        return "hfru-studio/bundled"
    if Path(model).resolve() == PHOTO.resolve():
        return "hfru-studio/photo"
    return Path(model).resolve().name if Path(model).is_dir() else str(model)


def typed(path: Path) -> str:
    """A path as one types it in a terminal here: relative where it lies below this folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
