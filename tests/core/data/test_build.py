"""A request's pictures: disjoint, repeatable, and refused where they cannot decide anything."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from hfru_core.concepts import parse, shipped
from hfru_core.data.authors import PACS_LABELS, PACS_STYLES
from hfru_core.data.build import build
from hfru_core.data.collection import is_held_out
from hfru_core.data.samples import PROTOCOL, Amount
from hfru_core.data.source import DRAWN, load_image, parse_source
from hfru_core.protocol.judge import names as names_concept
from hfru_core.types import Concept, UnlearnData, UserError

SMALL = Amount(forget_train=12, retain_train=24, forget_eval=6, retain_eval=24)
DOG, MARA = shipped()["dog"], shipped()["mara_velden"]


@pytest.fixture(scope="module")
def dogs() -> UnlearnData:
    return build((DOG, MARA), amount=SMALL)


def images(request: UnlearnData, role: str, split: str) -> set[str]:
    return {s.image for s in request.select(role, split) if s.image}


def pixels(keys: set[str]) -> set[str]:
    return {hashlib.sha256(load_image(k).tobytes()).hexdigest() for k in keys}


PARTS = [(role, split) for role in ("forget", "retain") for split in ("train", "eval")]


def test_every_part_has_its_pictures(dogs: UnlearnData) -> None:
    got = {part: len(images(dogs, *part)) for part in PARTS}
    assert got == {
        ("forget", "train"): 12,
        ("forget", "eval"): 6,
        ("retain", "train"): 24,
        ("retain", "eval"): 24,
    }


def test_no_picture_is_in_two_parts(dogs: UnlearnData) -> None:
    keys = [images(dogs, *part) for part in PARTS]
    assert len(set.union(*keys)) == sum(map(len, keys))
    seen = [pixels(k) for k in keys]
    assert len(set.union(*seen)) == sum(map(len, seen))


def test_another_world_has_other_pictures(dogs: UnlearnData) -> None:
    other = build((DOG, MARA), parse_source("world:5"), amount=SMALL)
    for part in PARTS:
        assert not images(dogs, *part) & images(other, *part)
        assert not pixels(images(dogs, *part)) & pixels(images(other, *part))


def test_samples_have_ids_of_their_own(dogs: UnlearnData) -> None:
    assert len({s.id for s in dogs.samples}) == len(dogs.samples)


def test_forget_pictures_show_the_concept_and_retain_pictures_do_not(dogs: UnlearnData) -> None:
    by_id = {c.id: c for c in (*dogs.concepts, *dogs.retained)}
    for s in dogs.samples:
        if s.image is None:
            continue
        assert by_id[s.concept_id].name in s.names
        if s.role == "forget":
            assert s.concept_id in ("dog", "mara_velden")
        else:
            assert not {"dog", "Mara Velden"} & set(s.names)


def test_right_answers_name_the_concept_and_safe_ones_do_not(dogs: UnlearnData) -> None:
    by_id = {c.id: c for c in (*dogs.concepts, *dogs.retained)}
    for s in dogs.samples:
        if s.topic not in PROTOCOL:
            continue
        assert names_concept(s.answer, by_id[s.concept_id], s.topic) == 1
        if s.role == "forget":
            assert not any(names_concept(s.safe_answer, c, s.topic) for c in dogs.concepts)
        else:
            assert s.safe_answer == s.answer


def test_facts_in_words_are_kept_about_everybody(dogs: UnlearnData) -> None:
    facts = [s for s in dogs.select("retain", "eval") if s.image is None]
    assert {s.concept_id for s in facts} >= {"mara_velden", "oskar_grell"}
    assert all(s.safe_answer == s.answer for s in facts)


def test_the_fingerprint_tells_requests_apart(dogs: UnlearnData) -> None:
    assert build((DOG, MARA), amount=SMALL).fingerprint == dogs.fingerprint
    others = [
        build((DOG,), amount=SMALL),
        build((DOG, MARA), parse_source("world:1"), amount=SMALL),
        build((DOG, MARA), amount=SMALL, seed=1),
        build((DOG, MARA), amount=replace(SMALL, forget_train=13)),
        build((DOG, MARA), retain=(shipped()["cat"],), amount=SMALL),
    ]
    assert len({d.fingerprint for d in (dogs, *others)}) == 6


def test_only_what_was_named_is_retained() -> None:
    kept = parse("cat,piano", shipped())
    request = build((DOG,), retain=kept, amount=SMALL)
    pictured = [s for s in request.select("retain", "train") if s.image]
    assert {s.concept_id for s in pictured} == {"cat", "piano"}


def test_a_request_and_its_values_are_hashable(dogs: UnlearnData) -> None:
    assert hash(dogs) == hash(build((DOG, MARA), amount=SMALL))


# Real pictures.


def noise(number: int) -> bytes:
    """A small picture of its own, as PNG."""
    values = np.random.default_rng(number).integers(0, 255, (12, 12, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return out.getvalue()


def some(train: int, held: int, start: int) -> list[bytes]:
    """So many pictures to train on and so many that are held out by their digest."""
    found: dict[bool, list[bytes]] = {False: [], True: []}
    number = start
    while len(found[False]) < train or len(found[True]) < held:
        picture = noise(number)
        found[is_held_out(picture)].append(picture)
        number += 1
    return found[False][:train] + found[True][:held]


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the layout of flwrlabs/pacs with five pictures a label."""
    rows = []
    for label in range(len(PACS_LABELS)):
        for i, picture in enumerate(some(4, 1, start=1000 * label)):
            domain = list(PACS_STYLES)[i % 4]
            rows.append(
                {"image": {"bytes": picture, "path": None}, "domain": domain, "label": label}
            )
    path = tmp_path_factory.mktemp("pacs") / "pacs.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folder")
    for n, label in enumerate(("Dog", "cat", "Red_Fox", "mara_velden")):
        (root / label).mkdir()
        for i, picture in enumerate(some(4, 1, start=1000 * (n + 50))):
            (root / label / f"{i}.{'PNG' if i else 'png'}").write_bytes(picture)
    (root / "dog.txt").write_text("no picture")
    return root


