"""The wheel: built, installed beside the packages that are here, used from another folder."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path

import pytest

import hfru_core
from tests.conftest import ROOT

HEAVIEST = 48 * 2**20  # bytes; the bundled models, oracles and adapters are most of it
QUESTION = ("answer", "world:99/test/dog/0", "What is it?", "--json")
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    line = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--quiet"]
    subprocess.run([*line, "--wheel-dir", folder, ROOT], check=True, timeout=120)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin/ of an environment with the wheel; it sees the packages that are installed here."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--no-compile", "--quiet", wheel], check=True)
    return folder / "bin"


@pytest.fixture
def run(bare: Path, tmp_path: Path) -> Command:
    """Runs a command of the environment, in a folder where nothing of the project is."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def call(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = [str(bare / name), *arguments]
        done = subprocess.run(
            line, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done

    return call


def test_metadata_come_from_their_one_place(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.split(">=")[0] for line in lines if not line.startswith("#")]
    found = [line.split("<")[0].split(">")[0] for line in metadata.get_all("Requires-Dist")]
    assert sorted(found) == sorted(name.replace("_", "-") for name in wanted)
    assert metadata["Version"] == hfru_core.__version__


def test_the_wheel_carries_every_file_of_its_packages_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = {n for n in archive.namelist() if ".dist-info/" not in n}
    wanted = {
        name if name.startswith(("hfru_core/", "audit/")) else f"hfru_core/{name}"
        for name in tracked("hfru_core", "audit", "assets")
    }
    assert carried == wanted
    assert wheel.stat().st_size < HEAVIEST


def tracked(*folders: str) -> list[str]:
    """The files of the checkout, without what Python leaves beside them."""
    paths = [p for f in folders for p in (ROOT / f).rglob("*") if p.is_file()]
    return [str(p.relative_to(ROOT)) for p in paths if p.suffix != ".pyc"]


@pytest.mark.slow
def test_it_answers_from_another_folder(run: Command, bare: Path) -> None:
    by_command = json.loads(run("hfru", *QUESTION).stdout.splitlines()[-1])
    by_module = json.loads(run("python", "-m", "hfru_core", *QUESTION).stdout.splitlines()[-1])
    assert by_command == by_module and by_command["base"]
    where = "from hfru_core import paths; print(paths.ASSETS)"
    assert Path(run("python", "-c", where).stdout.strip()).is_relative_to(bare.parent)


@pytest.mark.parametrize("command", [("hfru-audit",), ("hfru", "app")], ids=" ".join)
def test_commands_have_help(run: Command, command: tuple[str, ...]) -> None:
    assert "usage:" in run(*command, "--help").stdout
