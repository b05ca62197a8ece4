"""Data sets of the Hugging Face Hub: the parquet files of a revision, read by ranges of bytes.

`hub:OWNER/NAME[@REV][:CONFIG]`. Only parquet files and the card's list of configurations are read,
so nothing of a repository can run. Where the main revision has no parquet files, those that the Hub
itself makes of public data sets are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from huggingface_hub import HfApi, HfFileSystem, cached_assets_path, constants
from huggingface_hub.hf_api import DatasetInfo

from hfru_core.data.hub_place import Place
from hfru_core.data.image_tree import SPLITS, split_in
from hfru_core.data.table import told_apart
from hfru_core.hub_errors import clear_errors
from hfru_core.types import Split, UserError

CONVERTED = "refs/convert/parquet"  # where the Hub keeps what it made: CONFIG/SPLIT/0000.parquet


@dataclass(frozen=True)
class Remote:
    """A parquet file at one commit."""

    repo: str
    commit: str
    file: str
    size: int
    split: Split | None


def remotes(place: Place) -> list[Remote]:
    """The parquet files of a data set; raises where it has none, or several configurations."""
    with clear_errors(place.repo, place.revision):
        info = HfApi().dataset_info(place.repo, revision=place.revision, files_metadata=True)
        files = in_config(info, place)
        if not files and place.revision is None:
            info = HfApi().dataset_info(place.repo, revision=CONVERTED, files_metadata=True)
            files = in_config(info, place)
    if not files:
        raise UserError(
            f"'hub:{place.repo}' has no parquet files here. Give a revision that has them, or "
            "download it and give its pictures as folder:DIR."
        )
    sizes = {s.rfilename: s.size or 0 for s in info.siblings or ()}
    return [Remote(place.repo, info.sha or "", f, sizes[f], s) for f, s in sorted(files.items())]


def in_config(info: DatasetInfo, place: Place) -> dict[str, Split | None]:
    """The parquet files of the configuration that is meant, with their splits."""
    names = [s.rfilename for s in info.siblings or () if s.rfilename.endswith(".parquet")]
    told = patterns(info.card_data.to_dict() if info.card_data else {})
    if told:
        return {n: s for p, s in told[chosen(place, list(told))] for n in names if fnmatch(n, p)}
    folders = sorted({n.split("/")[0] for n in names if n.count("/") == 2})
    if folders:  # As the Hub makes them.
        name = chosen(place, folders)
        names = [n for n in names if n.startswith(f"{name}/")]
    elif place.config:
        names = [n for n in names if n.startswith(f"{place.config}/")]
    return {n: split_in(Path(n)) for n in names}


def chosen(place: Place, names: list[str]) -> str:
    """The configuration that was named, else the default or the only one."""
    name = place.config or ("default" if "default" in names else names[0])
    if name not in names or (place.config is None and name != "default" and len(names) > 1):
        raise UserError(
            f"'hub:{place.repo}' has the configurations {', '.join(names)}. Name one: "
            f"hub:{place.repo}:{names[0]}."
        )
    return name


def patterns(card: dict[str, Any]) -> dict[str, list[tuple[str, Split | None]]]:
    """The files of each configuration that a card lists, as patterns with their splits."""
    found: dict[str, list[tuple[str, Split | None]]] = {}
    for config in card.get("configs") or ():
        files = config.get("data_files") or ()
        for part in [files] if isinstance(files, str) else files:
            part = part if isinstance(part, dict) else {"path": part}
            paths = part.get("path") or ()
            split = SPLITS.get(str(part.get("split")).lower())
            found.setdefault(str(config.get("config_name")), []).extend(
                (p, split or split_in(Path(p)))
                for p in ([paths] if isinstance(paths, str) else paths)
            )
    return found


@contextmanager
def opened(remote: Remote) -> Iterator[parquet.ParquetFile]:
    """A file of the Hub, of which only what is read is fetched."""
    with clear_errors(remote.repo, remote.commit):
        files = HfFileSystem(skip_instance_cache=True)
        path = f"datasets/{remote.repo}@{remote.commit}/{remote.file}"
        with (
            files.open(path, "rb", cache_type="none", size=remote.size) as stream,
            told_apart(remote.file),
            parquet.ParquetFile(stream) as table,
        ):
            yield table


def cache(remote: Remote) -> Path:
    """The folder of what was fetched of a data set at one commit."""
    return cached_assets_path(
        "hfru-studio", remote.repo, remote.commit, assets_dir=constants.HF_ASSETS_CACHE
    )
