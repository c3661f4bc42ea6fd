"""Entries of a vocabulary as people read them: marks resolved, lone bytes told from characters."""

from __future__ import annotations

import re
from enum import Enum

from transformer_core.tokenization.tokens import readable

_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_UNDERLINE = "▁"  # sentencepiece's mark for a space


class Marks(Enum):
    """How a vocabulary writes the spaces and joints of its tokens."""

    BYTE_LEVEL = "Ġ"
    """Every byte as one printable character, a space as Ġ (GPT-2 and its heirs)."""
    SENTENCE_PIECE = "▁"
    """A space as ▁, a byte without a token of its own as ``<0xE2>`` (T5, Llama 2, Marian)."""
    WORD_PIECE = "##"
    """What continues a word begins with ## (BERT)."""


def _byte_characters() -> dict[str, int]:
    """The printable character of each byte, as GPT-2's vocabulary writes it, to that byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    return table | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTES = _byte_characters()


def piece_bytes(piece: str, marks: Marks) -> bytes:
    """Return the UTF-8 bytes of text that a vocabulary entry stands for, spaces included.

    The bytes may begin or end within a character: an emoji is often split over several tokens.
    """
    if marks is Marks.BYTE_LEVEL:
        if all(character in _BYTES for character in piece):
            return bytes(_BYTES[character] for character in piece)
        return piece.encode()  # an added token, which is written as it is
    if marks is Marks.WORD_PIECE:
        return piece.removeprefix("##").encode() if len(piece) > 2 else piece.encode()
    found = _BYTE_PIECE.fullmatch(piece)
    if found:
        return bytes([int(found.group(1), 16)])
    return piece.replace(_UNDERLINE, " ").encode()


def show_bytes(raw: bytes) -> str:
    """Return the text of some bytes; bytes that make no whole character read ``⟨E2⟩``.

    The space in front of a word is left out; spaces alone read ␣.
    """
    text = raw.decode(errors="surrogateescape")
    if text.strip(" ") and text.startswith(" "):
        text = text[1:]
    shown: list[str] = []
    for run in re.split("([\udc80-\udcff]+)", text):
        if run and "\udc80" <= run[0] <= "\udcff":
            shown.extend(f"⟨{ord(character) - 0xDC00:02X}⟩" for character in run)
        else:
            shown.append(readable(run))
    return "".join(shown)


def show_piece(piece: str, marks: Marks) -> str:
    """Return what a token shows: ``Ġcat`` and ``▁cat`` read ``cat``, ``##ing`` reads ``ing``."""
    return show_bytes(piece_bytes(piece, marks))
