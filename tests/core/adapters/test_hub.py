"""Push and pull with the real client against a small Hub on loopback."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from hfru_core.adapters import hub
from hfru_core.adapters import validate as contents
from hfru_core.model import vlm
from hfru_core.types import UserError
from tests.conftest import ROOT
from tests.hub_server import TOKEN, Hub

BAD = "hf_bad_token_of_the_test"


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_what_was_pushed_is_pulled_again_byte_for_byte(
    server: Hub, trained: Path, tmp_path: Path
) -> None:
    pushed = hub.push(trained, "me/no-dogs", token=TOKEN)
    out = tmp_path / "pulled"
    pulled = hub.pull("me/no-dogs", out, token=TOKEN)
    assert pulled == pushed == hub.origin(out)
    assert pulled.revision in server.repos["me/no-dogs"].commits and pulled.private
    got = files_of(out)
    got.pop(hub.ORIGIN)
    assert got == {name: (trained / name).read_bytes() for name in contents.FILES}
    assert hub.origin(trained) is None


def test_the_token_goes_into_the_header_and_nowhere_else(
    server: Hub, trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        hub.push(trained, "me/no-dogs", token=TOKEN)
        hub.pull("me/no-dogs", tmp_path / "pulled", token=TOKEN)
    assert any(a.headers.get("authorization") == f"Bearer {TOKEN}" for a in server.asked)
    for asked in server.asked:
        rest = {k: v for k, v in asked.headers.items() if k.lower() != "authorization"}
        assert TOKEN not in asked.path + repr(rest) and TOKEN.encode() not in asked.body
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert TOKEN.encode() not in written and TOKEN not in caplog.text


def test_a_push_is_private_unless_it_is_asked_to_be_public(server: Hub, trained: Path) -> None:
    assert hub.push(trained, "me/one", token=TOKEN).private
    assert not hub.push(trained, "me/two", token=TOKEN, private=False).private
    assert server.repos["me/one"].private and not server.repos["me/two"].private


def test_a_private_push_into_a_public_repository_uploads_nothing(
    server: Hub, trained: Path
) -> None:
    server.add("me/open", {})
    before = len(server.repos["me/open"].commits)
    with pytest.raises(UserError, match="exists on the Hub and is public.*Nothing was uploaded"):
        hub.push(trained, "me/open", token=TOKEN)
    assert len(server.repos["me/open"].commits) == before


def test_only_an_adapters_files_are_pushed(server: Hub, trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "mine"))
    (folder / "diary.txt").write_text("private")
    (folder / hub.ORIGIN).write_text("{}")
    hub.push(folder, "me/no-dogs", token=TOKEN)
    (*_, files) = server.repos["me/no-dogs"].commits.values()
    assert set(files) - {".gitattributes"} == set(contents.FILES)


def test_the_commit_that_was_asked_for_is_pulled_and_recorded(
    server: Hub, trained: Path, tmp_path: Path
) -> None:
    first = server.add("me/no-dogs", files_of(trained))
    second = server.add("me/no-dogs", {"README.md": b"newer"})
    assert hub.pull("me/no-dogs", tmp_path / "a", revision=first).revision == first
    assert (tmp_path / "a" / "README.md").read_bytes() != b"newer"
    assert hub.pull("me/no-dogs", tmp_path / "b").revision == second
    assert (tmp_path / "b" / "README.md").read_bytes() == b"newer"


def test_other_files_of_a_repository_are_not_even_asked_for(
    server: Hub, trained: Path, tmp_path: Path
) -> None:
    server.add("me/no-dogs", {**files_of(trained), "run.py": b"import os", "extra.txt": b"x"})
    hub.pull("me/no-dogs", tmp_path / "pulled")
    fetched = {a.path.rsplit("/", 1)[-1] for a in server.asked if "/resolve/" in a.path}
    assert fetched == set(contents.FILES)
    assert set(files_of(tmp_path / "pulled")) == {*contents.FILES, hub.ORIGIN}


def test_an_empty_token_is_no_token_even_where_the_environment_has_one(
    server: Hub, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Visitors of an app must not act with its owner's token."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    server.add("me/secret", files_of(trained), private=True)
    with pytest.raises(UserError, match="is not on the Hub, or the token"):
        hub.pull("me/secret", tmp_path / "a", token="")
    with pytest.raises(UserError, match="Enter a Hugging Face token"):
        hub.push(trained, "me/secret", token="")
    assert not any("authorization" in {k.lower() for k in a.headers} for a in server.asked)
    hub.pull("me/secret", tmp_path / "b")


# Refusals


def spoiled(trained: Path, **files: bytes) -> dict[str, bytes]:
    return {**files_of(trained), **{k.replace("__", "."): v for k, v in files.items()}}


# fmt: off
@pytest.mark.parametrize(("files", "message"), [
    ({"adapter_model__bin": b"x"}, "holds adapter_model.bin, which may be a pickle"),
    ({"old/weights__pt": b"x"}, "holds old/weights.pt, which may be a pickle"),
    ({"training__pkl": b"x"}, "holds training.pkl"),
    ({"adapter_model__safetensors": b"x" * 99}, "is damaged or cut short"),
    ({"unlearning__json": b"{}"}, "is not readable as schema 1"),
    ({"adapter_config__json": b"{}"}, "is not the file that unlearning.json names"),
])
# fmt: on
def test_wrong_contents_are_refused_and_nothing_stays(
    server: Hub, trained: Path, tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    server.add("me/bad", spoiled(trained, **files))
    with pytest.raises(UserError, match=message):
        hub.pull("me/bad", tmp_path / "pulled")
    assert not list(tmp_path.iterdir())
    assert not any(a.path.endswith((".bin", ".pt", ".pkl")) for a in server.asked)


def test_a_repository_without_an_adapter_is_refused(server: Hub, tmp_path: Path) -> None:
    server.add("me/model", {"config.json": b"{}", "model.safetensors": b"x"})
    with pytest.raises(UserError, match="adapter of this project: adapter_config.json, .*missing"):
        hub.pull("me/model", tmp_path / "pulled")


def test_too_large_files_are_not_downloaded(server: Hub, trained: Path, tmp_path: Path) -> None:
    server.add("me/big", files_of(trained))
    server.declared["adapter_model.safetensors"] = 65 * 2**20
    with pytest.raises(UserError, match="at most 64 MB in all are taken, got 65 MB"):
        hub.pull("me/big", tmp_path / "pulled")
    assert not any("/resolve/" in a.path for a in server.asked)


def test_no_token_no_repository_no_access_no_revision(
    server: Hub, trained: Path, tmp_path: Path
) -> None:
    server.add("me/there", files_of(trained))
    out = tmp_path / "out"
    with pytest.raises(UserError, match="Enter a Hugging Face token with write access"):
        hub.push(trained, "me/new")
    with pytest.raises(UserError, match="'me/gone' is not on the Hub, or the token"):
        hub.pull("me/gone", out)
    with pytest.raises(UserError, match="has no revision 'v9'"):
        hub.pull("me/there", out, revision="v9")
    with pytest.raises(UserError, match=r"refused 'others/x' \(403\).*no right"):
        hub.push(trained, "others/x", token=TOKEN)
    with pytest.raises(UserError, match="'a b/../c' is not the name of a repository"):
        hub.pull("a b/../c", out)
    assert not list(tmp_path.iterdir())


def test_a_bad_token_is_named_and_not_quoted(server: Hub, trained: Path) -> None:
    with pytest.raises(UserError, match=r"\(401\): the token is not valid") as error:
        hub.push(trained, "me/new", token=BAD)
    assert BAD not in str(error.value) and error.value.__suppress_context__


def test_a_folder_that_is_no_adapter_is_not_pushed(server: Hub, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match="'photos' is not an adapter of this project"):
        hub.push(tmp_path / "photos", "me/new", token=TOKEN)
    assert not server.asked


def test_without_a_network_it_says_so(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"Could not reach the Hugging Face Hub \(ConnectError\)"):
        hub.pull("me/x", tmp_path / "out")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        hub.pull("me/x", tmp_path / "out")


@pytest.mark.slow
def test_the_commands_take_endpoint_and_token_from_the_environment(
    server: Hub, trained: Path, tmp_path: Path
) -> None:
    env = {
        **os.environ, "HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home"),
    }

    def run(*arguments: object) -> dict:
        line = [sys.executable, "-m", "hfru_core", "adapter", *map(str, arguments), "--json"]
        done = subprocess.run(line, env=env, cwd=ROOT, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    pushed = run("push", trained, "me/no-dogs")
    pulled = run("pull", "me/no-dogs", "--out", tmp_path / "out")
    assert pushed["private"] and pulled["revision"] == pushed["revision"]
    assert pulled["forgets"] == ["dog"] and pulled["base"] == "tiny"


LOAD = """
import json, sys
from hfru_core.model import vlm
from hfru_core.types import UserError
for revision in json.loads(sys.argv[1]):
    try:
        model = vlm.load("me/model", device="cpu", revision=revision)
        print(json.dumps([model.name, model.revision, model.fingerprint()]))
    except UserError as error:
        print(json.dumps(str(error)))
"""


def test_a_model_is_loaded_by_its_hub_id_and_its_commit_is_kept(
    server: Hub, tiny_folder: Path, other_folder: Path, tmp_path: Path
) -> None:
    first = server.add("me/model", files_of(tiny_folder))
    second = server.add("me/model", files_of(other_folder))
    env = {**os.environ, "HF_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0",
           "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home")}
    line = [sys.executable, "-c", LOAD, json.dumps([None, first, "main", "gone"])]
    done = subprocess.run(line, env=env, cwd=ROOT, capture_output=True, text=True, timeout=200)
    newest, old, named, gone = map(json.loads, done.stdout.splitlines())
    mark, other = (vlm.load(f).fingerprint() for f in (tiny_folder, other_folder))
    assert newest == named == ["me/model", second, other]
    assert old == ["me/model", first, mark]
    assert "could not be loaded" in gone and "gone" in gone
