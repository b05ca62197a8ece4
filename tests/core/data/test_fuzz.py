"""Whatever comes in, a parser takes it or says why not, and writes nowhere else."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hfru_core import concepts
from hfru_core.adapters import archive as bundle
from hfru_core.adapters.validate import CONFIG, INFO, WEIGHTS, checked_record
from hfru_core.bench.results_file import load
from hfru_core.data.images import LONGEST, open_image
from hfru_core.studio.server.refusal import Refusal
from hfru_core.studio.server.values import check_body
from hfru_core.types import Concept, UserError
from tests.conftest import ROOT

SHIPPED = ROOT / "assets" / "adapters" / "dog"
FEW = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
json_values = st.recursive(
    leaves,
    lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=8), v, max_size=4),
    max_leaves=12,
)


@cache
def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, kind)
    return out.getvalue()


@cache
def archive() -> bytes:
    with TemporaryDirectory() as folder:
        return bundle.pack(SHIPPED, Path(folder) / "a.zip").read_bytes()


@st.composite
def damaged(draw: Callable, whole: bytes) -> bytes:
    """The same with bytes changed, cut short, or with more after it."""
    content = bytearray(whole)
    for place in draw(st.lists(st.integers(0, len(whole) - 1), max_size=8)):
        content[place] = draw(st.integers(0, 255))
    end = draw(st.integers(0, len(whole)) | st.just(len(whole)))
    return bytes(content[:end]) + draw(st.binary(max_size=20))


def taken(parse: Callable, *values: object) -> object:
    """What a parser gives; None where it refuses with a reason, anything else is a failure."""
    try:
        return parse(*values)
    except UserError as error:
        assert str(error).strip()
        return None


@FEW
@given(
    st.binary(max_size=200)
    | st.sampled_from(("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")).flatmap(
        lambda kind: damaged(picture(kind))
    )
)
def test_a_picture_is_small_and_rgb_or_refused(content: bytes) -> None:
    image = taken(open_image, content)
    assert image is None or (image.mode == "RGB" and max(image.size) <= LONGEST)


def unpacked(content: bytes) -> None:
    """Nothing but an adapter comes out, in its folder or not at all."""
    with TemporaryDirectory() as name:
        file, out = Path(name) / "x.zip", Path(name) / "out" / "adapter"
        file.write_bytes(content)
        info = taken(bundle.unpack, file, out)
        assert {p.name for p in Path(name).iterdir()} <= {"x.zip", "out"}
        assert out.exists() == (info is not None)
        assert info is None or checked_record(out) == info


@FEW
@given(st.binary(max_size=300) | damaged(archive()))
def test_a_zip_is_an_adapter_or_leaves_nothing(content: bytes) -> None:
    unpacked(content)


@FEW
@given(
    st.lists(
        st.tuples(
            st.text(max_size=20)
            | st.sampled_from((INFO, CONFIG, "../x", "/x", "a/../../x", "a\\x")),
            st.binary(max_size=40),
            st.sampled_from((0, 0o644, 0o120777, 0o020666)),
        ),
        max_size=4,
    )
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_of_any_names_leads_nowhere(entries: list) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name.replace("\x00", "") or "x")
            entry.external_attr = mode << 16
            try:
                made.writestr(entry, content)
            except (UnicodeEncodeError, ValueError):
                return
    unpacked(out.getvalue())


@FEW
@given(st.sampled_from((INFO, CONFIG, WEIGHTS)), st.data())
def test_an_adapter_folder_with_one_damaged_file_is_refused_or_whole(
    file: str, data: st.DataObject
) -> None:
    with TemporaryDirectory() as name:
        folder = shutil.copytree(SHIPPED, Path(name) / "dog")
        whole = (folder / file).read_bytes()
        change = damaged(whole) | json_values.map(lambda v: json.dumps(v).encode())
        content = data.draw(change)
        (folder / file).write_bytes(content)
        info = taken(checked_record, folder)
        assert info is None or file == INFO or content == whole


@FEW
@given(json_values, st.sampled_from(sorted(json.loads((SHIPPED / INFO).read_text()))))
def test_any_value_in_a_record_is_read_or_refused(value: object, key: str) -> None:
    with TemporaryDirectory() as name:
        folder = shutil.copytree(SHIPPED, Path(name) / "dog")
        info = json.loads((folder / INFO).read_text())
        (folder / INFO).write_text(json.dumps({**info, key: value}))
        taken(checked_record, folder)


@FEW
@given(st.dictionaries(st.sampled_from(concepts.FIELDS), json_values))
def test_a_concept_file_is_a_concept_or_refused(values: dict) -> None:
    base = json.loads((ROOT / "assets/concepts/dog.json").read_text())
    found = taken(concepts.from_dict, {**base, **values}, "a file")
    assert found is None or isinstance(found, Concept)


@FEW
@given(json_values.map(lambda v: json.dumps(v).encode()) | st.binary(max_size=50))
def test_a_table_of_the_bench_is_read_or_refused(content: bytes) -> None:
    with TemporaryDirectory() as name:
        path = Path(name) / "bench.json"
        path.write_bytes(content)
        taken(load, path)
        path = Path(name) / "concept.json"
        path.write_bytes(content)
        taken(concepts.load, path)


@FEW
@given(json_values.map(lambda v: json.dumps(v).encode()) | st.binary(max_size=50))
def test_a_request_is_let_through_or_refused(content: bytes) -> None:
    try:
        check_body(content, Path("/data/cache"))
    except Refusal as refused:
        assert refused.status == 400
