"""Pictures from people: every kind opens to the same picture, and what is none is refused."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from hfru_core.data.images import LONGEST, open_image
from hfru_core.types import UserError
from tests.conftest import ROOT

RED = (220, 30, 40)


def halves() -> Image.Image:
    """Red on the left, white on the right."""
    image = Image.new("RGB", (40, 20), "white")
    image.paste(RED, (0, 0, 20, 20))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    return max(abs(a - b) for a, b in zip(image.getpixel(at), colour)) < 30


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "PNG"),
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("P", "PNG"),
        ("P", "GIF"),
        ("RGBA", "PNG"),
        ("RGB", "WEBP"),
        ("RGB", "BMP"),
        ("CMYK", "TIFF"),
        ("RGB", "TIFF"),
    ],
)
def test_every_kind_shows_the_same_picture(mode: str, kind: str) -> None:
    drawn = halves().quantize(8) if mode == "P" else halves().convert(mode)
    image = open_image(encoded(drawn, kind))
    assert (image.mode, image.size) == ("RGB", (40, 20))
    assert near(image, (5, 10), RED)
    assert near(image, (35, 10), (255, 255, 255))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_lie_on_white(mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    options = {"transparency": 0} if mode == "P" else {}
    assert open_image(encoded(clear, "PNG", **options)).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("PNG", np.array([0, 32896, 65535], np.uint16)),
        ("TIFF", np.array([0, 32896, 65535], np.uint16)),
        ("TIFF", np.array([-5, 0, 5], np.int32)),
        ("TIFF", np.array([0.0, 0.25, 0.5], np.float32)),
    ],
)
def test_deep_grey_keeps_its_greys(kind: str, values: np.ndarray) -> None:
    """Black, middle and white stay so; clipping at 255 would make nearly all of it white."""
    image = open_image(encoded(Image.fromarray(values[None].repeat(3, 0)), kind))
    assert [image.getpixel((x, 1))[0] for x in range(3)] == pytest.approx([0, 128, 255], abs=1)


def test_one_bit_and_grey_pictures_become_rgb() -> None:
    for mode in ("1", "L"):
        assert open_image(encoded(halves().convert(mode), "PNG")).mode == "RGB"


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), c) for c in (RED, (0, 200, 0), (0, 0, 200))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert near(open_image(data), (4, 4), RED)


def test_a_photo_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Turn a quarter to the right: what was left is up.
    image = open_image(encoded(halves(), "JPEG", exif=exif))
    assert image.size == (20, 40)
    assert near(image, (10, 5), RED)


def test_a_large_picture_is_made_smaller_in_shape() -> None:
    image = open_image(encoded(Image.new("RGB", (4000, 1000)), "JPEG"))
    assert image.size == (LONGEST, LONGEST // 4)


def test_a_file_opens_like_its_bytes(tmp_path: Path) -> None:
    data = encoded(halves(), "PNG")
    (tmp_path / "halves").write_bytes(data)
    assert open_image(tmp_path / "halves").tobytes() == open_image(data).tobytes()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be enormous."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


PEAK = """
import sys
from concurrent.futures import ThreadPoolExecutor
from hfru_core.data.images import open_image
from hfru_core.types import UserError

def peak():  # of this program: getrusage counts what its parent held too
    text = open("/proc/self/status").read()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024

def opened(data):
    try:
        return open_image(data)
    except UserError:
        return None

data, times = sys.stdin.buffer.read(), int(sys.argv[1])
before = peak()
with ThreadPoolExecutor(times) as pool:
    list(pool.map(opened, [data] * times))
