"""Parquet files as people have them: columns found or named, splits, copies, bad rows."""

import io
import json
import logging
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from hfru_core.concepts import find, parse
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import load_image, parse_source
from hfru_core.types import Photo, UserError
from tests.core.data.pictures import cell, picture, write

LABELS = ("fox", "owl")
CLASSES = {"_type": "ClassLabel", "names": list(LABELS)}
FEATURES = {"info": {"features": {"image": {"_type": "Image"}, "animal": CLASSES}}}
HUGGING_FACE = {"huggingface": json.dumps(FEATURES)}


def rows(count: int = 8, **more: object) -> list[dict]:
    """Two labels in turn, each row another picture."""
    return [{"image": cell(n), "label": LABELS[n % 2]} | more for n in range(count)]


def read(source: str) -> tuple[Photo, ...]:
    return parse_source(source).read()  # type: ignore[attr-defined]  # it is of files


def names(photos: tuple[Photo, ...]) -> set[str]:
    return {p.name for p in photos}


def test_columns_are_found_and_pictures_open(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", rows(12), group=4)
    photos = read(f"parquet:{file}")
    assert len(photos) == 12 and names(photos) == set(LABELS)
    for photo in photos:
        number = int(photo.key.rpartition("#")[2].split(".")[0])
        own = Image.open(io.BytesIO(picture(number))).convert("RGB")
        assert photo.name == LABELS[number % 2]
        assert load_image(photo.key).tobytes() == own.tobytes()


def test_numbers_stand_for_names_that_the_file_or_the_source_tells(tmp_path: Path) -> None:
    numbered = [{"image": picture(n), "animal": n % 2, "size": 5} for n in range(8)]
    told = write(tmp_path / "told.parquet", numbered, HUGGING_FACE)
    assert names(read(f"parquet:{told}")) == {"fox", "owl"}
    bare = write(tmp_path / "bare.parquet", numbered)
    with pytest.raises(UserError, match=r"no clear label column: it could be animal, size\. Name"):
        read(f"parquet:{bare}")
    with pytest.raises(UserError, match="expected a name as label, got 0"):
        read(f"parquet:{bare}#label=animal")
    assert names(read(f"parquet:{bare}#label=animal,names=red fox|T-shirt")) == {
        "red fox", "t-shirt"
    }  # fmt: skip


def test_a_column_is_named_where_there_are_several(tmp_path: Path) -> None:
    two = [{"x": cell(n), "y": cell(90 + n), "kind": LABELS[n % 2], "note": "a"} for n in range(6)]
    file = write(tmp_path / "two.parquet", two)
    with pytest.raises(UserError, match="no clear image column: it could be x, y"):
        read(f"parquet:{file}#label=kind")
    with pytest.raises(UserError, match="no column 'z' of the right kind: it could be x, y"):
        read(f"parquet:{file}#label=kind,image=z")
    assert all(".y" in p.key for p in read(f"parquet:{file}#label=kind,image=y"))


def test_splits_are_those_of_rows_or_of_files(tmp_path: Path) -> None:
    first = write(tmp_path / "train-0-of-1.parquet", rows(8))
    other = [{"image": cell(50 + n), "label": LABELS[n % 2]} for n in range(4)]
    second = write(tmp_path / "test-0-of-1.parquet", other)
    photos = read(f"parquet:{first},{second}")
    assert all(p.held_out == ("/test-" in p.key) for p in photos) and len(photos) == 12
    mixed = rows(8)
    for n, row in enumerate(mixed):
        row["country"] = "NO" if n < 3 else "SE"
    file = write(tmp_path / "mixed.parquet", mixed)
    source = f"parquet:{file}#label=label,split=country,held_out=NO"
    assert sum(p.held_out for p in read(source)) == 3


def test_copies_and_bad_rows_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    strange = [
        {"image": cell(0), "label": "fox"},
        {"image": {"bytes": picture(1, "JPEG", quality=60), "path": None}, "label": "owl"},
        {"image": {"bytes": b"no picture", "path": None}, "label": "owl"},
        {"image": None, "label": "owl"},
        {"image": cell(77), "label": None},
    ]
    file = write(tmp_path / "a.parquet", rows(8) + strange)
    with caplog.at_level(logging.WARNING):
        photos = read(f"parquet:{file}")
    assert len(photos) == 9
    for said in (
        "2 pictures skipped",
        "a.parquet#10.image",
        "1 picture in 'a.parquet' left out: no label",
        "the same file is there twice",
        "1 picture in 'a.parquet' nearly",
    ):
        assert said in caplog.text  # fmt: skip
    pair = [p.held_out for p in photos if p.key.endswith(("#1.image", "#9.image"))]
    assert len(pair) == 2 and pair[0] == pair[1]


def test_line_drawings_are_not_all_alike(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    drawn = []
    for n in range(12):
        image, out = Image.new("RGB", (96, 96), "white"), io.BytesIO()
        draw = ImageDraw.Draw(image)
        draw.line([(8 * n, 20), (88 - 7 * n, 88)], "black")
        draw.ellipse((5 * n, 30, 20 + 5 * n, 60), outline="black")
        image.save(out, "PNG")
        drawn.append({"image": out.getvalue(), "label": LABELS[n % 2]})
    assert len(read(f"parquet:{write(tmp_path / 'a.parquet', drawn)}")) == 12
    assert not caplog.text


def test_labels_with_synonyms_commas_and_accents_are_names(tmp_path: Path) -> None:
    labels = ("tench, Tinca tinca", "Sammy Davis, Jr.", "C++", "Orba\u0301n", "狗")
    rows = [{"image": cell(n), "label": labels[n % 5]} for n in range(25)]
    known = parse_source(f"parquet:{write(tmp_path / 'a.parquet', rows)}").known_concepts()
    assert known["tench"].aliases == ("tench", "Tinca tinca")
    assert parse("Sammy Davis, Jr., 狗, tinca tinca", known) == (
        known["sammy_davis_jr"], known["狗"], known["tench"]
    )  # fmt: skip
    assert find("Orban", known) == find("ORBÁN", known) == known["orbán"]


def test_a_request_of_a_file_is_disjoint(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", rows(40))
    source = parse_source(f"parquet:{file}")
    amount = Amount(forget_train=8, retain_train=8, forget_eval=2, retain_eval=2)
    request = build(parse("fox", source.known_concepts()), source, amount=amount)
    seen = {(r, s): {x.image for x in request.select(r, s)} for r in ("forget", "retain")
            for s in ("train", "eval")}  # fmt: skip
    assert [len(v) for v in seen.values()] == [8, 2, 8, 2]
    assert len(set.union(*seen.values())) == 20
    assert str(tmp_path) not in source.public_name


def test_a_single_label_borrows_pictures_of_other_things(tmp_path: Path) -> None:
    one = [{"image": cell(n), "label": "fox"} for n in range(6)]
    assert len(names(read(f"parquet:{write(tmp_path / 'a.parquet', one)}"))) > 3


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("parquet:{}/gone.parquet", "There is no file"),
        ("parquet:{}/text.parquet", "'text.parquet' is not a parquet file"),
        ("parquet:{}/text.parquet#labels=x", "takes image=..., label=..., names=.*got 'labels=x'"),
        ("parquet:{}/words.parquet", "no clear image column: it could be none of label"),
        ("parquet:{}/bad.parquet", "has no labelled picture that can be read"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_a_line(
    source: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "text.parquet").write_text("hello")
    write(tmp_path / "words.parquet", [{"label": "fox"}])
    write(tmp_path / "bad.parquet", [{"image": b"x", "label": "fox"}])
    with pytest.raises(UserError, match=message) as error:
        parse_source(source.format(tmp_path)).known_concepts()
    assert "\n" not in str(error.value)


def test_a_row_group_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same picture a thousand times is written once, and was read a thousand times."""
    monkeypatch.setattr("hfru_core.data.parquet_file.MOST_GROUP", 2**21)
    one = {"image": b"x" * 2**15, "label": "fox"}
    file = write(tmp_path / "a.parquet", [one] * 1000, group=1000)
    assert file.stat().st_size < 2**17
    with pytest.raises(UserError, match="expected row groups of at most"):
        read(f"parquet:{file}")


# PACS, and the files that its authors make.


def pacs(tmp_path: Path) -> Path:
    domains = ("photo", "sketch", "cartoon", "art_painting")
    return write(
        tmp_path / "pacs.parquet",
        [{"image": cell(n), "domain": domains[n % 4], "label": n % 7} for n in range(56)],
    )


def test_a_domain_of_pacs_is_held_out(tmp_path: Path) -> None:
    photos = read(f"pacs:{pacs(tmp_path)}#held_out=sketch")
    assert len(photos) == 56 and all(p.held_out == (p.style == "sketch") for p in photos)
    both = read(f"pacs:{tmp_path}/pacs.parquet#held_out=sketch|photo")
    assert {p.style for p in both if not p.held_out} == {"cartoon", "painting"}
    with pytest.raises(UserError, match="PACS has no domain oil: held_out=art_painting|cartoon"):
        read(f"pacs:{tmp_path}/pacs.parquet#held_out=oil")


def test_copies_in_pacs_are_on_one_side(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    again = [
        {"image": {"bytes": picture(n, "JPEG", quality=60), "path": None}, "domain": "sketch",
         "label": 0} for n in range(0, 28, 4)
    ]  # fmt: skip
    first = [{"image": cell(n), "domain": "photo", "label": 0} for n in (*range(28), 3)]
    file = write(tmp_path / "pacs.parquet", first + again)
    photos = read(f"pacs:{file}#held_out=sketch")
    assert "1 picture in 'pacs.parquet' left out: the same" in caplog.text
    assert "7 pictures in 'pacs.parquet' nearly the same" in caplog.text
    assert len(photos) == 35 and sum(p.held_out for p in photos) == 14


def test_verl_files_are_read_with_their_splits_and_names(tmp_path: Path) -> None:
    def row(n: int) -> dict:
        info = {"split": "train" if n < 40 else "test", "index": n, "answer": n % 10}
        return {
            "data_source": "VGGFace2", "prompt": [{"role": "user", "content": "<image>Who?"}],
            "images": [{"bytes": picture(n)}],
            "reward_model": {"style": "rule", "ground_truth": "x"},
            "extra_info": info | {"description": "a", "replaced_description": "b"},
        }  # fmt: skip

    file = write(tmp_path / "train.parquet", [row(n) for n in range(50)])
    source = parse_source(f"parquet:{file}")
    known = source.known_concepts()
    assert len(known) == 10 and {c.kind for c in known.values()} == {"identity"}
    assert find("Orban", known).aliases == ("Viktor Orbán", "Orbán")
    photos = read(f"parquet:{file}")
    assert sum(p.held_out for p in photos) == 10 and all(p.identity for p in photos)
    assert load_image(photos[0].key).size == (96, 96)


def test_a_selection_of_vggface2_is_read(tmp_path: Path) -> None:
    selected = [{"image": picture(n), "split": ("training", "testing")[n // 10], "label": n % 10}
                for n in range(20)]  # fmt: skip
    file = write(tmp_path / "vgg_select.parquet", selected)
    photos = read(f"parquet:{file}#names=vgg")
    assert len(names(photos)) == 10 and sum(p.held_out for p in photos) == 10
