"""The first page's two answers, cached on disk: a start shows them before torch is imported.

Cached answers are shown for the same weights, packages, picture and question alone, and the page
asks again as soon as it is open. Those of the shipped model come with it, for the very first start
(a test asks again): python -m hfru_core.studio.server.first_page writes them.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import threading
from importlib.metadata import version
from pathlib import Path

from hfru_core.files import read_json, write_text
from hfru_core.paths import ASSETS
from hfru_core.studio.examples import example_for, presets
from hfru_core.studio.sessions.adapters import adapter_folders, forgotten
from hfru_core.studio.sessions.models import base_model, two_answers
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError

FILE = "opening.json"
SMALL = 64 * 2**20  # bytes of weights that are read at every start
PATIENCE = 4  # seconds in which the first page is served, where it does not wait for torch
PACKAGES = ("torch", "transformers", "peft")


def opening(studio: Studio) -> tuple[str, str, Path] | None:
    """The picture, question and adapter that a new visitor begins with.

    None where there is no adapter that can be read, and for models that are not small files here:
    what their answers depend on is not looked at in full.
    """
    folder = next(iter(adapter_folders(studio.adapters)), None)
    weights = [p.stat().st_size for p in Path(studio.model).glob("*.safetensors")]
    if folder is None or not weights or sum(weights) > SMALL:
        return None
    try:
        concepts = forgotten(folder)
    except UserError:
        return None  # the list of adapters says so
    key = example_for(concepts)
    return key, presets(key, concepts)[0], folder


def recalled(studio: Studio, key: str, question: str, folder: Path) -> tuple[str, str] | None:
    """The cached answers of both models, from here or from where the model comes from."""
    of = digest(studio.model, key, question, folder)
    for where in (studio.data_folder, ASSETS):
        cached = read(where / FILE)
        if cached.get("of") == of:
            return cached["original"], cached["unlearned"]
    return None


def read(file: Path) -> dict:
    """What a cache file holds; nothing where there is none, or it is damaged."""
    try:
        values = read_json(file)
    except UserError:
        return {}
    return values if isinstance(values, dict) else {}


def keep(studio: Studio, where: Path | None = None) -> None:
    """Cache the answers to the first page's question, for the next start."""
    from hfru_core.data.source import load_image

    if asked := opening(studio):
        key, question, folder = asked
        original, unlearned = two_answers(studio.model, load_image(key), question, folder)
        cached = {"of": digest(studio.model, *asked), "original": original, "unlearned": unlearned}
        where = where or studio.data_folder
        where.mkdir(parents=True, exist_ok=True)
        write_text(where / FILE, json.dumps(cached) + "\n")


def digest(model: Path, key: str, question: str, folder: Path) -> str:
    """Changes with each file, package and word that the answers depend on; prose is left out."""
    packages = [version(p).partition("+")[0] for p in PACKAGES]  # for whatever device it is built
    answered = hashlib.sha256(json.dumps([key, question, *packages]).encode())
    for path in sorted(p for where in (Path(model), folder) for p in where.glob("*.*")):
        if path.suffix != ".md":  # a card says what is there, and is written anew without it
            answered.update(path.read_bytes())
    return answered.hexdigest()


def warm_up(studio: Studio) -> threading.Thread:
    """Import torch and load the models in the background, while the page is being served."""
    leaving = threading.Event()

    def load() -> None:
        try:
            asked = opening(studio)
            if asked and recalled(studio, *asked):
                leaving.wait(PATIENCE)
            base_model(studio.model)
            if not leaving.is_set():
                keep(studio)
        except (UserError, OSError):
            return  # the page says so when it is asked
        except RuntimeError as error:
            if "shutdown" not in str(error):  # the app was ended before the model was there
                raise

    def leave() -> None:
        """torch ends the process with an abort where a thread is still in it."""
        leaving.set()
        thread.join(PATIENCE)

    thread = threading.Thread(target=load, name="warm-up", daemon=True)
    thread.start()
    atexit.register(leave)
    return thread


if __name__ == "__main__":
    keep(Studio(), ASSETS)
