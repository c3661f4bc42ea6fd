"""Painting a drawing as PNG, with the shipped typefaces and no browser."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageDraw, PngImagePlugin

from transformer_core.figures.drawing import Box, Drawing, Line, Pixels, Text
from transformer_core.figures.fonts import runs, width_of


def to_png(drawing: Drawing, *, scale: float = 2.0) -> bytes:
    """Paint a drawing as PNG; title and description are inside the file, too.

    Args:
        scale: Pixels for each unit of the drawing.
    """
    size = round(drawing.width * scale), round(drawing.height * scale)
    image = Image.new("RGB", size, drawing.background)
    for mark in drawing.marks:
        _PAINTERS[type(mark)](image, mark, scale)
    facts = PngImagePlugin.PngInfo()
    facts.add_itxt("Title", drawing.title.encode("utf-8", "replace").decode())
    facts.add_itxt("Description", drawing.description.encode("utf-8", "replace").decode())
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=facts)
    return file.getvalue()


def _box(image: Image.Image, mark: Box, scale: float) -> None:
    left, top = round(mark.x * scale), round(mark.y * scale)
    right, bottom = round((mark.x + mark.width) * scale), round((mark.y + mark.height) * scale)
    if right > left and bottom > top:
        ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=mark.fill)


def _line(image: Image.Image, mark: Line, scale: float) -> None:
    ends = [(x * scale, y * scale) for x, y in (mark.start, mark.end)]
    ImageDraw.Draw(image).line(ends, fill=mark.colour, width=max(1, round(mark.width * scale)))


def _pixels(image: Image.Image, mark: Pixels, scale: float) -> None:
    left, top = round(mark.x * scale), round(mark.y * scale)
    size = round(mark.width * scale), round(mark.height * scale)
    stretched = mark.image().resize(size, Image.Resampling.NEAREST)
    image.paste(stretched, (left, top), stretched)


def _text(image: Image.Image, mark: Text, scale: float) -> None:
    face = mark.face.scaled(scale)
    text = mark.text.encode("utf-8", "replace").decode()
    width = width_of(text, face)
    shift = {"start": 0.0, "middle": width / 2, "end": width}[mark.anchor]
    x, y = mark.x * scale, mark.y * scale
    if not mark.angle:
        _write(ImageDraw.Draw(image), (x - shift, y), text, mark, scale)
        return
    # Turned text is painted upright on a layer of its own, its anchor in the middle.
    half = round(width + 2 * face.size)
    layer = Image.new("RGBA", (2 * half, 2 * half))
    _write(ImageDraw.Draw(layer), (half - shift, half), text, mark, scale)
    turned = layer.rotate(-mark.angle, Image.Resampling.BICUBIC)
    image.paste(turned, (round(x) - half, round(y) - half), turned)


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, mark: Text, scale: float
) -> None:
    x, y = at
    for font, part in runs(text, mark.face.scaled(scale)):
        draw.text((x, y), part, fill=mark.colour, font=font, anchor="lm")
        x += font.getlength(part)


_PAINTERS: dict[type[Any], Callable[[Image.Image, Any, float], None]] = {
    Box: _box,
    Line: _line,
    Pixels: _pixels,
    Text: _text,
}
