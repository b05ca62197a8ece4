"""The pictures of a visitor's own concept, small, with the model that they are for."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from hfru_core.studio.render.answers_html import small

SIZE = 84
OF_PHOTOGRAPHS = "Photographs: their model, photo, will forget it."
OF_DRAWINGS = "Drawn pictures: the model of the drawn world will forget it."
OF_ONE = "The model of this app will forget it."


def pictures(shown: Sequence[Image.Image], count: int, photo: bool, both: bool) -> str:
    """The first pictures of `count`, and which of the models learns; `both` are there or one."""
    said = (OF_PHOTOGRAPHS if photo else OF_DRAWINGS) if both else OF_ONE
    tags = "".join(
        f'<img src="{small(image, SIZE)}" alt="Picture {i + 1} of {count}">'
        for i, image in enumerate(shown)
    )
    more = f"<span>+{count - len(shown)}</span>" if count > len(shown) else ""
    return f'<div class="thumbs">{tags}{more}</div><p class="note">{said}</p>'
