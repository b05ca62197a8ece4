"""What a visitor is told, and what of this server is not."""

from __future__ import annotations

import pytest

from hfru_core.studio.errors import public


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("'/data/my dir/cache/x/fake.png' is no picture", "'fake.png' is no picture"),
        (
            "There is no picture at /data/sessions/ab/picture.png.",
            "There is no picture at picture.png.",
        ),
        ("no pictures of Rex in 'folder:/data/sessions/ab/own/rex'", "no pictures of Rex in 'rex'"),
        ("of folder:/data/own/rex (/a/b/c.json)", "of folder:rex (c.json)"),
        (r"'C:\data\x\fake.png' is no picture", "'fake.png' is no picture"),
        ("me/x at https://hub.test/a/b, 0/1 and/or 'me/x'", None),
        ("it says 'a' / 'b' or '/x'", None),
    ],
)
def test_paths_of_the_server_are_not_told(said: str, shown: str | None) -> None:
    assert public(said) == (shown or said)
