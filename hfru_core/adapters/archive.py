"""An adapter folder as a zip, and back: a zip from elsewhere is treated as hostile."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from hfru_core.adapters.model_card import adapter_card
from hfru_core.adapters.record import INFO, AdapterRecord
from hfru_core.adapters.validate import (
    CARD,
    FILES,
    MOST_BYTES,
    check_name,
    check_size,
    checked_record,
)
from hfru_core.files import whole
from hfru_core.types import UserError

UNREADABLE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, ValueError,
)  # fmt: skip
MOST_ENTRIES = 16
CHUNK = 2**20
WAY_OUT = f"Zip the folder that has {INFO} in it, or use python -m hfru_core adapter zip."
NO_DATE = (1980, 1, 1, 0, 0, 0)  # the same folder gives the same zip


def pack(folder: Path, target: Path) -> Path:
    """Write a valid adapter folder as a zip with one folder in it; other files are left out."""
    checked_record(folder)
    try:
        with zipfile.ZipFile(target, "w") as archive:
            for file in (f for f in FILES if (folder / f).is_file()):
                entry = zipfile.ZipInfo(f"{folder.name}/{file}", NO_DATE)
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, (folder / file).read_bytes())
    except OSError as error:
        raise UserError(f"'{target}' cannot be written: {error.strerror or error}.") from None
    return target


def unpack(file: Path, out: Path) -> AdapterRecord:
    """Unpack an adapter's zip into the new folder `out` and return its record.

    Raises at anything in it that an adapter does not have; then `out` is not made.
    """
    if not file.is_file():
        raise UserError(f"There is no file '{file}'.")
    with whole(out) as folder:
        try:
            with zipfile.ZipFile(file) as archive:
                budget = MOST_BYTES
                for entry, name in members(archive.infolist()):
                    with archive.open(entry) as source, (folder / name).open("wb") as target:
                        budget -= copy(source, target, budget)
        except UserError:
            raise
        except (*UNREADABLE, OSError) as error:
            raise UserError(
                f"'{file.name}' cannot be unpacked: {error}. It is not a valid zip file: "
                "download it again."
            ) from None
        record = checked_record(folder)
        (folder / CARD).write_text(adapter_card(record), encoding="utf-8")  # theirs says anything
        return record


def copy(source: IO[bytes], target: IO[bytes], most: int) -> int:
    """Copy at most `most` bytes, whatever the zip declared; returns how many."""
    done = 0
    while chunk := source.read(CHUNK):
        done += len(chunk)
        check_size(done, most)
        target.write(chunk)
    return done


def members(entries: list[zipfile.ZipInfo]) -> list[tuple[zipfile.ZipInfo, str]]:
    """The files to unpack with their bare names; raises at the first that is not an adapter's."""
    if len(entries) > MOST_ENTRIES:
        raise UserError(
            f"The zip has {len(entries)} entries, an adapter has {len(FILES)} files. {WAY_OUT}"
        )
    check_size(sum(e.file_size for e in entries), MOST_BYTES)
    paths = [path_of(e) for e in entries]
    if len({path[:-1] for path in paths}) > 1:
        raise UserError(f"The files in the zip do not lie in one folder. {WAY_OUT}")
    files = [(e, path[-1]) for e, path in zip(entries, paths) if path[-1]]
    names = [name for _, name in files]
    for name in names:
        check_name(name)
    if len(names) != len(set(names)):
        raise UserError(f"The zip has a file twice: {', '.join(names)}. {WAY_OUT}")
    return files


def path_of(entry: zipfile.ZipInfo) -> tuple[str, ...]:
    """The parts of an entry's path, the last one "" for a folder; at most FOLDER/FILE."""
    name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
    folder = name.endswith("/")
    parts = name.removesuffix("/").split("/")
    if "\\" in name or ":" in name or not name.isprintable() or {"", ".", ".."} & set(parts):
        raise UserError(f"The zip has a file with the path {name!r:.80}: not taken. {WAY_OUT}")
    if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
        raise UserError(f"'{name}' in the zip is a link or a device, not a file. {WAY_OUT}")
    if len(parts) > 2 - folder:
        raise UserError(f"'{name}' in the zip lies too deep: one folder at most. {WAY_OUT}")
    if entry.flag_bits & 1:
        raise UserError(f"'{name}' in the zip is encrypted. Make it without a password.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"'{name}' in the zip is packed in an unusual way. {WAY_OUT}")
    return (*parts, *[""] * folder)
