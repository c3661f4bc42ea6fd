"""Pictures without a browser: a map or all heads as a drawing, for the command line and for papers.

Takes the payloads that the browser takes and lays them out alike: the same colours, labels, notes
and caption. Views that live by being touched (steps, switchboard, …) have no still picture here.
"""

from __future__ import annotations

from dataclasses import replace

from transformer_core.errors import InputError
from transformer_core.figures import drawing, raster
from transformer_core.figures.drawing import Drawing, Line, Mark, Text
from transformer_core.figures.fonts import Face, missing, wrapped
from transformer_core.figures.payload import Payload
from transformer_core.figures.shades import TOKEN, WORDS, Laid, Theme
from transformer_core.figures.static_heads import lay_heads
from transformer_core.figures.static_map import lay_map

MARGIN = 18.0
MIN_WIDTH = 440.0
LINE = 17.0
TITLE = Face(17, is_bold=True)

_LAYOUTS = {"heatmap": lay_map, "grid": lay_heads}


def to_svg(payload: Payload, *, theme: str = "light") -> str:
    """Return a picture as SVG.

    Args:
        payload: A heat map or all heads.
        theme: ``light`` or ``dark``.

    Raises:
        InputError: If there is no still picture of this view, or no such theme.
    """
    return drawing.to_svg(draw(payload, theme=theme))


def to_png(payload: Payload, *, theme: str = "light", scale: float = 2.0) -> bytes:
    """Return a picture as PNG, painted with the shipped typefaces.

    Characters that no typeface here has are drawn as boxes, and a note says how many.

    Raises:
        InputError: If there is no still picture of this view, or no such theme.
    """
    picture = draw(payload, theme=theme)
    tokens = {mark.text for mark in picture.marks if isinstance(mark, Text) and mark.face.is_mono}
    n_missing = sum(missing(token, TOKEN) for token in tokens)
    if n_missing:
        has = "characters have" if n_missing > 1 else "character has"
        note = f"{n_missing} {has} no glyph in the typefaces here; an SVG file keeps all."
        notes = [*payload.header["notes"], note]
        picture = draw(replace(payload, header={**payload.header, "notes": notes}), theme=theme)
    return raster.to_png(picture, scale=scale)


def draw(payload: Payload, *, theme: str = "light") -> Drawing:
    """Lay a picture out: its question above, its proof, notes and caption below.

    Raises:
        InputError: If there is no still picture of this view, or no such theme.
    """
    themes = payload.header["theme"]
    if theme not in themes:
        raise InputError(f"There is no theme {theme!r}; there are {', '.join(themes)}.")
    if payload.view not in _LAYOUTS:
        raise InputError(
            f"The view {payload.view!r} has no still picture; write .html, or save it in the app."
        )
    return _framed(payload, themes[theme], _LAYOUTS[payload.view](payload, themes[theme]))


def _framed(payload: Payload, theme: Theme, laid: Laid) -> Drawing:
    """Put title and subtitle above a picture, and what must be said below it."""
    header, (inner, width, height) = payload.header, laid
    width = max(width, MIN_WIDTH)
    marks: list[Mark] = []
    y = MARGIN + 8
    marks.append(Text(MARGIN, y, header["title"], TITLE, theme["text"]))
    for line in wrapped(header["subtitle"], WORDS, width):
        y += LINE + 3
        marks.append(Text(MARGIN, y, line, WORDS, theme["muted"]))
    top = y + LINE
    marks += [_moved(mark, MARGIN, top) for mark in inner]
    y = top + height + LINE
    badge = header["badge"]
    if badge:
        sign, colour = ("✓", theme["good"]) if badge["ok"] else ("✗", theme["bad"])
        for line in wrapped(f"{sign} {badge['text']}", WORDS, width):
            marks.append(Text(MARGIN, y, line, WORDS, colour))
            y += LINE
    for sentence in (*header["notes"], header["caption"]):
        for line in wrapped(sentence, WORDS, width):
            marks.append(Text(MARGIN, y, line, WORDS, theme["muted"]))
            y += LINE
    caption, text = header["caption"], header["text"]
    # A caption quotes only how a long text begins; the file holds all of it.
    description = caption if text in caption else f"{caption}\n{text}"
    size = width + 2 * MARGIN, y + 4
    return Drawing(*size, theme["card"], tuple(marks), header["title"], description)


def _moved(mark: Mark, dx: float, dy: float) -> Mark:
    if isinstance(mark, Line):
        (x1, y1), (x2, y2) = mark.start, mark.end
        return replace(mark, start=(x1 + dx, y1 + dy), end=(x2 + dx, y2 + dy))
    return replace(mark, x=mark.x + dx, y=mark.y + dy)
