"""What is offered on which machine, and a GPU that is lent by the call."""

from __future__ import annotations

import pytest
import torch

from hfru_core.studio.server import hardware
from hfru_core.studio.server.hardware import LARGE, LONGEST, SMALL, Hardware


def test_a_cpu_is_told_what_works_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    found = hardware.here()
    assert found.kind == "cpu" and found.model == SMALL
    assert "bundled model" in found.banner and SMALL in found.banner


@pytest.mark.parametrize(("memory", "model"), [(8.0, SMALL), (16.0, LARGE), (80.0, LARGE)])
def test_the_proposed_model_fits_the_gpu(memory: float, model: str) -> None:
    found = Hardware("gpu", "Some GPU", memory)
    assert found.model == model and model in found.banner and "Some GPU" in found.banner


def test_a_lent_gpu_is_found_and_used(lent: list) -> None:
    assert hardware.here().kind == "zerogpu" and hardware.here().model == LARGE
    work = hardware.on_gpu(lambda steps: iter([steps, steps + 1]), lambda steps: 7 * steps)
    assert list(work(3)) == [3, 4]
    assert lent == [21]


def test_without_the_package_work_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert hardware.on_gpu(print, len) is print


def test_longer_sessions_ask_for_more_up_to_a_bound() -> None:
    assert hardware.seconds_of(10, True) < hardware.seconds_of(100, True)
    assert hardware.seconds_of(100, True) < hardware.seconds_of(100, False)
    assert hardware.seconds_of(10_000, False) == LONGEST
