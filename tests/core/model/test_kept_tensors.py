"""Tensors that are put away come back bit by bit, from memory and from files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hfru_core.model import kept_tensors
from hfru_core.model.kept_tensors import KeptTensors, lent


@pytest.mark.parametrize("few", [0, 24, 1000])
def test_values_come_back_from_memory_and_from_files(
    few: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kept_tensors, "FEW", few)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = {"a": torch.arange(6.0), "b": torch.ones(2, 3, dtype=torch.bfloat16).T}
    before = {name: value.clone() for name, value in own.items()}
    with pytest.raises(RuntimeError), lent(own) as kept:
        assert set(kept) == {"a", "b"} and "c" not in kept
        own["a"].zero_()
        own["b"].zero_()
        assert all(torch.equal(kept.get(name), before[name]) for name in own)
        assert bool(list(tmp_path.iterdir())) == (few < 1000)
        raise RuntimeError
    assert all(torch.equal(value, before[name]) for name, value in own.items())
    del kept
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_tensors, "FEW", 0)
    monkeypatch.setattr(kept_tensors, "save_file", full)
    with pytest.raises(kept_tensors.UserError, match="No space left.*TMPDIR"):
        KeptTensors.of({"a": torch.ones(1)})
