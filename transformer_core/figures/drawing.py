"""A picture as a list of marks, written as SVG or painted as PNG: the same drawing for both."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transformer_core.figures.fonts import MONO_FAMILY, TEXT_FAMILY, Face

_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BASELINE = 0.35
"""From a letter's middle to its baseline, as a share of its size."""


@dataclass(frozen=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: str


@dataclass(frozen=True)
class Line:
    """A straight line."""

    start: tuple[float, float]
    end: tuple[float, float]
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Text:
    """One line of text; ``y`` is its middle.

    Attributes:
        anchor: Which end stands at ``x``: ``start``, ``middle`` or ``end``.
        angle: Turned about ``(x, y)``, in degrees, clockwise.
    """

    x: float
    y: float
    text: str
    face: Face
    colour: str
    anchor: str = "start"
    angle: float = 0.0


@dataclass(frozen=True)
class Pixels:
    """A raster of colours stretched over a rectangle; each pixel stays a rectangle."""

    x: float
    y: float
    width: float
    height: float
    rgba: NDArray[np.uint8]

    def image(self) -> Image.Image:
        """Return the raster as an image, one pixel a cell."""
        return Image.fromarray(np.ascontiguousarray(self.rgba))


Mark = Box | Line | Text | Pixels


@dataclass(frozen=True)
class Drawing:
    """Marks on a ground, first to last, with what they show in words.

    Attributes:
        title: What the picture is called.
        description: Its alternative text, with model, revision and text.
    """

    width: float
    height: float
    background: str
    marks: tuple[Mark, ...]
    title: str
    description: str

    @property
    def texts(self) -> list[str]:
        """Everything that is written on it."""
        return [mark.text for mark in self.marks if isinstance(mark, Text)]


def to_svg(drawing: Drawing) -> str:
    """Write a drawing as SVG; its words stay words, that can be searched and edited."""
    width, height = _round(drawing.width), _round(drawing.height)
    ground = Box(0, 0, drawing.width, drawing.height, drawing.background)
    body = "\n".join(_WRITERS[type(mark)](mark) for mark in (ground, *drawing.marks))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{_xml(drawing.title)}</title>\n<desc>{_xml(drawing.description)}</desc>\n"
        f"{body}\n</svg>\n"
    )


def _box(mark: Box) -> str:
    return f'<rect {_place(mark)} fill="{mark.fill}"/>'


def _line(mark: Line) -> str:
    (x1, y1), (x2, y2) = mark.start, mark.end
    ends = f'x1="{_round(x1)}" y1="{_round(y1)}" x2="{_round(x2)}" y2="{_round(y2)}"'
    return f'<line {ends} stroke="{mark.colour}" stroke-width="{_round(mark.width)}"/>'


def _text(mark: Text) -> str:
    size = mark.face.size
    family = MONO_FAMILY if mark.face.is_mono else TEXT_FAMILY
    x, y = _round(mark.x), _round(mark.y + _BASELINE * size)
    turned = f"rotate({_round(mark.angle)} {x} {_round(mark.y)})"
    style = [f'font-family="{family}"', f'font-size="{_round(size)}"', f'fill="{mark.colour}"']
    style += ['font-weight="bold"'] * mark.face.is_bold
    style += [f'text-anchor="{mark.anchor}"'] * (mark.anchor != "start")
    style += [f'transform="{turned}"'] * bool(mark.angle)
    return f'<text x="{x}" y="{y}" {" ".join(style)} xml:space="preserve">{_xml(mark.text)}</text>'


def _pixels(mark: Pixels) -> str:
    file = io.BytesIO()
    mark.image().save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return (
        f'<image {_place(mark)} preserveAspectRatio="none" style="image-rendering: pixelated" '
        f'href="data:image/png;base64,{data}"/>'
    )


_WRITERS: dict[type[Any], Callable[[Any], str]] = {
    Box: _box,
    Line: _line,
    Text: _text,
    Pixels: _pixels,
}


def _place(mark: Box | Pixels) -> str:
    sizes = {"x": mark.x, "y": mark.y, "width": mark.width, "height": mark.height}
    return " ".join(f'{name}="{_round(value)}"' for name, value in sizes.items())


def _round(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _xml(text: str) -> str:
    """Escape a text; what XML cannot hold becomes �."""
    return escape(_NOT_XML.sub("�", text), quote=True)
