"""A model folder of a stranger ends in one line, before memory or time is spent on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hfru_core.model import folder_limits, vlm
from hfru_core.paths import MODEL
from hfru_core.types import UserError
from tests.conftest import ROOT


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


def changed(name: str, *place: str, value: object) -> Callable[[Path], None]:
    """Put another value into a JSON file of a folder."""

    def change(folder: Path) -> None:
        content: Any = json.loads((folder / name).read_text())
        inner = content
        for key in place[:-1]:
            inner = inner.setdefault(key, {})
        inner[place[-1]] = value
        (folder / name).write_text(json.dumps(content))

    return change


def setting(*place: str, value: object) -> Callable[[Path], None]:
    return changed("config.json", *place, value=value)


def processor(*place: str, value: object) -> Callable[[Path], None]:
    return changed("processor_config.json", "image_processor", *place, value=value)


def written(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def template(text: str) -> Callable[[Path], None]:
    return written("chat_template.jinja", text.encode())


def indexed(name: str) -> Callable[[Path], None]:
    """Weights by an index that names one file."""

    def change(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "weights.safetensors")
        index = {"metadata": {}, "weight_map": {"lm_head.weight": name}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return change


def sparse(name: str, size: int, head: bytes = b"") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(head)
        os.truncate(folder / name, size)

    return change


def pipe(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    os.mkfifo(folder / "tokenizer_config.json")


REPLACE = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 100}
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a billion layers": (setting("text_config", "num_hidden_layers", value=10**9), "at most 1000"),
    "20,000 layers": (setting("vision_config", "num_hidden_layers", value=20_000), "at most 1000"),
    "900 layers": (setting("text_config", "num_hidden_layers", value=900), "as large as its"),
    "a billion labels": (setting("num_labels", value=10**9), "num_labels is at most"),
    "layers by another name": (setting("text_config", "n_layer", value=10**9), "n_layer"),
    "a number of an unknown name": (setting("text_config", "rounds", value=10**9), "rounds"),
    "infinity": (written("config.json", b'{"model_type": "llava", "x": 1e999}'), "x is at most"),
    "a wide tower": (setting("vision_config", "hidden_size", value=2**20), "as large as its"),
    "a wide decoder": (setting("text_config", "hidden_size", value=2**30), "hidden_size is"),
    "many words": (setting("text_config", "vocab_size", value=2**20), "as large as its"),
    "large images": (setting("vision_config", "image_size", value=10**6), "as large as its"),
    "config as a list": (written("config.json", b"[1]"), "a JSON object"),
    "deep config": (written("config.json", b"[" * 200_000), "not a JSON file"),
    "long config": (sparse("config.json", 2**21), "at most 1 MB"),
    "long tokenizer": (sparse("tokenizer.json", 65 * 2**20), "at most 64 MB"),
    "weights elsewhere": (setting("transformers_weights", value="../x"), "transformers_weights"),
    "long header": (sparse("model.safetensors", 2**30, (2**29).to_bytes(8, "little")), "header"),
    "header that is none": (sparse("model.safetensors", 2**20), "SafetensorError"),
    "index that climbs": (indexed("../weights.safetensors"), "in this folder"),
    "index to the root": (indexed("/etc/passwd"), "in this folder"),
    "index to nothing": (indexed("nothing.safetensors"), "nothing.safetensors"),
    "an adapter of another": (written("adapter_config.json", b"{}"), "--adapter"),
    "a pipe": (pipe, "a pipe"),
    "wide pictures": (processor("size", "width", value=10**6), "numbers of at most 4096"),
    "many tiles": (processor("max_patches", value=10**6), "numbers of at most 64"),
    "wide and many": (processor("size", value={"height": 4000, "width": 4000, "crops": 60}),
                      "images of at most"),
    "a tokenizer that multiplies": (
        changed("tokenizer.json", "normalizer", value={"type": "Sequence", "normalizers": [
            REPLACE] * 10}), "letters for one"),
    "a tokenizer of another kind": (written("tokenizer.json", b'{"model": 7}'), "could not be"),
    "a regex that panics": (
        changed("tokenizer.json", "pre_tokenizer", value={"type": "Split", "pattern": {
            "Regex": "(" * 5000}, "behavior": "Removed", "invert": False}), "could not be"),
    "tokenizer class": (changed("tokenizer_config.json", "tokenizer_class", value=7), "could not"),
    "template: product": (template("{{ 'x' * 10**10 }}"), "MemoryError"),
    "template: attributes": (template("{{ ().__class__.__bases__ }}"), "SecurityError"),
    "template: no question": (template("hello"), "the question once"),
    "template: its own error": (template("{{ raise_exception('no\nno') }}"), "no no"),
    "no heads": (setting("text_config", "num_attention_heads", value=0), "ZeroDivisionError"),
    "text for a number": (setting("text_config", "hidden_size", value="128"), "could not be"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_folder_is_refused_in_one_line(folder: Path, name: str) -> None:
    spoil, words = REFUSED[name]
    spoil(folder)
    with pytest.raises(UserError) as refused:
        vlm.load(folder, device="cpu")
    assert words in str(refused.value) and "\n" not in str(refused.value)
    assert len(str(refused.value)) < 900


MANY = (
    "a billion layers",
    "20,000 layers",
    "a billion labels",
    "template: product",
    "a regex that panics",
)
COMMANDS = """
import resource, sys
from hfru_core.cli.main import main
from hfru_core.model import vlm
fine, picture, *folders = sys.argv[1:]
vlm.load(fine, device="cpu")
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
codes = [main(["answer", picture, "What?", "--device", "cpu", "--model", f]) for f in folders]
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(codes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, children)
"""


@pytest.mark.slow
def test_commands_refuse_and_spend_no_memory(tiny_folder: Path, tmp_path: Path) -> None:
    folders = [
        Path(shutil.copytree(tiny_folder, tmp_path / f"model-{i}")) for i in range(len(MANY))
    ]
    for folder, name in zip(folders, MANY):
        REFUSED[name][0](folder)
    picture = tmp_path / "a.png"
    Image.new("RGB", (32, 32)).save(picture)
    command = [sys.executable, "-c", COMMANDS, tiny_folder, picture, *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    codes, more, children = done.stdout.strip().rpartition("]")[0] + "]", *done.stdout.split()[-2:]
    assert codes == str([2] * len(MANY)), done.stderr
    assert int(more) < 300_000 and int(children) < 1_200_000  # kilobytes
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == len(MANY) and "Traceback" not in done.stderr


def test_an_interrupt_is_not_taken_for_a_bad_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_limits, "check_settings", interrupted)
    with pytest.raises(KeyboardInterrupt):
        vlm.load(folder, device="cpu")


def test_the_bundled_model_and_names_of_classes_are_taken(folder: Path) -> None:
    setting("vision_config", "id2label", value={str(i): f"LABEL_{i}" for i in range(5000)})(folder)
    for model in (folder, MODEL):
        vlm.load(model, device="cpu")
