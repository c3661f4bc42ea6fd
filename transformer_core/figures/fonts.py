"""The shipped typefaces, for measuring and for painting without a browser."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

from PIL import ImageFont

FOLDER = Path(__file__).resolve().parents[2] / "static" / "fonts"
TEXT_FAMILY, MONO_FAMILY = "Inter, sans-serif", "'Source Code VF', monospace"

_TEXT, _MONO = "InterVariable.woff2", "SourceCodeVF-Upright.woff2"
_NO_CHARACTER = "\U0010ffff"
_ELSEWHERE = ("NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DejaVuSans.ttf")
"""Where a system has one of these, it draws what the shipped faces have no letter for."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Face:
    """A typeface at a size.

    Attributes:
        size: In pixels.
        is_mono: Tokens are set in the monospace face, words in the text face.
        is_bold: Titles, and what is picked.
    """

    size: float
    is_mono: bool = False
    is_bold: bool = False

    def scaled(self, by: float) -> Face:
        """Return the same at another size."""
        return Face(self.size * by, self.is_mono, self.is_bold)


@lru_cache(maxsize=64)
def fonts_of(face: Face) -> tuple[Font, ...]:
    """Return the fonts of a face, the first that has a letter draws it."""
    found: list[Font] = []
    for name in (_MONO, _TEXT) if face.is_mono else (_TEXT, _MONO):
        if not (FOLDER / name).is_file():
            continue
        font = ImageFont.truetype(FOLDER / name, face.size)
        weight = 700 if face.is_bold else 400
        axes = len(font.get_variation_axes())
        font.set_variation_by_axes([weight] if axes == 1 else [max(14, min(face.size, 32)), weight])
        found.append(font)
    for name in _ELSEWHERE:
        try:
            found.append(ImageFont.truetype(name, face.size))
        except OSError:
            continue
    return tuple(found) or (ImageFont.load_default(face.size),)


def runs(text: str, face: Face) -> list[tuple[Font, str]]:
    """Cut a text into runs, each with the font that has its letters."""
    fonts = fonts_of(face)
    chosen = [(_first_with(character, face), character) for character in text]
    return [
        (fonts[index], "".join(character for _, character in run))
        for index, run in groupby(chosen, key=lambda item: item[0])
    ]


def missing(text: str, face: Face) -> int:
    """How many letters of a text no font here can draw; they become boxes."""
    n_fonts = len(fonts_of(face))
    return sum(
        _first_with(c, face) == 0 and not _has(c, face, 0) for c in text if c.strip() and n_fonts
    )


def width_of(text: str, face: Face) -> float:
    """Return how wide a text is, in pixels."""
    return sum(font.getlength(part) for font, part in runs(text, face))


def fitted(text: str, face: Face, width: float) -> str:
    """Cut a text to a width, with an ellipsis where it was cut."""
    if width_of(text, face) <= width:
        return text
    while len(text) > 1 and width_of(f"{text}…", face) > width:
        text = text[:-1]
    return f"{text}…"


def wrapped(text: str, face: Face, width: float) -> list[str]:
    """Break a text into lines of a width."""
    lines: list[str] = []
    for word in text.split():
        if lines and width_of(f"{lines[-1]} {word}", face) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _first_with(character: str, face: Face) -> int:
    """The index of the first font that has a letter; 0 if none has."""
    if character.isascii() or character.isspace():
        return 0
    return next((i for i in range(len(fonts_of(face))) if _has(character, face, i)), 0)


@lru_cache(maxsize=4096)
def _has(character: str, face: Face, index: int) -> bool:
    font = fonts_of(face)[index]
    return bytes(font.getmask(character)) != _box(face, index)


@cache
def _box(face: Face, index: int) -> bytes:
    """What a font draws for a letter that it has not."""
    return bytes(fonts_of(face)[index].getmask(_NO_CHARACTER))
