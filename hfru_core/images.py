"""Pictures from people: opened safely, one way, with errors that help."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from hfru_core.types import UserError

MOST_PIXELS = 40_000_000
LONGEST = 1024
BLUR = 0.09  # of the shorter side
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")


def open_image(source: Path | bytes) -> Image.Image:
    """The first frame, upright, RGB, at most 1024 pixels long; raises `UserError` otherwise."""
    name = "the picture" if isinstance(source, bytes) else f"'{source}'"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return decode(io.BytesIO(source) if isinstance(source, bytes) else source, name)
    except FileNotFoundError:
        raise UserError(f"There is no picture at {name}.") from None
    except IsADirectoryError:
        raise UserError(f"{name} is a folder; a picture was expected.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_large(name) from None
    except UnidentifiedImageError:
        raise UserError(f"{name} is not a picture ({', '.join(FORMATS)} can be read).") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{name} cannot be read: the file is damaged ({error}).") from None


def decode(source: io.BytesIO | Path, name: str) -> Image.Image:
    with Image.open(source, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise too_large(name)
        image.draft("RGB", (LONGEST, LONGEST))
        image.load()
        upright = ImageOps.exif_transpose(image)
        upright.thumbnail((LONGEST, LONGEST))
        return on_white(upright)


def on_white(image: Image.Image) -> Image.Image:
    """RGB, with transparent parts laid on white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return eight_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey as L: all of 16 bits, or the picture's own range where that has no bounds."""
    low, high = (0, 65535) if image.mode.startswith("I;16") else image.getextrema()
    share = 255 / max(high - low, 1e-6)
    return image.convert("F").point(lambda v: v * share - low * share).convert("L")


def too_large(name: str) -> UserError:
    return UserError(
        f"{name} has more than {MOST_PIXELS // 1_000_000} million pixels: that is refused, since "
        "it could fill the memory. Make it smaller first."
    )


def data_uri(image: Image.Image) -> str:
    """The picture itself as an address, for pages that load nothing."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def blurred(image: Image.Image) -> Image.Image:
    """The picture without what would tell who or which it is."""
    return image.filter(ImageFilter.GaussianBlur(BLUR * min(image.size)))