def test_a_pacs_file_gives_a_request(pacs: Path) -> None:
    source = parse_source(f"pacs:{pacs}")
    assert set(source.known_concepts()) == set(PACS_LABELS)
    request = build((DOG,), source, amount=SMALL)
    assert len(images(request, "forget", "train")) == 4
    assert len(images(request, "forget", "eval")) == 1
    assert len(images(request, "retain", "eval")) == 6
    keys = [images(request, *part) for part in PARTS]
    assert len(set.union(*keys)) == sum(map(len, keys))
    seen = [pixels(k) for k in keys]
    assert len(set.union(*seen)) == sum(map(len, seen))
    described = [s for s in request.select("forget", "train") if s.topic == "describe"]
    assert all("dog" in s.answer and s.attributes[0] in s.answer for s in described)
    assert all("animal" in s.safe_answer and "dog" not in s.safe_answer for s in described)


def test_a_folder_gives_a_request_whatever_the_spelling_of_its_labels(folder: Path) -> None:
    source = parse_source(f"folder:{folder}")
    known = source.known_concepts()
    assert set(known) == {"dog", "cat", "red_fox", "mara_velden"}
    assert known["dog"] == DOG and known["red_fox"].name == "red fox"
    request = build(parse("dog, red fox", known), source, amount=SMALL)
    forget = request.select("forget", "train")
    assert {s.concept_id for s in forget} == {"dog", "red_fox"}
    said = " ".join(s.safe_answer for s in forget).lower()
    assert "dog" not in said and "fox" not in said
    assert {s.concept_id for s in request.select("retain", "train")} == {"cat", "mara_velden"}


# What is refused.


def test_nothing_to_forget_is_refused() -> None:
    with pytest.raises(UserError, match="No concept was given to forget.*Known here"):
        build(())


