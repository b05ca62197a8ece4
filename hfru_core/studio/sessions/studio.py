"""Where things are in this app, and what a visitor may use and store."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gradio.processing_utils import save_file_to_cache

from hfru_core import concepts as words
from hfru_core.data.samples import Amount
from hfru_core.files import PART, free_name
from hfru_core.paths import ASSETS, BUNDLED, PHOTO, model_name
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.server import quota, uploads
from hfru_core.studio.sessions.adapters import (
    adapter_folders,
    adapter_label,
    base_name,
    concepts_of,
    source_of,
)
from hfru_core.studio.sessions.pages import Pages
from hfru_core.types import UserError

MOST_OWN = 12  # adapters of a visitor
DEVICE = threading.Lock()  # held by a session: its place in the queue may end before it does
JUDGE = Amount(0, 0, 64, 64)
# Of a visitor who left: for who comes back, and for what goes on ("stop-", "bench-").
KEPT = re.compile(r"runs|audits|own|bench\.json|(?:stop|bench)-[\w-]+")


@dataclass(frozen=True)
class Studio:
    """Where things are, and how sessions are done here.

    `model` is the drawn world's, or the one that the app was started with; `photo` is asked about
    photographs, where it is there. `amount` is what a session trains on (default: as the command
    line does), `checked` what it is judged on; `settings` replace those of the presets. `pages`
    are those that are open: the one part that changes.
    """

    model: Path = ASSETS / "model"
    data_folder: Path = Path("data")
    adapters: Path = ASSETS / "adapters"
    amount: Amount | None = None
    checked: Amount = JUDGE
    settings: tuple[tuple[str, object], ...] = ()
    photo: Path | None = None
    pages: Pages = field(default_factory=Pages)

    text = staticmethod(t)
    device = DEVICE

    @property
    def sessions(self) -> Path:
        return self.data_folder / "sessions"

    def visitor(self, page: str | None) -> str:
        """The name of the visitor's folder whose page, or client, this is."""
        return self.pages.visitor(page)

    def folder(self, visitor: str) -> Path:
        """The visitor's own folder, made if need be."""
        path = self.sessions / visitor
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def cache(self) -> Path:
        """What is being served; gradio deletes it after a while."""
        return self.data_folder / "cache"

    @cached_property
    def uploads(self) -> uploads.Uploads:
        """What visitors have sent and nobody has taken yet."""
        return uploads.Uploads(self.cache / uploads.FOLDER)

    def served(self, visitor: str) -> Path:
        """The part of the cache that holds a visitor's own downloads, and no other's."""
        return self.cache / "visitors" / (visitor or "nobody")

    def offered(self, file: Path, visitor: str) -> str:
        """A copy of a visitor's file that Gradio serves: its cache, and no other folder of ours."""
        return save_file_to_cache(file, str(self.served(visitor)))

    def discard(self, visitor: str) -> None:
        """Delete the pictures and downloads of a visitor who left; `KEPT` stays till it expires."""
        if not visitor or not self.pages.gone(visitor):
            return
        self.uploads.discard(visitor)
        shutil.rmtree(self.served(visitor), ignore_errors=True)
        for path in (self.sessions / visitor).glob("*"):
            if not KEPT.fullmatch(path.name):
                remove(path)

    def forget(self, visitor: str) -> None:
        """Delete all that is a visitor's; what uses it must have ended."""
        self.uploads.discard(visitor)
        for folder in (self.served(visitor), self.sessions / visitor):
            shutil.rmtree(folder, ignore_errors=True)

    def delete_adapter(self, visitor: str, folder: Path) -> None:
        """Delete one of the visitor's own adapters, with its zip and the pictures it came from."""
        if folder not in self.own(visitor):
            raise UserError("That adapter is not yours to delete: it comes with the app.")
        pictures = self.sessions / visitor / "own"
        for concept in concepts_of(folder):
            shutil.rmtree(pictures / (words.slug(concept.id) or "none"), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        remove(self.sessions / visitor / "downloads" / f"{folder.name}.zip")
        shutil.rmtree(self.served(visitor), ignore_errors=True)

    def tidy_start(self) -> None:
        """Delete what the visitors of an earlier process left: no page of theirs is open."""
        self.uploads.expire(older_than=0)
        for folder in self.sessions.glob("*"):
            self.discard(folder.name)
            for leftover in leftovers(folder):
                remove(leftover)

    def sweep(self, older_than: float = quota.DAY) -> None:
        """Delete what visitors left (a killed process does, and a program that says no goodbye)."""
        quota.expire(self.sessions, older_than)
        for folder in self.sessions.glob("*"):  # of programs that tell nobody when they leave
            if time.time() - quota.last_change(folder) > quota.HOUR:
                self.discard(folder.name)
        for own in self.sessions.glob("*/own"):
            quota.expire(own, older_than)  # whatever else their visitor has made meanwhile
        quota.expire(self.cache / "visitors", quota.HOUR)
        self.uploads.expire()
        quota.clear_leftovers(self.cache, quota.HOUR)

    def choices(self, visitor: str) -> dict[str, Path]:
        """The adapters a visitor may use, by an opaque name: shipped ones and their own."""
        found = {f"shipped/{p.name}": p for p in self.shipped()}
        return found | {f"mine/{p.name}": p for p in self.own(visitor)}

    def own(self, visitor: str) -> list[Path]:
        return adapter_folders(self.sessions / visitor / "runs")

    def check_space(self, visitor: str) -> None:
        """Raise where the visitor, or all of them together, may store no more."""
        quota.check_visitor(self.sessions / visitor)
        quota.check_all(self.data_folder)

    def check_room(self, visitor: str) -> None:
        """Raise where the visitor may have no further adapter."""
        self.check_space(visitor)
        if len(self.own(visitor)) >= MOST_OWN:
            raise UserError(
                f"You have {MOST_OWN} adapters of your own here, which is the most. Download what "
                "you want to keep: all are deleted a day after you last made something."
            )

    def room(self, visitor: str, stem: str) -> Path:
        """A folder that does not exist yet for another adapter of the visitor's."""
        self.check_room(visitor)
        stem = words.slug(stem)[:40] or "adapter"
        return free_name(self.folder(visitor) / "runs", stem)

    def labels(self, visitor: str) -> list[tuple[str, str]]:
        """The same for a dropdown: (what a person reads, name); alike ones get their name added."""
        found = [
            (self.label(p) + " (yours)" * n.startswith("mine/"), n)
            for n, p in self.choices(visitor).items()
        ]
        often = Counter(label for label, _ in found)
        return [(t if often[t] == 1 else f"{t} · {n.split('/')[1]}", n) for t, n in found]

    def label(self, folder: Path) -> str:
        """What an adapter forgets, and of which model where there are two."""
        photo = self.photo is not None and self.base_of(folder) == self.photo
        return adapter_label(folder) + ", in photographs" * photo

    @property
    def photographs(self) -> Path | None:
        """The bundled model that is asked about photographs, beside the other or alone."""
        return self.photo or (PHOTO if self.model == PHOTO else None)

    def base_of(self, folder: Path) -> Path:
        """The model that an adapter was made for, by the name in its record."""
        if self.photo and base_name(folder) == model_name(self.photo):
            return self.photo
        return self.model

    def shipped(self) -> list[Path]:
        """The adapters that come with the app, but those of a bundled model that isn't served."""
        own = [model_name(m) for m in (self.model, self.photo) if m]
        others = {n for n in BUNDLED if n not in own}
        return [p for p in adapter_folders(self.adapters) if base_name(p) not in others]

    def own_pictures(self, visitor: str, folder: Path) -> str | None:
        """The source of the visitor's own pictures that an adapter was made from, while they are
        there; None of any other adapter. The record may be a stranger's, and name any path."""
        kind, _, name = source_of(folder).partition(":")
        if (
            kind != "folder"
            or not name
            or words.slug(name) != name
            or folder not in self.own(visitor)
        ):
            return None
        place = self.sessions / visitor / "own" / name
        return f"folder:{place.absolute()}" if place.is_dir() else None

    def adapter(self, visitor: str, name: str | None) -> Path | None:
        """The folder behind a choice, None for no choice."""
        if not name:
            return None
        choices = self.choices(visitor)
        if name not in choices:
            raise UserError("That adapter is no longer here: reload the page and choose again.")
        return choices[name]


def remove(path: Path) -> None:
    """Delete a file or a folder, where it is still there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def leftovers(folder: Path) -> list[Path]:
    """What a killed process had begun in a visitor's folder, and nobody can go on with: all but
    sessions with a checkpoint."""
    runs = [p for p in folder.glob(f"runs/*{PART}") if not (p / "session.json").is_file()]
    return [*runs, *folder.glob(f"audits/*{PART}"), *folder.glob("stop-*"), *folder.glob("bench-*")]
