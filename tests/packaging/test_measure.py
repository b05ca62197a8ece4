"""The measuring scripts: no tests, each with its options told."""

import importlib
import importlib.util
import sys

import pytest

from tests.conftest import ROOT

FOLDER = ROOT / "tests" / "measure"
# What others of them use.
SHARED = {"__init__", "visitors", "audit_tables", "lives", "waiting_audit"}
NEEDS_TRL = {"gpu_session", "grpo_step"}  # tests/measure/requirements.txt


@pytest.mark.parametrize("name", sorted({p.stem for p in FOLDER.glob("*.py")} - SHARED))
def test_every_script_tells_its_options(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    if name in NEEDS_TRL and importlib.util.find_spec("trl") is None:
        pytest.skip("pip install -r tests/measure/requirements.txt")
    script = importlib.import_module(f"tests.measure.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as end:
        script.main()
    assert end.value.code == 0 and "--help" in capsys.readouterr().out


def test_none_of_them_is_collected() -> None:
    assert not [*FOLDER.rglob("test_*.py"), *FOLDER.rglob("*_test.py")]