print(peak() - before)
"""


@pytest.mark.parametrize(
    ("mode", "size"),
    [("L", (1, 16_000_000)), ("RGBA", (4400, 4400)), ("RGB", (16_384, 1_200)),
     ("I;16", (4400, 4400))],
    ids=["a line", "transparent", "long", "deep"],
)  # fmt: skip
def test_no_picture_takes_much_memory(mode: str, size: tuple[int, int]) -> None:
    """The line took 893 MB, and 39 million transparent pixels 482 MB, while they were allowed."""
    assert peak_mb(encoded(Image.new(mode, size), "PNG"), times=1) < 200


def test_large_pictures_at_once_take_the_memory_of_one() -> None:
    """Four at once took 954 MB, and one 245."""
    assert peak_mb(encoded(Image.new("RGBA", (4400, 4400)), "PNG"), times=4) < 250


def peak_mb(data: bytes, times: int) -> float:
    """The memory that a process of its own takes while it opens it so many times at once."""
    line = [sys.executable, "-c", PEAK, str(times)]
    done = subprocess.run(line, input=data, capture_output=True, cwd=ROOT, check=True)
    return float(done.stdout)


@pytest.mark.parametrize("side", [6400, 11_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_opens(side: int) -> None:
    with pytest.raises(UserError, match="at most 20 million.*Make it smaller"):
        open_image(bomb(side, side))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a picture"),
        (b"hello", "not a picture.*PNG"),
        (b"%PDF-1.7 ...", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (encoded(halves(), "PNG")[:70], "the file is damaged|not a picture"),
        (encoded(halves(), "JPEG")[:400], "the file is damaged|not a picture"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_image(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_truncated_picture_is_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(UserError, match="the file is damaged|not a picture"):
        open_image(data[: len(data) // 2])


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no picture at '.*gone.png'"):
        open_image(tmp_path / "gone.png")
    with pytest.raises(UserError, match="is a folder"):
        open_image(tmp_path)


def opens_or_refuses(data: bytes) -> None:
    try:
        assert open_image(data).mode == "RGB"
    except UserError as error:
        assert "the picture" in str(error)


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_random_bytes_raise_only_user_errors(data: bytes) -> None:
    opens_or_refuses(data)


BASES = [
    encoded(halves().convert(mode), kind)
    for mode, kind in (
        ("P", "PNG"),
        ("RGB", "JPEG"),
        ("P", "GIF"),
        ("RGB", "WEBP"),
        ("RGB", "TIFF"),
        ("CMYK", "JPEG"),
        ("RGB", "BMP"),
    )
]


@given(
    st.sampled_from(BASES),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=6),
    st.integers(0, 600),
)
@settings(max_examples=300, deadline=None)
def test_damaged_pictures_raise_only_user_errors(
    data: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    opens_or_refuses(bytes(damaged[: len(data) - cut] if cut < len(data) else damaged))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(halves(), "PNG"))
    path.chmod(0)
    with pytest.raises(UserError, match="cannot be read"):
        open_image(path)


def test_a_phone_s_file_of_two_pictures_is_as_large_as_a_jpeg_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hfru_core.data.images.MOST_WHOLE", 1000)
    image, out = Image.new("RGB", (64, 48), "teal"), io.BytesIO()
    image.save(out, "MPO", save_all=True, append_images=[image])
    assert open_image(out.getvalue()).size == (64, 48)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_opens() -> None:
    assert near(open_image(encoded(halves(), "AVIF")), (5, 10), RED)


def test_heic_opens_where_its_reader_is_installed() -> None:
    pytest.importorskip("pillow_heif")
    assert near(open_image(encoded(halves(), "HEIF")), (5, 10), RED)


@pytest.mark.parametrize("size", [(4000, 10), (10, 4000), (300, 1)])
def test_no_image_is_too_long_for_a_model(size: tuple[int, int]) -> None:
    """The Qwen families refuse sides that differ by more than 200 times."""
    image = open_image(encoded(Image.new("RGB", size, RED), "PNG"))
    assert max(image.size) / min(image.size) <= 100
    assert near(image, (image.width // 2, image.height // 2), RED)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_broken_pixel_leaves_the_others_as_they_are(broken: float) -> None:
    values = np.array([[0.0, 0.25, 0.5], [0.0, 0.25, broken]], np.float32)
    image = open_image(encoded(Image.fromarray(values), "TIFF"))
    assert [image.getpixel((x, 0))[0] for x in range(3)] == pytest.approx([0, 128, 255], abs=1)
