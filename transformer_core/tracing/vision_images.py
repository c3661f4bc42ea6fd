"""Pictures as people have them, made ready for a model: upright, opaque, of one size that is known.

Whatever is done to a picture on the way is said. Its size is read from the file's header and
checked before a single pixel is decoded, since a file of a few kilobytes can unfold to gigabytes.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from transformer_core.errors import InputError
from transformer_core.settings import settings

MAX_SIDE = 10_000
"""Pixels that a picture may be wide or high."""

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
_GREY = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L"}
_WIDE = {"I", "F", "I;16", "I;16B", "I;16L"}


@dataclass(frozen=True)
class ReadImage:
    """A picture that a model can be given.

    Attributes:
        image: Upright and opaque, in grey (``L``) or colour (``RGB``).
        notes: What was changed on the way, one sentence each.
    """

    image: Image.Image
    notes: tuple[str, ...] = field(default=())


def read_image(source: Any) -> ReadImage:
    """Read a picture.

    Transparent ones are laid on white, CMYK is converted, a photo's EXIF orientation is applied,
    and of an animation the first frame is taken; each is said.

    Args:
        source: A path, the bytes of a file, a PIL image, or an array ``[row column]`` or
            ``[row column channel]`` of integers from 0 to 255 or fractions from 0 to 1.

    Raises:
        InputError: If it is no picture, is empty or too large, or is damaged.
    """
    opened, name = _opened(source)
    _check_size(opened.size, name)
    notes: list[str] = []
    if getattr(opened, "n_frames", 1) > 1:
        count = f"{opened.n_frames} frames"  # type: ignore[attr-defined]
        what = "pages" if opened.format == "TIFF" else "an animation"
        notes.append(f"{name} is {what} of {count}; the first one is shown.")
    try:
        opened.load()
        upright = ImageOps.exif_transpose(opened)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{name} is damaged or cut short: {_line(error)}. Save it again as PNG or JPEG."
        ) from error
    if upright.size != opened.size or opened.getexif().get(0x0112, 1) not in (0, 1):
        notes.append("Turned upright, as its EXIF orientation says.")
    return ReadImage(_opaque(upright, notes), tuple(notes))


def _opened(source: Any) -> tuple[Image.Image, str]:
    """A picture of which only the header was read, and what to call it."""
    if isinstance(source, Image.Image):
        return source, "The picture"
    if isinstance(source, np.ndarray):
        return _of_array(source), "The array"
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        try:
            content = path.read_bytes() if path.is_file() else None
        except (OSError, ValueError) as error:
            raise InputError(f"{str(source)[:80]!r} cannot be read: {_line(error)}.") from error
        if content is None:
            raise InputError(
                f"There is no file {str(source)[:80]!r}. This model reads images, not text: give "
                "the path of a picture, a PIL image or an array."
            )
        return _of_bytes(content, path.name), path.name
    if isinstance(source, bytes | bytearray):
        return _of_bytes(bytes(source), "The file"), "The file"
    raise InputError(
        f"A {type(source).__name__} is no image. Give a path, the bytes of a file, a PIL image or "
        "an array."
    )


def _of_bytes(content: bytes, name: str) -> Image.Image:
    if not content:
        raise InputError(f"{name} is empty: it has 0 bytes.")
    if len(content) > (most := settings().image_megabytes * 2**20):
        raise InputError(
            f"{name} has {len(content) / 2**20:,.0f} MiB; {most // 2**20} are read at most. Make "
            "it smaller."
        )
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name} is no image that can be read. Give one of {', '.join(FORMATS)}."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        found = re.search(r"\d+", str(error))
        n_pixels = f"{int(found[0]):,}" if found else "too many"
        raise InputError(
            f"{name} has {n_pixels} pixels; {settings().image_pixels:,} are read at most. Make it "
            "smaller."
        ) from error
    except (OSError, SyntaxError, ValueError, OverflowError) as error:
        raise InputError(f"{name} is damaged: {_line(error)}. Save it again as PNG.") from error


def _of_array(array: NDArray[Any]) -> Image.Image:
    shape = " × ".join(map(str, array.shape)) or "no axis"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(
            f"An array of {shape} is no image: give [row column], or [row column channel] with "
            "1, 3 or 4 channels."
        )
    if not array.size:
        raise InputError(f"An array of {shape} has no pixel.")
    _check_size((array.shape[1], array.shape[0]), "The array")
    if array.dtype.kind not in "buif" or not np.isfinite(array).all():
        raise InputError("An image's numbers must be finite numbers.")
    low, high = float(array.min()), float(array.max())
    is_share = array.dtype.kind in "bf" and high <= 1
    if low < 0 or high > 255:
        raise InputError(
            f"The array's numbers run from {low:.4g} to {high:.4g}; an image's run from 0 to 255, "
            "or from 0 to 1 as fractions."
        )
    levels = np.rint(array.astype(np.float32) * (255 if is_share else 1)).astype(np.uint8)
    return Image.fromarray(levels[:, :, 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels)


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if not width or not height:
        raise InputError(f"{name} has {width} × {height} pixels: there is nothing to see.")
    most = settings().image_pixels
    if max(size) > MAX_SIDE or width * height > most:
        raise InputError(
            f"{name} has {width:,} × {height:,} pixels; at most {MAX_SIDE:,} a side and "
            f"{most:,} in all are read. Make it smaller."
        )


def _opaque(image: Image.Image, notes: list[str]) -> Image.Image:
    """In grey or colour, without transparency."""
    if image.mode == "CMYK":
        notes.append("Converted from CMYK, the colours of print, to RGB.")
        return image.convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if rgba.getchannel("A").getextrema()[0] < 255:  # type: ignore[operator]
            notes.append("Its transparent parts were laid on white.")
        ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    if image.mode in _WIDE:
        return _narrowed(image, notes)
    return image.convert("L" if image.mode in _GREY else "RGB")


def _narrowed(image: Image.Image, notes: list[str]) -> Image.Image:
    """Levels finer than 8 bits, brought to 0 to 255 from what they span."""
    levels = np.asarray(image, dtype=np.float64)
    low, high = float(levels.min()), float(levels.max())
    if low >= 0 and high <= 255:
        return Image.fromarray(np.rint(levels).astype(np.uint8))
    notes.append(f"Its levels, from {low:.4g} to {high:.4g}, were brought to 0 to 255.")
    span = (levels - low) / max(high - low, 1e-12)
    return Image.fromarray(np.rint(span * 255).astype(np.uint8))


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
