"""Data sets of the Hub, read by the real client from a small Hub on loopback."""

import json
import logging
from pathlib import Path

import pytest
from huggingface_hub import constants

from hfru_core.concepts import parse
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import load_image, parse_source
from hfru_core.types import UserError
from tests.core.data.pictures import cell, write
from tests.hub_server import TOKEN, Hub

NAMES = ["Fox", "owl", "tench, Tinca tinca", "crab"]
FEATURES = {"info": {"features": {"label": {"_type": "ClassLabel", "names": NAMES}}}}
FEW = Amount(forget_train=8, retain_train=8, forget_eval=1, retain_eval=1)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "cache"))


def file(folder: Path, *labels: int, group: int = 14, start: int = 0) -> bytes:
    """A parquet file of so many pictures, sorted by label, fourteen of each."""
    rows = [{"image": cell(start + 1000 * c + n), "label": c} for c in labels for n in range(14)]
    name = f"{'-'.join(map(str, labels))}-{start}.parquet"
    return write(folder / name, rows, {"huggingface": json.dumps(FEATURES)}, group).read_bytes()


def shards(folder: Path) -> dict[str, bytes]:
    return {
        "data/train-00000-of-00002.parquet": file(folder, 0, 1),
        "data/train-00001-of-00002.parquet": file(folder, 2, 3),
        "load.py": b"raise SystemExit('code of a repository ran')",
        "README.md": b"x",
    }


def fetched(server: Hub) -> list[str]:
    return [a.path.rsplit("/", 1)[-1] for a in server.asked if "/resolve/" in a.path]


def test_a_request_fetches_the_row_groups_that_it_needs(server: Hub, tmp_path: Path) -> None:
    files = shards(tmp_path)
    server.add("me/animals", files)
    source = parse_source("hub:me/animals")
    known = source.known_concepts()
    assert list(known) == ["crab", "fox", "owl", "tench"]
    assert known["tench"].aliases == ("tench", "Tinca tinca")
    assert set(fetched(server)) == {"train-00000-of-00002.parquet"}
    request = build(parse("fox", known), source, retain=parse("owl", known), amount=FEW)
    assert set(fetched(server)) == {"train-00000-of-00002.parquet"}, "the other has neither"
    keys = {s.image_key for s in request.samples}
    assert len(keys) == 18 and all(load_image(k).size == (96, 96) for k in keys)
    (copy, other) = sorted((tmp_path / "cache").rglob("*.parquet"))
    assert copy.name.startswith("train-data-train-00000") and other.name.endswith("-1.parquet")
    before = len(server.asked)
    again = build(parse("fox", known), source, retain=parse("owl", known), amount=FEW)
    assert again == request and len(server.asked) == before


def test_another_column_of_the_same_rows_is_fetched_too(server: Hub, tmp_path: Path) -> None:
    pets = (("dog", "poodle"), ("cat", "persian"))
    rows = [{"image": cell(i), "kind": pets[i % 2][0], "breed": pets[i % 2][1]} for i in range(28)]
    server.add("me/pets", {"x.parquet": write(tmp_path / "x.parquet", rows, {}, 14).read_bytes()})
    for column, names in (("kind", ["cat", "dog"]), ("breed", ["persian", "poodle"])):
        source = parse_source(f"hub:me/pets#label={column}")
        known = source.known_concepts()
        request = build(parse(names[0], known), source, retain=parse(names[1], known), amount=FEW)
        assert {s.concept_id for s in request.samples} == set(names)


def test_the_card_names_the_configurations_and_their_splits(server: Hub, tmp_path: Path) -> None:
    server.add("me/two", {"a/x.parquet": file(tmp_path, 0, 1), "b/y.parquet": file(tmp_path, 2, 3),
                          "b/z.parquet": file(tmp_path, 2, 3, start=500)})  # fmt: skip
    both = [
        {"config_name": "a", "data_files": "a/*"},
        {"config_name": "b", "data_files": [{"split": "train", "path": "b/y*"},
                                            {"split": "test", "path": ["b/z*"]}]},
    ]  # fmt: skip
    server.cards["me/two"] = {"configs": both}
    with pytest.raises(UserError, match=r"configurations a, b\. Name one: hub:me/two:a"):
        parse_source("hub:me/two").known_concepts()
    source = parse_source("hub:me/two:b")
    known = source.known_concepts()
    request = build(parse("crab", known), source, retain=parse("tench", known), amount=FEW)
    judged = {s.image_key for s in request.samples if s.split == "eval"}
    assert judged and all("/eval-b-z-" in k for k in judged)
    assert not any("/eval-" in s.image_key for s in request.samples if s.split == "train")


def test_a_revision_is_read_and_the_hubs_own_files_where_there_are_no_others(
    server: Hub, tmp_path: Path
) -> None:
    first = server.add("me/old", {"data/train-0.parquet": file(tmp_path, 0, 1)})
    server.add("me/old", {"data/train-0.parquet": file(tmp_path, 2, 3)})
    names = parse_source(f"hub:me/old@{first}#label=label").known_concepts()
    assert set(names) == {"fox", "owl", "tench", "crab"}
    made = server.add("me/script", {"default/train/0000.parquet": file(tmp_path, 0, 1)})
    server.repos["me/script"].tags["refs/convert/parquet"] = made
    server.repos["me/script"].commits["f" * 40] = {"script.py": b"import os"}
    photos = parse_source("hub:me/script").read()  # type: ignore[attr-defined]
    assert {p.name for p in photos} == {"fox", "owl"} and len(photos) == 28
    assert not any(name.endswith(".py") for name in fetched(server))


def test_what_is_fetched_has_a_limit_and_it_is_told(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hfru_core.data.hub_dataset.MOST_FETCHED", 1000)
    server.add("me/large", shards(tmp_path))
    with caplog.at_level(logging.WARNING):
        photos = parse_source("hub:me/large").read()  # type: ignore[attr-defined]
    assert {p.name for p in photos if p.name in ("fox", "owl")} == {"fox"}
    assert "'hub:me/large': the first" in caplog.text


def test_a_token_stays_out_of_the_messages_and_private_sets_need_one(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("me/secret", shards(tmp_path), private=True)
    with pytest.raises(UserError, match="is not on the Hub, or the token"):
        parse_source("hub:me/secret").known_concepts()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert len(parse_source("hub:me/secret").known_concepts()) == 4


def test_what_cannot_be_read_is_told_in_a_line(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add("me/text", {"data.csv": b"a,b"})
    server.add("me/broken", {"train.parquet": b"PAR1 and no more"})
    messages = {
        "hub:me/gone": "'me/gone' is not on the Hub",
        "hub:me/text@v9": "has no revision 'v9'",
        "hub:me/text@main": "has no parquet files here",
        "hub:me/broken": "'train.parquet' is not a parquet file",
    }
    for text, message in messages.items():
        with pytest.raises(UserError, match=message) as error:
            parse_source(text).known_concepts()
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="is not the name of a repository"):
        parse_source("hub:../x").known_concepts()
    for text in ("hub:", "hub:animals", "hub:a/b/c", "hub:a/b@"):
        with pytest.raises(UserError, match="expected hub:OWNER/NAME"):
            parse_source(text).known_concepts()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        parse_source("hub:me/other").known_concepts()
