"""Where tokens stand in a text, and which of them make one word."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import regex  # type: ignore[import-untyped]

from transformer_core.tokenization.pieces import Marks
from transformer_core.tokenization.tokens import Span

# Words as people see them, whatever the tokenizer: a run of letters, marks and digits ("didn't" and
# "3.14" whole), one Han character, a run of kana, else one character as drawn (an emoji with its
# joiners, a sign of punctuation).
_WORD = regex.compile(
    r"""(?V1x)
    \p{Han}\p{M}*
    | [\p{Hiragana}\p{Katakana}ー]+
    | (?: [[\p{L}\p{N}_]--[\p{Han}\p{Hiragana}\p{Katakana}]] [\p{M}\u200c\u200d]* )+
      (?: (?: ['’ʼ] | (?<=\p{N})[.,](?=\p{N}) )
          (?: [[\p{L}\p{N}_]--[\p{Han}\p{Hiragana}\p{Katakana}]] [\p{M}\u200c\u200d]* )+ )*
    | (?!\s)\X
    """
)
_CLUSTER = regex.compile(r"\X")
_RESYNC = 64
"""Bytes that the alignment may skip to find a piece again."""


def trim(text: str, span: Span) -> Span:
    """Leave the white space around a token's text out of its span, unless there is nothing else."""
    start, end = span
    piece = text[start:end]
    bare = piece.strip()
    if not bare:
        return span
    start += len(piece) - len(piece.lstrip())
    return start, start + len(bare)


def with_marks(text: str, spans: Sequence[Span | None]) -> list[Span | None]:
    """Stretch spans over the accents and jamo behind them that no token has for itself.

    A tokenizer that composes a letter and its accent into one says of the letter alone where it
    stands; one that strips accents does so, too.
    """
    starts = sorted({span[0] for span in spans if span is not None})

    def stretched(start: int, end: int) -> Span:
        index = bisect_left(starts, end)
        limit = starts[index] if index < len(starts) else len(text)
        while end < limit and _is_added(text[end]):
            end += 1
        return start, end

    return [None if span is None else stretched(*span) for span in spans]


def _is_added(character: str) -> bool:
    """Whether a character is written onto the one before it."""
    return unicodedata.category(character).startswith("M") or "\u1160" <= character <= "\u11ff"


def word_ids(
    text: str, spans: Sequence[Span | None], is_special: Sequence[bool]
) -> tuple[int | None, ...]:
    """Number the words that the tokens belong to, by where the tokens stand in the text.

    A token that covers several words makes them one. A token of spaces belongs to the word after
    it; a line break is a word of its own.
    """
    found = [match.span() for match in _WORD.finditer(text)]
    starts = [start for start, _ in found]
    ids: list[int | None] = []
    word = -1
    last: int | None = None  # the text's word in which the token before this one ends
    after_space = False
    for span, special in zip(spans, is_special, strict=True):
        if special:
            ids.append(None)
            last, after_space = None, False
            continue
        blank = span is None or not text[span[0] : span[1]].strip()
        first = None if span is None or blank else bisect_right(starts, span[0]) - 1
        if not after_space and (first is None or first != last):
            word += 1
        ids.append(word)
        last = None if span is None or blank else bisect_right(starts, span[1] - 1) - 1
        after_space = blank and not (span and text[span[0] : span[1]].strip(" \u00a0"))
    return tuple(ids)


def align(text: str, pieces: Sequence[bytes | None], marks: Marks) -> list[Span | None]:
    """Find where pieces stand in a text, for tokenizers that do not say.

    The pieces are looked for one after the other in the text as the tokenizer may have normalised
    it (NFKC; for WordPiece lower case without accents), white space aside. A piece that is not
    found where it should be is looked for a little further on, and otherwise has no span.

    Args:
        text: The text that was encoded.
        pieces: The bytes that each token stands for; None for a token that is no text.
        marks: How the vocabulary writes its tokens; byte-level ones change nothing of the text.
    """
    stream, origins = _stream(text, marks)
    spans: list[Span | None] = []
    cursor, end = 0, 0
    for raw in pieces:
        piece = b"" if raw is None else b"".join(raw.split())
        if not piece:
            spans.append(_gap(text, end) if raw else None)
            end = max(end, spans[-1][1] if spans[-1] else 0)
            continue
        at = stream.find(piece, cursor, cursor + len(piece) + _RESYNC)
        if at < 0:
            spans.append(None)
            continue
        cursor = at + len(piece)
        span = (origins[at][0], origins[cursor - 1][1])
        end = span[1]
        spans.append(span)
    return spans


def _gap(text: str, start: int) -> Span | None:
    """The white space that begins here, if there is some."""
    rest = text[start : start + _RESYNC]
    width = len(rest) - len(rest.lstrip())
    return (start, start + width) if width else None


def _stream(text: str, marks: Marks) -> tuple[bytes, list[Span]]:
    """The normalised text's bytes without white space, and the characters each byte came from."""
    raw = bytearray()
    origins: list[Span] = []
    for match in _CLUSTER.finditer(text):
        cluster = match.group()
        changed = _normalise(cluster, marks)
        if changed == cluster:
            places = [
                (match.start() + offset, character) for offset, character in enumerate(cluster)
            ]
            parts = [((place, place + 1), character) for place, character in places]
        else:
            parts = [(match.span(), changed)]
        for span, part in parts:
            encoded = b"".join(part.encode().split())
            raw += encoded
            origins += [span] * len(encoded)
    return bytes(raw), origins


def _normalise(cluster: str, marks: Marks) -> str:
    if marks is Marks.BYTE_LEVEL or (cluster.isascii() and marks is Marks.SENTENCE_PIECE):
        return cluster
    if marks is Marks.SENTENCE_PIECE:
        return unicodedata.normalize("NFKC", cluster)
    bare = unicodedata.normalize("NFD", cluster.lower())
    return "".join(character for character in bare if unicodedata.category(character) != "Mn")
