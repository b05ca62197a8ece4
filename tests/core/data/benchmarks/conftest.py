"""A small MLLMU-Bench and a small CLEAR, written once for a file of tests."""

from pathlib import Path

import pytest

from hfru_core.data.source import Benchmark
from hfru_core.data.source_base import Source
from tests.core.data.benchmarks.sets import clear, mllmu


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("benchmarks")
    return {"mllmu": mllmu(folder / "mllmu"), "clear": clear(folder / "clear")}


@pytest.fixture(scope="module", params=["mllmu", "clear"])
def source(request: pytest.FixtureRequest, roots: dict[str, Path]) -> Source:
    return Benchmark(request.param, roots[request.param])
