"""Pictures of every bad kind: what cannot be read is said, and so is what was changed."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transformer_core.errors import InputError
from transformer_core.tracing.vision_images import MAX_SIDE, read_image


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG of any size by its header; its pixels are missing."""
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + body
    tail = struct.pack(">I", zlib.crc32(chunk))
    empty = b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(body)) + chunk + tail + empty


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 bytes"),
        (b"This is a text, not a picture.", "no image"),
        (b"%PDF-1.4 more", "no image"),
        (png_header(20_000, 10), "20,000 × 10"),
        (png_header(9_000, 9_000), "9,000 × 9,000|81,000,000"),
        (png_header(30_000, 30_000), "900,000,000"),
        (file_of(Image.new("RGB", (40, 40), "red"))[:60], "damaged|no image"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_image(content)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros(5), "no image"),
        (np.zeros((4, 4, 7)), "no image"),
        (np.zeros((0, 4)), "no pixel"),
        (np.full((4, 4), np.nan), "finite"),
        (np.full((4, 4), -1.0), "run from"),
        (np.full((4, 4), 300), "run from"),
        (np.zeros((2, MAX_SIDE + 1), np.uint8), "10,001"),
    ],
)
def test_an_array_that_is_no_image_says_why(array: np.ndarray[Any, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_image(array)


def test_what_is_no_file_and_no_picture_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reads images, not text"):
        read_image("The cat sat")
    with pytest.raises(InputError, match="no image"):
        read_image(42)
    with pytest.raises(InputError, match="no file"):
        read_image(tmp_path / "missing.png")


def test_a_plain_picture_is_read_as_it_is(tmp_path: Path) -> None:
    picture = Image.new("RGB", (6, 4), (10, 20, 30))
    path = tmp_path / "picture.png"
    picture.save(path)
    for source in (picture, path, str(path), path.read_bytes(), np.asarray(picture)):
        read = read_image(source)
        assert read.notes == () and read.image.size == (6, 4)
        assert read.image.getpixel((0, 0)) == (10, 20, 30)


def test_fractions_from_0_to_1_are_levels() -> None:
    read = read_image(np.array([[0.0, 0.5, 1.0]]))
    assert [read.image.getpixel((i, 0)) for i in range(3)] == [0, 128, 255]


def test_transparent_parts_are_laid_on_white_and_that_is_said() -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    clear.putpixel((1, 1), (255, 0, 0, 255))
    read = read_image(file_of(clear))
    assert "laid on white" in read.notes[0]
    assert read.image.getpixel((0, 0)) == (255, 255, 255)
    assert read.image.getpixel((1, 1)) == (255, 0, 0)
    assert read_image(Image.new("RGBA", (4, 4), "red")).notes == ()
    palette = Image.new("P", (4, 4), 0)
    assert "laid on white" in read_image(file_of(palette, transparency=0)).notes[0]


def test_cmyk_is_converted_and_that_is_said() -> None:
    read = read_image(file_of(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert "CMYK" in read.notes[0] and read.image.mode == "RGB"
    red, green, blue = read.image.getpixel((4, 4))  # type: ignore[misc]
    assert red > 200 and max(green, blue) < 60


def test_the_first_frame_of_an_animation_is_taken_and_that_is_said() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "lime")]
    content = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    read = read_image(content)
    assert "3 frames" in read.notes[0]
    assert read.image.getpixel((0, 0)) == (255, 0, 0)


def test_a_photo_is_turned_as_its_orientation_says() -> None:
    picture = Image.new("RGB", (8, 4), "white")
    picture.putpixel((0, 0), (0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    read = read_image(file_of(picture, exif=exif))
    assert read.image.size == (4, 8)
    assert read.image.getpixel((3, 0)) == (0, 0, 0)
    assert "EXIF" in read.notes[0]


def test_sixteen_bits_are_brought_to_eight_and_that_is_said() -> None:
    levels = np.array([[0, 30_000], [60_000, 60_000]], np.uint16)
    read = read_image(file_of(Image.fromarray(levels)))
    assert "0 to 255" in read.notes[0]
    assert np.asarray(read.image).tolist() == [[0, 128], [255, 255]]
