"""What a visitor deletes is gone from the disk; what is another's, or the app's, stays."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.server import API, Visitor
from tests.studio.test_uploads import files_in, folder_of, png, send

SHIPPED = ROOT / "assets" / "adapters" / "dog"
REPORT = ROOT / "assets" / "reports" / "audit-dog"
FORM = ["default", 0, 400, "encoder", "", "object", None, "", "", ""]


def named(visitor: Visitor, name: str, *values: Any) -> Any:
    """What an endpoint answers; raises what it says where it refuses."""
    said = visitor.ask(visitor.index(name), list(values))
    assert said["success"], said["output"]["error"]
    return said["output"]["data"][0]


def mine(visitor: Visitor) -> list[str]:
    return [a["name"] for a in named(visitor, "list_adapters") if a["name"].startswith("mine/")]


def offered(visitor: Visitor, elem_id: str) -> None:
    """Fill a list with what this visitor may choose now, as its tab does when it is opened."""
    config = visitor.config()
    one = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == elem_id)
    fills = [d for d in config["dependencies"] if one in d["outputs"]]
    event = next(d for d in fills if d["targets"][0][1] in ("select", "load"))
    assert visitor.ask(event["id"], [None] * len(event["inputs"]))["success"]


def settled(visitor: Visitor, app: tuple) -> set[Path]:
    """Bring an adapter in, upload a picture, fetch a zip; the files that this left."""
    before = files_in(folder_of(app))
    zipped = named(visitor, "fetch_adapter", "shipped/dog")["path"]
    content = visitor.http.get(f"{visitor.url}{API}/file={zipped}").content
    assert send(visitor, "adapters", visitor.upload(content, "dog.zip"))["success"]
    assert send(visitor, "compare", visitor.upload(png(), "face.png"))["success"]
    assert mine(visitor) == ["mine/dog"]
    named(visitor, "fetch_adapter", "mine/dog")
    return files_in(folder_of(app)) - before


def home(app: tuple, files: set[Path]) -> Path:
    """The visitor's folder that new files tell."""
    sessions = folder_of(app) / "sessions"
    (name,) = {p.relative_to(sessions).parts[0] for p in files if p.is_relative_to(sessions)}
    return sessions / name


def test_everything_of_one_visitor_goes_and_nothing_of_another(
    app: tuple, visitor: Visitor
) -> None:
    other = Visitor(visitor.url)
    theirs, files = settled(other, app), settled(visitor, app)
    folder = home(app, files)
    shutil.copytree(REPORT, folder / "audits" / "dog-standard")
    for name in ("own/rex/rex/0.png", "bench.json", "runs/no-cat.part/session.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    left = named(visitor, "delete_everything")
    assert left and all(a["name"].startswith("shipped/") for a in left)
    assert not folder.exists() and not [p for p in files if p.exists()]
    assert all(p.exists() for p in theirs) and mine(other) == ["mine/dog"]


def test_a_session_under_way_ends_and_writes_no_more(app: tuple, visitor: Visitor) -> None:
    sessions = folder_of(app) / "sessions"
    before = files_in(sessions)
    begin = visitor.event("start", "click")
    said = visitor.ask(begin["id"], [["dog"], [], *FORM])
    assert said["success"]
    follows = next(
        d["id"] for d in visitor.config()["dependencies"] if d["trigger_after"] == begin["id"]
    )
    assert visitor.join(follows, []).status_code == 200
    began = time.monotonic()
    while not list(sessions.glob("*/runs/*.part/*")):
        assert time.monotonic() - began < 60
        time.sleep(0.1)
    asker = Visitor(visitor.url, visitor.session)
    named(asker, "delete_everything")
    assert not files_in(sessions) - before
    time.sleep(2)
    assert not files_in(sessions) - before


def test_one_adapter_goes_with_its_zip_and_pictures(app: tuple, visitor: Visitor) -> None:
    files = settled(visitor, app)
    folder = home(app, files)
    for name in ("dog", "cat"):
        (folder / "own" / name / name).mkdir(parents=True)
        (folder / "own" / name / name / "0.png").write_bytes(png())
    assert named(visitor, "delete_adapter", "mine/dog") == "mine/dog"
    assert not mine(visitor) and not list(folder_of(app).glob(f"cache/visitors/{folder.name}/*"))
    assert [p.name for p in (folder / "own").iterdir()] == ["cat"]
    said = visitor.ask(visitor.index("delete_adapter"), ["shipped/dog"])
    assert "not yours to delete" in said["output"]["error"] and SHIPPED.is_dir()


def test_a_damaged_adapter_spoils_no_list_and_can_be_deleted(app: tuple, visitor: Visitor) -> None:
    folder = home(app, settled(visitor, app))
    record = json.loads((SHIPPED / "unlearning.json").read_text())
    part = {"weights": "x", "strength": 10**400, "concepts": ["dog"], "scope": None}
    damaged: dict[str, Any] = {
        "huge": record | {"parts": [part]},
        "list": [1],
        "odd": {"schema": 9},
    }
    for name, values in damaged.items():
        shutil.copytree(SHIPPED, folder / "runs" / name)
        (folder / "runs" / name / "unlearning.json").write_text(json.dumps(values))
    labels = {a["name"]: a["label"] for a in named(visitor, "list_adapters")}
    assert all("damaged" in labels[f"mine/{name}"] for name in damaged)
    assert "Without dog" in labels["mine/dog"]
    for elem_id, trigger in (("past", "input"), ("adapter-list", "change")):
        offered(visitor, elem_id)
        said = visitor.ask(visitor.event(elem_id, trigger)["id"], ["mine/dog"])
        assert said["success"], said
    shown = visitor.ask(visitor.event("adapter-list", "change")["id"], ["mine/list"])
    assert "You can delete it" in json.dumps(shown["output"]["data"])
    for name in damaged:
        named(visitor, "delete_adapter", f"mine/{name}")
    assert mine(visitor) == ["mine/dog"]


def test_one_report_goes(app: tuple, visitor: Visitor) -> None:
    folder = home(app, settled(visitor, app))
    report = shutil.copytree(REPORT, folder / "audits" / "dog-standard")
    offered(visitor, "audit-report")
    sure = visitor.event("delete-report-sure", "click")
    removes = next(
        d
        for d in visitor.config()["dependencies"]
        if d["targets"] == sure["targets"] and d["inputs"]
    )
    said = visitor.ask(removes["id"], ["shipped/audit-dog"])
    assert "not yours to delete" in said["output"]["error"] and REPORT.is_dir()
    assert visitor.ask(removes["id"], ["mine/dog-standard"])["success"]
    assert not report.exists()
