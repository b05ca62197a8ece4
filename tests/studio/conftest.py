"""An app on loopback for each file of tests, and a visitor of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from tests.server import Visitor, served


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def app(data_folder: Path) -> Iterator[tuple[gr.Blocks, str]]:
    """The page and its address."""
    with served(data_folder) as found:
        yield found


@pytest.fixture
def visitor(app: tuple[gr.Blocks, str]) -> Visitor:
    return Visitor(app[1])
