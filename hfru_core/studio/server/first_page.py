"""The first page's answers, cached on disk: a start shows them before torch is imported.

Cached answers are shown for the same weights, packages, picture and question alone, and the page
asks again as soon as it is open. Those of the shipped models come with them, for the very first
start (a test asks again): python -m hfru_core.studio.server.first_page writes them.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import threading
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from hfru_core.files import read_json, write_text
from hfru_core.paths import ASSETS, PHOTO
from hfru_core.studio.examples import example_for, presets
from hfru_core.studio.sessions import photograph
from hfru_core.studio.sessions.adapters import forgotten
from hfru_core.studio.sessions.models import base_model, two_answers
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError

FILE = "opening.json"
SMALL = 64 * 2**20  # bytes of weights that are read at every start
PATIENCE = 4  # seconds in which the first page is served, where it does not wait for torch
PACKAGES = ("torch", "transformers", "peft")
Said = tuple[str, str | None]


class Asked(NamedTuple):
    """What is asked as the page opens; `name` stands for the picture `key` on every machine."""

    model: Path
    name: str
    key: str
    question: str
    folder: Path | None


def opening(studio: Studio) -> Asked | None:
    """The drawing, question and adapter that a new visitor begins with.

    None where there is no adapter that can be read, and for models that are not small files here:
    what their answers depend on is not looked at in full.
    """
    folder = first_adapter(studio, studio.model)
    if folder is None or not is_small(studio.model):
        return None
    try:
        concepts = forgotten(folder)
    except UserError:
        return None  # the list of adapters says so
    key = example_for(concepts)
    return Asked(studio.model, key, key, presets(key, concepts)[0], folder)


def beside(studio: Studio) -> Asked | None:
    """The photograph beside it, with the first adapter of the model of photographs, if any."""
    key, model = photograph.key(), studio.photographs
    if key is None or model is None or not is_small(model):
        return None
    question = presets(key, ())[0]
    return Asked(model, photograph.NAME, key, question, first_adapter(studio, model))


def first_adapter(studio: Studio, model: Path) -> Path | None:
    """The first shipped adapter of a model."""
    return next((p for p in studio.shipped() if studio.base_of(p) == model), None)


def is_small(model: Path) -> bool:
    weights = [p.stat().st_size for p in Path(model).glob("*.safetensors")]
    return 0 < sum(weights) <= SMALL


def recalled(studio: Studio, asked: Asked) -> Said | None:
    """The cached answers of both models, from here or from where the models come from."""
    of = digest(asked)
    for where in (studio.data_folder, ASSETS):
        if found := read(where / FILE).get(of):
            original, unlearned = found
            return original, unlearned
    return None


def read(file: Path) -> dict:
    """What a cache file holds; nothing where there is none, or it is damaged."""
    try:
        values = read_json(file)
    except UserError:
        return {}
    return values if isinstance(values, dict) else {}


def said(asked: Asked) -> Said:
    """What the models say."""
    from hfru_core.data.source import load_image

    return two_answers(asked.model, load_image(asked.key), asked.question, asked.folder)


def keep(studio: Studio) -> None:
    """Cache the answers of the first page for the next start; of the photograph's model only
    where they are not known: it is loaded for nothing else."""
    drawn, photo = opening(studio), beside(studio)
    answers = {digest(drawn): said(drawn)} if drawn else {}
    if photo:
        answers[digest(photo)] = recalled(studio, photo) or said(photo)
    write(studio.data_folder, answers)


def write(where: Path, answers: dict[str, Said]) -> None:
    if answers:
        where.mkdir(parents=True, exist_ok=True)
        write_text(where / FILE, json.dumps(answers) + "\n")


def digest(asked: Asked) -> str:
    """Changes with each file, package and word that the answers depend on; prose is left out."""
    packages = [version(p).partition("+")[0] for p in PACKAGES]  # for whatever device it is built
    answered = hashlib.sha256(json.dumps([asked.name, asked.question, *packages]).encode())
    folders = [asked.model, *([asked.folder] if asked.folder else [])]
    for path in sorted(p for where in folders for p in Path(where).glob("*.*")):
        if path.suffix in (".md", ".log"):  # what is told of it
            continue
        answered.update(path.read_bytes())
    return answered.hexdigest()


def warm_up(studio: Studio) -> threading.Thread:
    """Import torch and load the models in the background, while the page is being served."""
    leaving = threading.Event()

    def load() -> None:
        try:
            asked = opening(studio)
            if asked and recalled(studio, asked):
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
    shipped = Studio(photo=PHOTO)
    write(ASSETS, {digest(a): said(a) for a in (opening(shipped), beside(shipped)) if a})
