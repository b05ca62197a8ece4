"""What the tabs share: the models of this process, a visitor's folder, and the adapters to choose.

Models are loaded once and only read; whoever trains loads a copy of their own. torch is imported
on first use, so that the page is served before it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache, wraps
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from gradio.processing_utils import save_file_to_cache

from hfru_core import concepts as words
from hfru_core.adapters.record import INFO, read_record
from hfru_core.data.samples import Amount
from hfru_core.files import free_name
from hfru_core.paths import ASSETS
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.server import browser, quota
from hfru_core.types import Concept, UserError

if TYPE_CHECKING:
    from hfru_core.model.vlm import VLM

LOADING = threading.RLock()  # transformers is not made for two loads at once
NAME = re.compile(r"[\w-]{1,24}")  # of a preset or method
MOST_OWN = 12  # adapters of a visitor
TURNING = threading.Lock()
DEVICE = threading.Lock()  # held by a session: its place in the queue may end before it does
TRAIN = Amount()
JUDGE = Amount(0, 0, 64, 64)
KEPT = ("runs", "audits", "bench.json")  # of a visitor, who may come back to it
TIDY = 600  # seconds between two looks for what has expired


@dataclass(frozen=True)
class Studio:
    """Where things are, and how sessions are done here.

    `amount` is what a session trains on, `checked` what it is judged on; `settings` replace those
    of the presets. `salt` makes the visitors' folders unguessable. `pages` are those that are open,
    with their visitors.
    """

    model: Path = ASSETS / "model"
    data_folder: Path = Path("data")
    adapters: Path = ASSETS / "adapters"
    amount: Amount = TRAIN
    checked: Amount = JUDGE
    settings: tuple[tuple[str, object], ...] = ()
    salt: str = field(default_factory=token_hex)
    pages: dict[str, str] = field(default_factory=dict)

    text = staticmethod(t)
    device = DEVICE

    @property
    def sessions(self) -> Path:
        return self.data_folder / "sessions"

    def arrive(self, page: str, token: object) -> None:
        """A page is open, or about to be: it is of the visitor whose token its browser keeps."""
        if not browser.valid(token):
            return
        visitor = browser.visitor_of(token)
        coming = [p for p, v in self.pages.items() if v == visitor and p.startswith(browser.COMING)]
        if coming and not page.startswith(browser.COMING):
            self.pages.pop(coming[0], None)  # This is the page that was about to be.
        self.pages[page] = visitor

    def visitor(self, session_hash: str | None) -> str:
        """The name of a visitor's folder: of the page's browser, or of the client's random id."""
        if session_hash in self.pages:
            return self.pages[session_hash]
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
        """Delete the pictures of a visitor who left; `KEPT` stays until it expires."""
        if not visitor or visitor in self.pages.values():
            return
        for path in (self.sessions / visitor).glob("*"):
            if path.name not in KEPT:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def sweep(self, older_than: float = quota.DAY) -> None:
        """Delete what visitors left (a killed process does, and a program that says no goodbye)."""
        quota.expire(self.sessions, older_than)
        quota.clear_leftovers(self.cache, quota.HOUR)

    def choices(self, visitor: str) -> dict[str, Path]:
        """The adapters a visitor may use, by an opaque name: shipped ones and their own."""
        found = {f"shipped/{p.name}": p for p in adapter_folders(self.adapters)}
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
            (adapter_label(p) + " (yours)" * n.startswith("mine/"), n)
            for n, p in self.choices(visitor).items()
        ]
        often = Counter(label for label, _ in found)
        return [(t if often[t] == 1 else f"{t} · {n.split('/')[1]}", n) for t, n in found]

    def adapter(self, visitor: str, name: str | None) -> Path | None:
        """The folder behind a choice, None for no choice."""
        if not name:
            return None
        choices = self.choices(visitor)
        if name not in choices:
            raise UserError("That adapter is no longer here: reload the page and choose again.")
        return choices[name]


def adapter_folders(parent: Path) -> list[Path]:
    return sorted(p.parent for p in parent.glob(f"*/{INFO}"))


def adapter_label(folder: Path) -> str:
    """'Without dog, elephant', or the folder's name where its record cannot be read."""
    try:
        return "Without " + ", ".join(c.name for c in forgotten(folder)) + made_of(folder)
    except UserError:
        return f"{folder.name} (damaged)"


def made_of(folder: Path) -> str:
    """' at 50 %' or ' (sum of 2)' for an adapter made of others, ' (deep)' for another preset."""
    record = record_of(folder)
    if parts := record.parts:
        return f" (sum of {len(parts)})" if len(parts) > 1 else f" at {parts[0].strength:.0%}"
    how = record.config.get("preset", "default") if record.method == "hfru" else record.method
    return f" ({how})" if how != "default" and NAME.fullmatch(str(how)) else ""


def forgotten(folder: Path) -> tuple[Concept, ...]:
    """The concepts that an adapter was made to forget."""
    return record_of(folder).concepts


record_of = lru_cache(maxsize=256)(read_record)


def shared(size: int) -> Callable:
    """Like `lru_cache`, but who comes while a model is being loaded waits for that one."""

    def decorate(load: Callable) -> Callable:
        lock, kept = threading.RLock(), lru_cache(maxsize=size)(load)

        @wraps(load)
        def found(*args):
            with lock:
                return kept(*args)

        return found

    return decorate


@shared(2)
def base_model(model: Path) -> VLM:
    """The original model: shared, never changed."""
    return fresh_model(model)


@cache
def bring_torch() -> None:
    """Import torch and what stands on it: threads that begin at different ends break each other's
    imports, so that all begin here. Later calls wait for nobody's model."""
    with LOADING:
        import hfru_core.session  # noqa: F401


def fresh_model(model: Path) -> VLM:
    """A model of one's own, to train or to put an adapter on."""
    with LOADING:
        bring_torch()
        from hfru_core.model import vlm

        return vlm.load(model)


@shared(6)
def unlearned_model(model: Path, folder: Path) -> VLM:
    """The model with an adapter on; a copy of its own, since PEFT changes modules in place."""
    with LOADING:
        bring_torch()
        from hfru_core.adapters import folder as adapter

        return adapter.load(fresh_model(model), folder)


def two_answers(
    studio: Studio, image: object, question: str, folder: Path | None
) -> tuple[str, str | None]:
    """What both models say; None where there is no adapter."""
    original = base_model(studio.model).answer([image], [question])[0]
    if folder is None:
        return original, None
    return original, unlearned_model(studio.model, folder).answer([image], [question])[0]


@shared(2)
def turned_model(model: Path, folder: Path) -> VLM:
    """The model with an adapter on, whose strength is turned while `TURNING` is held."""
    with LOADING:
        bring_torch()
        from hfru_core.adapters import folder as adapter

        return adapter.load(fresh_model(model), folder)


def answer_at(studio: Studio, image: object, question: str, folder: Path, strength: float) -> str:
    """What the model says with the adapter at another strength."""
    bring_torch()
    from hfru_core.adapters import folder as adapter

    model = turned_model(studio.model, folder)
    with TURNING, adapter.at_strength(model, strength):
        return model.answer([image], [question])[0]


def keep_tidy(studio: Studio) -> threading.Thread:
    """Delete what has expired, now and then for as long as the process lives.

    To be called before anything of this process is in the cache.
    """
    quota.expire(studio.cache, quota.HOUR)

    def tidy() -> None:
        while True:
            studio.sweep()
            time.sleep(TIDY)

    thread = threading.Thread(target=tidy, name="keep-tidy", daemon=True)
    thread.start()
    return thread
