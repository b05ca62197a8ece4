"""Values that no field of the page would send, and events that fail: a clear line, no dead form."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hfru_core.studio.sessions.adapters import forgotten
from hfru_core.studio.sessions.models import two_answers, unlearned_model
from hfru_core.types import UserError
from tests.conftest import ROOT
from tests.server import Visitor, served

FORM = [["dog"], [], "default", 0, 4, "encoder", "", "object", None, "", "", ""]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("fields")) as (_, url):
        yield url


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (4, "x", "A number from 2 to 400"),
        (4, None, "A number from 2 to 400"),
        (4, -1, "A number from 2 to 400"),
        (3, "x", "A number from 0 to"),
        (3, 2**40, "A number from 0 to"),
        (6, "g" * 5000, "5000 letters is too long here: 60"),
        (9, "g" * 30_001, "too long here: 30000"),
        (0, ["dog"] * 500, "At most 100 values"),
    ],
)
def test_a_value_out_of_bounds_is_told(url: str, place: int, value: Any, said: str) -> None:
    visitor = Visitor(url)
    values = [*FORM[:place], value, *FORM[place + 1 :]]
    told = visitor.ask(visitor.event("start", "click")["id"], values)
    assert not told["success"] and said in told["output"]["error"]


def test_what_must_follow_follows_on_a_failure_too(url: str) -> None:
    """The page tells `failure` alone of an event that failed: Start is free again by it."""
    visitor = Visitor(url)
    every = visitor.config()["dependencies"]
    for button in ("start", "audit-start", "bench-start"):
        components = {c["id"]: c["props"].get("elem_id") for c in visitor.config()["components"]}
        begin = next(d for d in every if [components.get(i) for i, _ in d["targets"]] == [button])
        runs = [d["id"] for d in every if d["trigger_after"] == begin["id"]]
        after = [d for d in every if d["trigger_after"] in runs and d["trigger_only_on_failure"]]
        named = {components.get(i) for d in after for i in d["outputs"]}
        assert button in named, button


def test_a_mark_of_the_model_in_a_question_is_refused(tiny_folder: Path) -> None:
    for mark in ("<image>", "<pad>"):
        with pytest.raises(UserError, match=f"holds '{mark}'"):
            two_answers(tiny_folder, Image.new("RGB", (8, 8)), f"What {mark * 6} is it?", None)


def test_another_adapter_under_the_same_name_is_another(
    tiny_folder: Path, trained: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained, tmp_path / "same")
    first = unlearned_model(tiny_folder, folder)
    assert [c.id for c in forgotten(folder)] == ["dog"]
    assert unlearned_model(tiny_folder, folder) is first
    record = json.loads((folder / "unlearning.json").read_text())
    cat = json.loads((ROOT / "assets" / "concepts" / "cat.json").read_text())
    record["concepts"] = [{**record["concepts"][0], "id": "cat", "name": "cat"} | cat]
    (folder / "unlearning.json").write_text(json.dumps(record))
    assert [c.id for c in forgotten(folder)] == ["cat"]
    assert unlearned_model(tiny_folder, folder) is not first