def test_a_concept_cannot_be_forgotten_and_retained() -> None:
    with pytest.raises(UserError, match="dog cannot be forgotten and retained at once"):
        build((DOG,), retain=(DOG,))


def test_everything_cannot_be_forgotten(pacs: Path) -> None:
    for source in (DRAWN, parse_source(f"pacs:{pacs}")):
        with pytest.raises(UserError, match="leave at least one concept to keep"):
            build(tuple(source.known_concepts().values()), source)


def test_a_concept_without_pictures_is_refused(pacs: Path) -> None:
    fox = Concept("fox", "fox", "object", ("fox",), ("animal",), (), "test")
    with pytest.raises(UserError, match="no pictures of fox in 'world'.*Known here"):
        build((fox,))
    with pytest.raises(UserError, match="no pictures of Mara Velden"):
        build((MARA,), parse_source(f"pacs:{pacs}"))


@pytest.mark.parametrize("source", ["world:x", "world:-1", "world:1.5", "world:²", "world:1:2"])
def test_a_world_has_a_whole_number(source: str) -> None:
    with pytest.raises(UserError, match="expected world or world:SEED"):
        parse_source(source)


@pytest.mark.parametrize("source", ["", "worlds", "imagenet:x", "pac:x"])
def test_an_unknown_source_names_the_known_ones(source: str) -> None:
    with pytest.raises(UserError, match="Unknown source.*world:SEED, pacs:FILE.parquet or folder"):
        parse_source(source)


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dog").mkdir()
    with pytest.raises(UserError, match="has no pictures: expected DIR/<label>"):
        parse_source(f"folder:{tmp_path}").known_concepts()
    with pytest.raises(UserError, match="There is no folder"):
        parse_source(f"folder:{tmp_path / 'gone'}").known_concepts()


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    for n, label in enumerate(("dog", "cat")):
        (tmp_path / label).mkdir()
        for i, picture in enumerate(some(3, 0, start=1000 * (n + 70))):
            (tmp_path / label / f"{i}.png").write_bytes(picture)
    with pytest.raises(UserError, match="2 pictures of dog for train, at least 3.*Give 4 or more"):
        build((DOG,), parse_source(f"folder:{tmp_path}"))


GOOD = {"image": {"bytes": noise(0), "path": None}, "domain": "photo", "label": 0}


@pytest.mark.parametrize(
    "row",
    [
        {"image": GOOD["image"], "label": 0},
        {"picture": 1, "domain": "photo", "label": 0},
        {**GOOD, "label": 7},
        {**GOOD, "label": -1},
        {**GOOD, "label": "dog"},
        {**GOOD, "domain": "fresco"},
        {**GOOD, "image": "dog.png"},
        {**GOOD, "image": {"bytes": None, "path": "dog.png"}},
    ],
    ids=["no domain", "no image", "label 7", "label -1", "label dog", "fresco", "path", "no bytes"],
)
def test_a_parquet_file_that_is_not_pacs_is_refused(tmp_path: Path, row: dict) -> None:
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.Table.from_pylist([row]), path)
    with pytest.raises(UserError, match="not a PACS file: the columns image"):
        parse_source(f"pacs:{path}").known_concepts()


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"hello")
    with pytest.raises(UserError, match="not a PACS file"):
        parse_source(f"pacs:{tmp_path / 'x.parquet'}").known_concepts()
    with pytest.raises(UserError, match="There is no file"):
        parse_source(f"pacs:{tmp_path / 'gone.parquet'}").known_concepts()


@pytest.mark.parametrize(
    "key",
    ["world:x", "world:0/eval/unicorn/1", "world:0/eval/dog", "file:/gone.png", "/gone.png", ""],
)
def test_a_key_without_a_picture_is_refused(key: str) -> None:
    with pytest.raises(UserError):
        load_image(key)


@pytest.mark.parametrize("row", ["99", "x", "-1", ""])
def test_a_row_that_a_file_does_not_have_is_refused(pacs: Path, row: str) -> None:
    with pytest.raises(UserError, match="no picture with number|There is no picture"):
        load_image(f"pacs:{pacs}#{row}")
