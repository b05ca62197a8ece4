"""MLLMU-Bench and CLEAR that are broken, and keys and names that do not exist: what is said."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from hfru_core.concepts import parse
from hfru_core.data import benchmark_parquet, parquet_file
from hfru_core.data.source import load_image, parse_source
from hfru_core.data.source_base import Source
from hfru_core.types import UserError
from tests.core.data.benchmarks.sets import built, clear, mllmu, written


def change(folder: str, edit: Callable[[list[dict]], list[dict]]) -> Callable[[Path], None]:
    """A data set whose rows of one folder are edited."""

    def apply(root: Path) -> None:
        file = root / folder / "train-0.parquet"
        written(root / folder, edit(parquet.read_table(file).to_pylist()))

    return apply


def without(column: str) -> Callable[[list[dict]], list[dict]]:
    return lambda rows: [{k: v for k, v in r.items() if k != column} for r in rows]


def every(**changes: object) -> Callable[[list[dict]], list[dict]]:
    return lambda rows: [{**r, **changes} for r in rows]


def spoiled(root: Path, folder: str = "forget_5") -> None:
    (root / folder / "train-0.parquet").write_text("version https://git-lfs.github.com/spec/v1")


def emptied(root: Path) -> None:
    file = root / "retain_95" / "train-0.parquet"
    parquet.write_table(parquet.read_table(file).slice(0, 0), file)


def gone(folder: str) -> Callable[[Path], None]:
    return lambda root: (root / folder).rename(root.parent / "elsewhere")


NO_BYTES = {"bytes": None, "path": "a.png"}
BAD = {
    "no ID": (change("forget_5", without("ID")), "expected a column ID, got .*biography"),
    "no picture column": (change("forget_5", without("image")), r"a column image\|images"),
    "no biography": (change("forget_5", without("biography")), r"a column biography\|metadata"),
    "cut biography": (
        change("forget_5", every(biography='{"Name": "Mi')),
        "train-0.parquet#0.*JSON in biography",
    ),
    "nameless": (change("forget_5", every(biography='{"Job": "smith"}')), "name in biography"),
    "list": (change("forget_5", every(biography='["Mira"]')), "a JSON dict in biography"),
    "cut lesson": (change("ft_Data", every(metadata="[{")), "JSON in metadata"),
    "odd lesson": (change("ft_Data", every(metadata='[{"Q": 1}]')), "Question, Answer in metadata"),
    "odd task": (change("forget_5", every(Generation_Task="[1]")), "Ground_Truth, Type in Gen"),
    "no bytes": (change("forget_5", every(image=NO_BYTES)), "#0.*a picture's bytes in image"),
    "no image": (change("retain_95", every(image=None)), "a picture's bytes in image, got None"),
    "text": (change("retain_95", every(image="a.png")), "a picture's bytes in image, got a.png"),
    "empty list": (change("Test_Set", every(images=[])), "a picture's bytes in image"),
    "empty split": (emptied, "rows, got an empty split"),
    "no parquet": (lambda root: (root / "forget_5" / "train-0.parquet").unlink(), "empty split"),
    "pointer": (spoiled, "expected a parquet file.*Git LFS"),
    "no retain split": (gone("retain_95"), "forget_5 with retain_95, got .*downloaded alone"),
    "no forget split": (gone("forget_5"), "forget_5 with retain_95 or forget_10 with retain_90"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_mllmu_is_refused(name: str, tmp_path: Path) -> None:
    spoil, message = BAD[name]
    root = mllmu(tmp_path / "set")
    spoil(root)
    with pytest.raises(UserError, match=message) as caught:
        parse_source(f"mllmu:{root}").known_concepts()
    assert "expected" in str(caught.value) and "got" in str(caught.value)


@pytest.mark.parametrize("column", ["image", "caption", "name"])
def test_a_clear_without_a_column_is_refused(column: str, tmp_path: Path) -> None:
    root = clear(tmp_path)
    change("forget05", without(column))(root)
    with pytest.raises(UserError, match=f"expected a column {column}, got"):
        parse_source(f"clear:{root}").known_concepts()


def test_a_clear_row_without_picture_or_name_is_refused(tmp_path: Path) -> None:
    root = clear(tmp_path)
    change("retain95", lambda rows: [*rows, {**rows[0], "name": None}])(root)
    with pytest.raises(UserError, match="#15.*expected the person's name, got None"):
        parse_source(f"clear:{root}").known_concepts()
    change("retain95", lambda rows: [{**rows[0], "image": None}])(root)
    with pytest.raises(UserError, match="#0.*a picture's bytes in image, got None"):
        parse_source(f"clear:{root}").known_concepts()
    clear(tmp_path)
    change("retain95+tofu", without("answer"))(root)
    with pytest.raises(UserError, match="expected a column answer, got"):
        parse_source(f"clear:{root}").known_concepts()


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder with splits of CLEAR, got no folder.*clear:DIR"):
        parse_source(f"clear:{tmp_path / 'gone'}").known_concepts()
    with pytest.raises(UserError, match="the splits forget01 with retain99 or .*got nothing"):
        parse_source(f"clear:{tmp_path}").known_concepts()


def test_a_stranger_is_refused(source: Source) -> None:
    with pytest.raises(UserError, match="Unknown concept 'Nobody'. Known here:.*all"):
        built(source, "Nobody")
    with pytest.raises(UserError, match="cannot be forgotten and retained at once"):
        built(source, "all", retain=parse("Mira Okonkwe", source.known_concepts()))


def test_a_bad_picture_is_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = clear(tmp_path) / "forget05" / "train-0.parquet"
    rows = parquet.read_table(file).to_pylist()
    rows[2]["image"]["bytes"] = b"no picture"
    written(file.parent, rows)
    request = built(parse_source(f"clear:{tmp_path}"))
    assert "1 picture skipped" in caplog.text and "'train-0.parquet#2'" in caplog.text
    keys = {s.image for s in request.samples if s.role == "forget" and s.image}
    assert len(keys) == 9 and not any(str(k).endswith("#2") for k in keys)


def test_pictures_that_are_all_bad_are_refused(tmp_path: Path) -> None:
    file = clear(tmp_path) / "forget05" / "train-0.parquet"
    rows = parquet.read_table(file).to_pylist()
    for number, row in enumerate(rows):
        row["image"]["bytes"] = b"no picture %d" % number
    written(file.parent, rows)
    with pytest.raises(UserError, match="Too few pictures of 'clear:.*can be read: 'train-0"):
        built(parse_source(f"clear:{tmp_path}"))


@pytest.mark.parametrize("place", ["9", "x", "-1", "", "0.7", "1.", "²"])
def test_a_number_that_a_file_does_not_have_is_refused(roots: dict, place: str) -> None:
    file = roots["mllmu"] / "forget_5" / "train-0.parquet"
    with pytest.raises(UserError, match="picture"):
        load_image(f"mllmu:{file}#{place}")


def test_a_key_of_no_parquet_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("hello")
    for name in ("x.parquet", "gone.parquet"):
        with pytest.raises(UserError, match="expected a parquet file"):
            load_image(f"clear:{tmp_path / name}#0")


def test_a_picture_that_is_none_is_refused(tmp_path: Path) -> None:
    written(tmp_path, [{"image": {"bytes": b"no picture", "path": None}}])
    with pytest.raises(UserError, match="is not a picture"):
        load_image(f"clear:{tmp_path / 'train-0.parquet'}#0")


def test_few_row_groups_are_held_in_memory(roots: dict[str, Path]) -> None:
    parquet_file.column.cache_clear()
    file = roots["clear"] / "retain95" / "train-0.parquet"
    for row in range(15):
        load_image(f"clear:{file}#{row}")
    assert parquet_file.column.cache_info().misses == 8, "eight groups of two rows, each read once"
    assert parquet_file.column.cache_info().currsize == 4
    assert benchmark_parquet.BATCH <= 64
