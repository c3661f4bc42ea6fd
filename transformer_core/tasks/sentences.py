"""Cutting documents into pieces that a model reads well, without losing a character."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sentencex import segment  # type: ignore[import-untyped]


@dataclass(frozen=True)
class Piece:
    """A part of a text.

    Attributes:
        start: Where it begins in the text.
        text: Its characters, without the white space around it.
        after: White space between it and the next piece, as it stands in the text.
        is_forced: Whether it was cut inside a sentence, because the sentence alone was too long.
    """

    start: int
    text: str
    after: str
    is_forced: bool = False


def sentences(text: str, *, language: str = "en") -> list[Piece]:
    """Cut a text into sentences, which also end at line breaks.

    Args:
        text: Any text; pieces and the white space after them make it up again, from the first
            visible character on.
        language: Whose abbreviations do not end a sentence; an ISO 639-1 code.
    """
    pieces: list[Piece] = []
    position = 0
    for line in text.splitlines(keepends=True):
        for sentence in segment(language, line):
            body = sentence.strip()
            if body:
                start = position + len(sentence) - len(sentence.lstrip())
                pieces.append(Piece(start, body, ""))
            position += len(sentence)
    return [_followed(text, piece, index, pieces) for index, piece in enumerate(pieces)]


def fitting(text: str, n_tokens: Callable[[str], int], limit: int, *, language: str) -> list[Piece]:
    """Cut a text at sentences only where it is longer than a limit, and inside one where it must.

    Args:
        text: A text with something to read in it.
        n_tokens: Counts a text's tokens.
        limit: Tokens that a piece may have.
        language: As in :func:`sentences`.
    """
    if n_tokens(text) <= limit and "\n" not in text.strip():
        start = len(text) - len(text.lstrip())
        return [Piece(start, text.strip(), text[len(text.rstrip()) :])]
    pieces = []
    for sentence in sentences(text, language=language):
        if n_tokens(sentence.text) <= limit:
            pieces.append(sentence)
        else:
            pieces += _halves(sentence, n_tokens, limit)
    return pieces


def _halves(piece: Piece, n_tokens: Callable[[str], int], limit: int) -> list[Piece]:
    """Halve a sentence that is too long, at a comma or a space near its middle, until all fit."""
    if n_tokens(piece.text) <= limit or len(piece.text) < 2:
        return [piece]
    cut = _middle(piece.text)
    left, right = piece.text[:cut].rstrip(), piece.text[cut:].lstrip()
    gap = piece.text[len(left) : len(piece.text) - len(right)]
    first = Piece(piece.start, left, gap, is_forced=True)
    second = Piece(piece.start + len(left) + len(gap), right, piece.after, is_forced=True)
    return _halves(first, n_tokens, limit) + _halves(second, n_tokens, limit)


def _middle(text: str) -> int:
    """The best place to cut near the middle: behind a clause, else at a space, else anywhere."""
    middle = len(text) // 2
    window = range(len(text) // 4, 3 * len(text) // 4)
    for marks in (";:", ",", " \t"):
        places = [i + 1 for i in window if text[i] in marks]
        if places:
            return min(places, key=lambda i: abs(i - middle))
    return max(1, middle)


def _followed(text: str, piece: Piece, index: int, pieces: list[Piece]) -> Piece:
    end = piece.start + len(piece.text)
    following = pieces[index + 1].start if index + 1 < len(pieces) else len(text)
    return Piece(piece.start, piece.text, text[end:following])
