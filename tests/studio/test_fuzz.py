"""A few of the damaged and hostile uploads that `tests.measure.fuzz_uploads` sends by thousands."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import gradio as gr

from tests.measure import fuzz_uploads
from tests.server import Visitor


def test_hostile_uploads_make_no_server_error_and_no_file_elsewhere(
    app: tuple[gr.Blocks, str], tmp_path: Path
) -> None:
    server = SimpleNamespace(url=app[1], port=urlsplit(app[1]).port)
    before = fuzz_uploads.outside()
    told = fuzz_uploads.fuzz(server, 30, 5, tmp_path)["answers"]
    assert sum(told.values()) == 30 and len({a.split(":")[0] for a in told}) >= 5
    assert not [a for a in told if fuzz_uploads.is_bad(a)]
    assert fuzz_uploads.outside() == before
    assert Visitor(app[1]).config()["components"]
