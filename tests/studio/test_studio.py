"""What the tabs share: files to download lie where gradio serves them, whatever the folders."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio.processing_utils import _check_allowed
from gradio.utils import get_upload_folder

from hfru_core.model.vlm import LOADING
from hfru_core.studio.app import build_app, launch
from hfru_core.studio.sessions.studio import Studio

TORCH_SIDE = "hfru_core.studio.sessions.torch_side"


def test_a_download_is_served_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the current folder nor the system's temporary one holds the file."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "here"))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    page = build_app(data_folder=tmp_path / "data")
    assert Path(get_upload_folder()) == Studio(data_folder=tmp_path / "data").cache
    file = tmp_path / "report.html"
    file.write_text("kept")
    served = Path(Studio(data_folder=tmp_path / "data").offered(file, "ann"))
    assert served.read_text() == "kept" and served.name == "report.html"
    monkeypatch.setattr(page, "has_launched", True)
    token = gr.context.LocalContext.blocks.set(page)
    try:
        with pytest.raises(Exception, match="not created by the application"):
            _check_allowed(file, check_in_upload_folder=False)
        _check_allowed(served, check_in_upload_folder=False)
    finally:
        gr.context.LocalContext.blocks.reset(token)


def test_a_machine_too_busy_for_its_first_page_serves_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradio's look at its own page, which it waits 3 s for, decides nothing."""
    monkeypatch.setattr("gradio.networking.url_ok", lambda url: False)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    page = build_app(data_folder=tmp_path / "data")
    _, url, _ = launch(page, "127.0.0.1", None, prevent_thread_lock=True, quiet=True)
    try:
        assert httpx.get(url, timeout=60).status_code == 200
    finally:
        page.close()


def test_what_needs_torch_alone_waits_for_nobodys_model() -> None:
    """A zip to download does not stand behind another visitor's large model."""
    importlib.import_module(TORCH_SIDE)
    with ThreadPoolExecutor() as pool, LOADING:
        pool.submit(importlib.import_module, TORCH_SIDE).result(timeout=5)
