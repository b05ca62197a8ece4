"""Zips: a good one comes back as it was, a hostile one leaves nothing behind."""

from __future__ import annotations

import io
import pickle
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hfru_core.adapters import archive as bundle
from hfru_core.adapters.validate import CARD, CONFIG, FILES, INFO, WEIGHTS
from hfru_core.types import UserError

Entries = list[tuple[str | zipfile.ZipInfo, bytes]]


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def entries(folder: Path, prefix: str = "") -> Entries:
    return [(prefix + name, (folder / name).read_bytes()) for name in FILES]


def zipped(listed: Entries, to: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(to, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, data in listed:
            archive.writestr(name, data)
    return to


def test_what_was_packed_is_unpacked_byte_for_byte(trained: Path, tmp_path: Path) -> None:
    file = bundle.pack(trained, tmp_path / "x.zip")
    info = bundle.unpack(file, tmp_path / "out")
    assert info.names == "dog"
    assert files_of(tmp_path / "out") == files_of(trained)
    again = bundle.pack(trained, tmp_path / "y.zip")
    assert again.read_bytes() == file.read_bytes()


def test_only_an_adapters_files_are_packed(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, data in files_of(trained).items():
        (folder / name).write_bytes(data)
    (folder / "diary.txt").write_text("private")
    names = zipfile.ZipFile(bundle.pack(folder, tmp_path / "x.zip")).namelist()
    assert names == [f"mine/{name}" for name in FILES]


@pytest.mark.parametrize(
    "listed",
    [lambda f: entries(f), lambda f: [("a/", b""), *entries(f, "a/")], lambda f: entries(f)[:3]],
    ids=["no folder", "one folder", "no card"],
)
def test_zips_made_by_hand_are_taken(
    trained: Path, tmp_path: Path, listed: Callable[[Path], Entries]
) -> None:
    file = zipped(listed(trained), tmp_path / "x.zip")
    bundle.unpack(file, tmp_path / "out")
    assert files_of(tmp_path / "out").items() <= files_of(trained).items()


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def also(*more: tuple[str | zipfile.ZipInfo, bytes]) -> Callable[[Path], Entries]:
    return lambda folder: [*entries(folder), *more]


# fmt: off
HOSTILE = {
    "up": (also(("../evil.json", b"x")), r"path '\.\./evil\.json': not taken"),
    "inner up": (also(("a/../../evil", b"x")), "not taken"),
    "absolute": (also(("/etc/evil", b"x")), "path '/etc/evil': not taken"),
    "drive": (also(("C:evil", b"x")), "not taken"),
    "backslash": (also(("..\\evil", b"x")), "not taken"),
    "dot": (also(("./" + INFO, b"x")), "not taken"),
    "control": (also(("README.md\n", b"x")), "not taken"),
    "symlink": (also((link("README.md"), b"/etc/passwd")), "'README.md' in the zip is a link"),
    "twice": (also((INFO, b"{}")), "has a file twice"),
    "deep": (lambda f: entries(f, "a/b/"), "lies too deep: one folder at most"),
    "two folders": (lambda f: [*entries(f, "a/"), ("b/README.md", b"x")], "not lie in one folder"),
    "beside a folder": (lambda f: [*entries(f, "a/")[1:], entries(f)[0]], "not lie in one folder"),
    "pickle": (also(("adapter_model.bin", b"x")), "'adapter_model.bin' may be a pickle"),
    "torch pickle": (also(("optimizer.PT", b"x")), "may be a pickle, which runs code"),
    "unknown": (also(("setup.py", b"x")), "'setup.py' is not a file of an adapter: expected"),
    "pulled": (also(("hub.json", b"{}")), "'hub.json' is not a file of an adapter"),
    "many": (also(*((f"{i}.json", b"") for i in range(20))), "24 entries, an adapter has 4 files"),
    "no weights": (lambda f: [e for e in entries(f) if e[0] != WEIGHTS], f"{WEIGHTS} is missing"),
    "no config": (lambda f: [e for e in entries(f) if e[0] != CONFIG], f"{CONFIG} is missing"),
    "empty": (lambda f: [], "is missing"),
    "pickled weights": (lambda f: [(n, pickle.dumps(1) if n == WEIGHTS else d)
                                   for n, d in entries(f)], "is damaged or cut short"),
}
# fmt: on


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_zip_is_refused_and_leaves_nothing(
    trained: Path, tmp_path: Path, how: str
) -> None:
    listed, message = HOSTILE[how]
    file = zipped(listed(trained), tmp_path / "x.zip")
    with pytest.raises(UserError, match=message):
        bundle.unpack(file, tmp_path / "in" / "out")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["x.zip"]
    assert not (tmp_path / "in" / "out").exists() and not Path("/etc/evil").exists()


def test_too_much_is_refused_by_what_is_declared(trained: Path, tmp_path: Path) -> None:
    zeros = (CARD, b"\0" * (bundle.MOST_BYTES + 1))
    file = zipped([*entries(trained)[:3], zeros], tmp_path / "x.zip")
    assert file.stat().st_size < 2**21
    with pytest.raises(UserError, match="at most 64 MB in all are taken, got 65 MB or more|got 64"):
        bundle.unpack(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_much_is_refused_by_what_comes_out(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip that declares one byte and holds many: no more is written than was declared."""
    file = zipped([*entries(trained)[:3], (CARD, b"\0" * 2**20)], tmp_path / "x.zip")
    data = file.read_bytes()
    file.write_bytes(data.replace(struct.pack("<I", 2**20), struct.pack("<I", 1)))
    assert zipfile.ZipFile(file).getinfo(CARD).file_size == 1
    with pytest.raises(UserError, match="not a valid zip file"):
        bundle.unpack(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    target = io.BytesIO()
    monkeypatch.setattr(bundle, "CHUNK", 100)
    with pytest.raises(UserError, match="too large"):
        bundle.copy(io.BytesIO(b"\0" * 1000), target, 250)
    assert len(target.getvalue()) == 200


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_whose_size_nobody_can_bound_is_refused(
    trained: Path, tmp_path: Path, method: int
) -> None:
    file = zipped(entries(trained), tmp_path / "x.zip", method)
    with pytest.raises(UserError, match="packed in an unusual way"):
        bundle.unpack(file, tmp_path / "out")


def test_an_encrypted_zip_is_refused(trained: Path, tmp_path: Path) -> None:
    file = zipped(entries(trained), tmp_path / "x.zip")
    data = bytearray(file.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    file.write_bytes(data)
    with pytest.raises(UserError, match="is encrypted. Make it without a password"):
        bundle.unpack(file, tmp_path / "out")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d[: len(d) // 2],
        lambda d: b"PK" + d[50:],
        lambda d: b"no zip at all",
        lambda d: d[:2000] + bytes(b ^ 255 for b in d[2000:2400]) + d[2400:],
    ],
    ids=["cut", "no start", "text", "flipped"],
)
def test_a_damaged_zip_is_refused(
    trained: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    file = bundle.pack(trained, tmp_path / "x.zip")
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(UserError, match="'x.zip' cannot be unpacked.*not a valid zip file"):
        bundle.unpack(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten_and_a_missing_file_is_named(trained: Path, tmp_path: Path) -> None:
    file = bundle.pack(trained, tmp_path / "x.zip")
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="exists and is not overwritten"):
        bundle.unpack(file, tmp_path / "out")
    with pytest.raises(UserError, match="There is no file '.*gone.zip'"):
        bundle.unpack(tmp_path / "gone.zip", tmp_path / "new")
    with pytest.raises(UserError, match="cannot be written"):
        bundle.pack(trained, tmp_path / "nowhere" / "x.zip")


def test_the_card_of_another_is_not_kept(trained: Path, tmp_path: Path) -> None:
    listed = [
        (n, b"![x](http://evil)" if n.endswith("README.md") else d) for n, d in entries(trained)
    ]
    bundle.unpack(zipped(listed, tmp_path / "x.zip"), tmp_path / "out")
    assert files_of(tmp_path / "out")["README.md"] == files_of(trained)["README.md"]
