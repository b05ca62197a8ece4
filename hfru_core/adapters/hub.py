"""Adapters on the Hugging Face Hub: push a folder there, pull one from there.

A token goes into requests and nowhere else: messages here never quote what a library said.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from huggingface_hub import HfApi, get_token

from hfru_core.adapters.record import HASHED, INFO
from hfru_core.adapters.validate import FILES, PICKLES, check_size, checked_record
from hfru_core.files import whole
from hfru_core.hub_errors import clear_errors
from hfru_core.types import UserError

ORIGIN = "hub.json"  # where a folder was pulled from; stays on this machine


@dataclass(frozen=True)
class Origin:
    """A repository at one commit."""

    repo: str
    revision: str
    private: bool
    url: str


def push(folder: Path, repo: str, *, token: str | None = None, private: bool = True) -> Origin:
    """Upload a valid adapter folder; the repository is made if need be.

    Without a token that of the environment is used (HF_TOKEN, or `hf auth login`). Raises where a
    repository is public that should be private.
    """
    checked_record(folder)
    token = get_token() if token is None else token
    if not token:
        raise UserError(
            "Enter a Hugging Face token with write access, or set HF_TOKEN to one. Make it at "
            "huggingface.co/settings/tokens."
        )
    api = HfApi(token=token)
    with clear_errors(repo):
        repo = api.create_repo(repo, private=private, exist_ok=True).repo_id
        hidden = bool(api.model_info(repo).private)
        if private and not hidden:
            raise UserError(
                f"'{repo}' exists on the Hub and is public, but this push should be private. "
                "Nothing was uploaded: choose another name, or push publicly."
            )
        done = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=list(FILES),
            commit_message="Upload the adapter",
        )
    return Origin(repo, done.oid, hidden, f"{api.endpoint}/{repo}")


def pull(repo: str, out: Path, *, revision: str | None = None, token: str | None = None) -> Origin:
    """Download an adapter into the folder `out`; `hub.json` there notes the commit.

    Only an adapter's own files are requested. An empty token means none; see `push`.
    """
    api = HfApi(token=(get_token() if token is None else token) or False)
    with whole(out) as folder:
        with clear_errors(repo, revision):
            there = api.model_info(repo, revision=revision, files_metadata=True)
            names = expected(repo, {s.rfilename: s.size for s in there.siblings or ()})
            for name in names:
                api.hf_hub_download(repo, name, revision=there.sha, local_dir=folder)
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        check_size(sum((folder / n).stat().st_size for n in names))
        checked_record(folder)
        origin = Origin(repo, there.sha or "", bool(there.private), f"{api.endpoint}/{repo}")
        (folder / ORIGIN).write_text(json.dumps(asdict(origin), indent=2) + "\n")
    return origin


def origin(folder: Path) -> Origin | None:
    """Where a folder was pulled from, by its `hub.json`; None where it was not pulled."""
    try:
        return Origin(**json.loads((folder / ORIGIN).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def expected(repo: str, sizes: dict[str, int | None]) -> list[str]:
    """The files to download; raises where a repository holds pickles, or no adapter."""
    pickles = [n for n in sizes if Path(n).suffix.lower() in PICKLES]
    if pickles:
        raise UserError(
            f"'{repo}' holds {pickles[0]}, which may be a pickle and run code when it is opened. "
            "Repositories with pickles are not taken: ask its owner for one without."
        )
    missing = [n for n in (*HASHED, INFO) if n not in sizes]
    if missing:
        raise UserError(
            f"'{repo}' is not an adapter of this project: {', '.join(missing)} is missing. Is it a "
            "model, or an adapter made by another tool?"
        )
    wanted = [n for n in FILES if n in sizes]
    check_size(sum(sizes[n] or 0 for n in wanted))
    return wanted
