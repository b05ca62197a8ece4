"""Images from people: opened safely, one way, with errors that help."""

from __future__ import annotations

import base64
import io
import random
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps, UnidentifiedImageError, features

from hfru_core.types import UserError

MOST_PIXELS = 40_000_000
MOST_WHOLE = 20_000_000  # pixels of a format that is only read whole
MOST_SIDE = 16_384
LARGE = 4_000_000  # pixels from which on an image is decoded alone: it may take 200 MB
LONGEST = 1024
BLUR = 0.09  # of the shorter side
MADE = 384  # the longer side of an image that was made of another, at most
GOLDEN = (5**0.5 - 1) / 2  # multiples of it spread evenly over what lies between whole numbers
BICUBIC = Image.Resampling.BICUBIC
LONGEST_TO_WIDEST = 100  # the most that an image's sides may differ by
FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "BMP",
    "GIF",
    "TIFF",
    *(("AVIF",) if features.check("avif") else ()),
)
if find_spec("pillow_heif"):  # An optional package: photographs as phones take them.
    import_module("pillow_heif").register_heif_opener()
    FORMATS = (*FORMATS, "HEIF")
ALONE = ThreadPoolExecutor(1)  # one thread, since each keeps a part of what it once needed


def open_image(source: Path | bytes, name: str = "the picture") -> Image.Image:
    """The first frame, upright, RGB, at most 1024 pixels long; raises `UserError` otherwise.

    A file has a name of its own, bytes are told by `name`.
    """
    name = name if isinstance(source, bytes) else f"'{source.name}'"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return decode(io.BytesIO(source) if isinstance(source, bytes) else source, name)
    except FileNotFoundError:
        raise UserError(f"There is no picture at {name}.") from None
    except IsADirectoryError:
        raise UserError(f"{name} is a folder; a picture was expected.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_large(name, None) from None
    except UnidentifiedImageError:
        raise UserError(f"{name} is not a picture ({', '.join(FORMATS)} can be read).") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{name} cannot be read: the file is damaged ({error}).") from None


def decode(source: io.BytesIO | Path, name: str) -> Image.Image:
    with Image.open(source, formats=FORMATS) as image:
        most = MOST_PIXELS if image.format in ("JPEG", "MPO") else MOST_WHOLE
        if image.width * image.height > most or max(image.size) > MOST_SIDE:
            raise too_large(name, image.size)
        if image.width * image.height > LARGE:
            return ALONE.submit(shrunk, image).result()
        return shrunk(image)


def shrunk(image: Image.Image) -> Image.Image:
    """At most 1024 pixels long, then turned upright, which takes a copy."""
    image.draft("RGB", (LONGEST, LONGEST))
    image.load()
    image.thumbnail((LONGEST, LONGEST))
    return widened(on_white(ImageOps.exif_transpose(image)))


def widened(image: Image.Image) -> Image.Image:
    """A strip laid on white, since models refuse what is 200 times as long as wide."""
    least = -(-max(image.size) // LONGEST_TO_WIDEST)
    if min(image.size) >= least:
        return image
    wide = Image.new("RGB", (max(image.width, least), max(image.height, least)), "white")
    wide.paste(image, ((wide.width - image.width) // 2, (wide.height - image.height) // 2))
    return wide


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
    """Deep grey as L: all of 16 bits, or the image's own range where that has no bounds."""
    values = np.asarray(image, np.float32)
    finite = np.isfinite(values)
    bounded = image.mode.startswith("I;16") or not finite.any()
    low, high = (0.0, 65535.0) if bounded else (values[finite].min(), values[finite].max())
    shares = (np.where(finite, values, low) - low) / max(high - low, 1e-6)
    return Image.fromarray((255 * shares).astype(np.uint8))


def too_large(name: str, size: tuple[int, int] | None) -> UserError:
    whole, jpeg = MOST_WHOLE // 1_000_000, MOST_PIXELS // 1_000_000
    found = f"has {size[0]} x {size[1]} pixels" if size else "has far too many pixels"
    return UserError(
        f"{name} {found}: at most {whole} million (a JPEG {jpeg} million) and {MOST_SIDE} a side "
        "are read, since more could fill the memory. Make it smaller first."
    )


def data_uri(image: Image.Image) -> str:
    """The image itself as an address, for pages that load nothing."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def blurred(image: Image.Image) -> Image.Image:
    """The image without what would tell who or which it is."""
    return image.filter(ImageFilter.GaussianBlur(BLUR * min(image.size)))


def varied(image: Image.Image, number: int) -> Image.Image:
    """An augmented copy, always the same for a number: cut, turned, recoloured, redrawn."""
    rng = random.Random(number)
    strength = number * GOLDEN % 1  # Gentle ones too: not every image survives a strong one.
    made = image.copy()
    made.thumbnail((MADE, MADE))
    made = framed(made, strength, rng)
    if rng.random() < 0.5:
        made = ImageOps.mirror(made)
    return redrawn(recoloured(made, strength, rng), strength, rng)


def framed(image: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """A part of it, at the whole's size, slightly turned."""
    share = 1 - 0.65 * strength * rng.random()
    wide, high = round(share * image.width), round(share * image.height)
    left, top = rng.randint(0, image.width - wide), rng.randint(0, image.height - high)
    part = image.crop((left, top, left + wide, top + high)).resize(image.size, BICUBIC)
    corner = part.getpixel((0, 0))
    return part.rotate(strength * rng.uniform(-15, 15), BICUBIC, fillcolor=corner)


def recoloured(image: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """Other hues, and more or less of colour, light and contrast."""
    turn = rng.randrange(256) if rng.random() < 0.3 + 0.6 * strength else 0
    hue, *rest = image.convert("HSV").split()
    image = Image.merge("HSV", (hue.point(lambda h: (h + turn) % 256), *rest)).convert("RGB")
    for change in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
        image = change(image).enhance(1 + 0.4 * strength * rng.uniform(-1, 1))
    return image


def redrawn(image: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """Sometimes in lines, in few colours, in patches or in grey."""
    if rng.random() > strength:
        return image
    way = rng.randrange(4)
    if way == 0:
        return ImageOps.invert(image.convert("L").filter(ImageFilter.FIND_EDGES)).convert("RGB")
    if way == 1:
        return ImageOps.posterize(image, 2)
    if way == 2:
        return image.filter(ImageFilter.ModeFilter(5))
    return ImageOps.grayscale(image).convert("RGB")
