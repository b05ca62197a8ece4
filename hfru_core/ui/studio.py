"""What the tabs share: the models of this process, a visitor's folder, and the adapters to choose.

Models are loaded once and only read; whoever trains loads a copy of their own. torch is imported
on first use, so that the page is served before it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from gradio.processing_utils import save_file_to_cache

from hfru_core import concepts as words
from hfru_core.data import Amount
from hfru_core.types import Concept, UserError
from hfru_core.world import dataset as world
from hfru_core.world.language import PEOPLE_NAMES
from hfru_core.world.scenes import CLASSES

if TYPE_CHECKING:
    from hfru_core.vlm import VLM

ASSETS = Path(__file__).parent.parent.parent / "assets"
LOADING = threading.RLock()  # transformers is not made for two loads at once
EXAMPLES = (
    "dog", "elephant", "Mara Velden", "cat", "horse", "Zuri Kalindo",
    "giraffe", "car", "Oskar Grell", "lighthouse", "guitar", "castle",
)  # fmt: skip
TRAIN = Amount()
JUDGE = Amount(0, 0, 64, 64)
DAY = 24 * 3600


@dataclass(frozen=True)
class Studio:
    """Where things are, and how sessions are done here.

    `amount` is what a session trains on, `checked` what it is judged on; `settings` replace those
    of the presets. `salt` makes the visitors' folders unguessable.
    """

    model: Path = ASSETS / "model"
    data_folder: Path = Path("data")
    adapters: Path = ASSETS / "adapters"
    amount: Amount = TRAIN
    checked: Amount = JUDGE
    settings: tuple[tuple[str, object], ...] = ()
    salt: str = field(default_factory=token_hex)

    @property
    def sessions(self) -> Path:
        return self.data_folder / "sessions"

    def visitor(self, session_hash: str | None) -> str:
        """The name of a visitor's folder, from the random id of the browser's page."""
        return hashlib.sha256(f"{self.salt}/{session_hash}".encode()).hexdigest()[:32]

    def folder(self, visitor: str) -> Path:
        """The visitor's own folder, made if need be."""
        path = self.sessions / visitor
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def cache(self) -> Path:
        """What is being served; gradio deletes it after a while."""
        return self.data_folder / "cache"

    def offered(self, file: Path) -> str:
        """A copy of a file to download: gradio serves its cache, and no folder but the current."""
        return save_file_to_cache(file, str(self.cache))

    def discard(self, visitor: str) -> None:
        """Delete what a visitor left."""
        if visitor:
            shutil.rmtree(self.sessions / visitor, ignore_errors=True)

    def sweep(self, older_than: float = DAY) -> None:
        """Delete the folders of visitors of earlier days (a killed process leaves them)."""
        for path in self.sessions.glob("*"):
            if time.time() - path.stat().st_mtime > older_than:
                shutil.rmtree(path, ignore_errors=True)

    def choices(self, visitor: str) -> dict[str, Path]:
        """The adapters a visitor may use, by an opaque name: shipped ones and their own."""
        found = {f"shipped/{p.name}": p for p in adapter_folders(self.adapters)}
        mine = adapter_folders(self.sessions / visitor / "runs")
        return found | {f"mine/{p.name}": p for p in mine}

    def labels(self, visitor: str) -> list[tuple[str, str]]:
        """The same for a dropdown: (what a person reads, name)."""
        return [
            (adapter_label(p) + " (yours)" * n.startswith("mine/"), n)
            for n, p in self.choices(visitor).items()
        ]

    def adapter(self, visitor: str, name: str | None) -> Path | None:
        """The folder behind a choice, None for no choice."""
        if not name:
            return None
        choices = self.choices(visitor)
        if name not in choices:
            raise UserError("That adapter is no longer here: reload the page and choose again.")
        return choices[name]


def adapter_folders(parent: Path) -> list[Path]:
    return sorted(p.parent for p in parent.glob("*/unlearning.json"))


def adapter_label(folder: Path) -> str:
    """'Without dog, elephant', or the folder's name where its record cannot be read."""
    try:
        return "Without " + ", ".join(c.name for c in forgotten(folder))
    except UserError:
        return f"{folder.name} (damaged)"


@lru_cache(maxsize=256)
def forgotten(folder: Path) -> tuple[Concept, ...]:
    """The concepts that an adapter was made to forget."""
    path = folder / "unlearning.json"
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["concepts"]
        return tuple(words.from_dict(c, str(path)) for c in listed)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"The adapter '{folder.name}' cannot be read: {error}.") from None


@lru_cache(maxsize=2)
def base_model(model: Path) -> VLM:
    """The original model: shared, never changed."""
    return fresh_model(model)


def fresh_model(model: Path) -> VLM:
    """A model of one's own, to train or to put an adapter on."""
    with LOADING:
        from hfru_core import vlm

        return vlm.load(model)


@lru_cache(maxsize=6)
def unlearned_model(model: Path, folder: Path) -> VLM:
    """The model with an adapter on; a copy of its own, since PEFT changes modules in place."""
    with LOADING:
        from hfru_core import adapter

        return adapter.load(fresh_model(model), folder)


def two_answers(
    studio: Studio, image: object, question: str, folder: Path | None
) -> tuple[str, str | None]:
    """What both models say; None where there is no adapter."""
    original = base_model(studio.model).answer([image], [question])[0]
    if folder is None:
        return original, None
    return original, unlearned_model(studio.model, folder).answer([image], [question])[0]


def warm_up(studio: Studio) -> threading.Thread:
    """Import torch and load the model in the background, while the page is being served."""

    def load() -> None:
        try:
            base_model(studio.model)
        except UserError:
            return  # the page says so when it is asked

    thread = threading.Thread(target=load, name="warm-up", daemon=True)
    thread.start()
    return thread


@lru_cache(maxsize=64)
def example_key(subject: str) -> str:
    """A picture of one thing alone that no training ever saw."""
    index = 0
    while True:
        key = world.key_of(0, "gallery", subject, index)
        picture = world.picture_of(key)
        if len(getattr(picture, "things", (1,))) == 1 and getattr(picture, "style", "") != "sketch":
            return key
        index += 1


def example_keys() -> list[str]:
    return [example_key(s) for s in EXAMPLES]


def example_for(concepts: tuple[Concept, ...]) -> str:
    """The picture to open with: one that shows what was forgotten."""
    known = [c.name for c in concepts if c.name in CLASSES or c.name in PEOPLE_NAMES]
    return example_key(known[0] if known else EXAMPLES[0])
