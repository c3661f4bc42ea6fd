"""A text as a model's tokens and as people read them: one record for every tokenizer.

Nothing here knows a tokenizer library or torch; figures and pages may import it freely.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Protocol

from transformer_core.errors import FileFormatError, InputError

Span = tuple[int, int]

NO_ID = -1
"""The id of a position that no vocabulary knows: a patch of an image, a row of a matrix."""

_READABLE = {"\n": "⏎", "\t": "⇥", " ": "␣", "\x7f": "␡"}
_JOINERS = {"\u200c", "\u200d"}
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


def readable(text: str) -> str:
    """Return a text in which every character can be seen.

    A line break becomes ⏎, a tab ⇥, any other control character its picture (NUL: ␀), an invisible
    format character its code point (⟨U+202E⟩). Spaces inside stay as they are; a text of nothing
    but spaces shows them as ␣. Joiners inside an emoji or a word stay too, as they change how it
    is drawn.
    """
    if text and not text.strip(" "):
        return "␣" * len(text)
    if text.isascii() and text.isprintable():
        return text
    shown = "".join(_readable_character(character, alone=len(text) == 1) for character in text)
    is_lone_accent = len(text) > 1 and unicodedata.category(text[0]).startswith("M")
    return "◌" + shown if is_lone_accent else shown


def _readable_character(character: str, *, alone: bool) -> str:
    if character == " ":
        return character
    if character in _READABLE:
        return _READABLE[character]
    if ord(character) < 0x20:
        return chr(0x2400 + ord(character))
    if character in _JOINERS and not alone:
        return character
    if alone and ord(character) in _VARIATION_SELECTORS:
        return f"⟨U+{ord(character):04X}⟩"
    category = unicodedata.category(character)
    if category == "Zs":
        return "␣"
    if category in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return f"⟨U+{ord(character):04X}⟩"
    if alone and category.startswith("M"):
        return "◌" + character  # a lone accent needs a letter to stand on
    return character


@dataclass(frozen=True)
class Word:
    """A run of tokens that makes one word; a special token is a word of its own.

    Attributes:
        text: The word as people read it.
        positions: Where its tokens stand, in order.
        is_special: True for a token that the model adds, such as ``[CLS]``.
    """

    text: str
    positions: tuple[int, ...]
    is_special: bool


@dataclass(frozen=True)
class Tokens:
    """One encoded text as people read it.

    Attributes:
        text: The text that was encoded; empty where there was none.
        ids: Vocabulary ids, special tokens included.
        display: What each token shows: ``"Ġcat"`` reads ``cat``, ``"##ing"`` reads ``ing``, a line
            break ``⏎``, one byte of a longer character ``⟨E2⟩``, a special token ``[CLS]``.
        is_special: True for the tokens that the model adds around the text.
        spans: Where each token stands in ``text`` (characters, end excluded); None if nowhere.
        word_ids: Which word each token belongs to; None for special tokens.
    """

    text: str
    ids: tuple[int, ...]
    display: tuple[str, ...]
    is_special: tuple[bool, ...]
    spans: tuple[Span | None, ...]
    word_ids: tuple[int | None, ...]

    def __post_init__(self) -> None:
        """Refuse columns of different lengths.

        Raises:
            InputError: If the columns are not equally long.
        """
        lengths = {
            name: len(getattr(self, name))
            for name in ("ids", "display", "is_special", "spans", "word_ids")
        }
        if len(set(lengths.values())) > 1:
            raise InputError(f"The columns of Tokens must be equally long, not {lengths}.")

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.display)

    @cached_property
    def continues(self) -> tuple[bool, ...]:
        """True where a token continues the word of the token before it."""
        before = (None, *self.word_ids[:-1])
        return tuple(
            word is not None and word == previous
            for word, previous in zip(self.word_ids, before, strict=True)
        )

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words in order; together they cover every position once."""
        runs = groupby(range(len(self)), key=self._run_key)
        return tuple(self._word(tuple(positions)) for _, positions in runs)

    def _run_key(self, position: int) -> tuple[str, int]:
        word = self.word_ids[position]
        return ("special", position) if word is None else ("word", word)

    def _word(self, positions: tuple[int, ...]) -> Word:
        shown = "".join(self.display[position] for position in positions)
        if len(positions) > 1:
            # The letters that the model reads, as a tokenizer may lower-case; but where pieces show
            # bytes or accents without their letter, the characters that they make together.
            in_text = self._slice(positions)
            in_parts = "⟨" in shown or "◌" in shown
            shown = readable(in_text) if in_parts and in_text else shown.strip("␣") or shown
        return Word(shown, positions, self.is_special[positions[0]])

    def _slice(self, positions: tuple[int, ...]) -> str:
        """The text that some tokens stand for together, without white space around it."""
        spans = [span for position in positions if (span := self.spans[position]) is not None]
        if not spans:
            return ""
        return self.text[min(start for start, _ in spans) : max(end for _, end in spans)].strip()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain lists and strings, ready for JSON."""
        return {
            "text": self.text,
            "ids": list(self.ids),
            "display": list(self.display),
            "is_special": list(self.is_special),
            "spans": [None if span is None else list(span) for span in self.spans],
            "word_ids": list(self.word_ids),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Tokens:
        """Read what :meth:`to_dict` wrote.

        Raises:
            FileFormatError: If a field is missing or is not what it should be.
        """
        try:
            return cls(
                text=str(record["text"]),
                ids=tuple(int(index) for index in record["ids"]),
                display=tuple(str(token) for token in record["display"]),
                is_special=tuple(bool(flag) for flag in record["is_special"]),
                spans=tuple(
                    None if span is None else (int(span[0]), int(span[1]))
                    for span in record["spans"]
                ),
                word_ids=tuple(None if word is None else int(word) for word in record["word_ids"]),
            )
        except (LookupError, TypeError, ValueError, OverflowError, InputError) as error:
            raise FileFormatError(f"This is no record of tokens: {error!r}.") from error

    @classmethod
    def from_labels(
        cls, labels: Sequence[str], *, is_special: Sequence[bool] | None = None
    ) -> Tokens:
        """Make the record of a sequence that has no text: patches, or an imported matrix.

        Args:
            labels: What each position shows.
            is_special: True where a position is none of the input's own, such as ``[CLS]``.
        """
        special = tuple(is_special) if is_special is not None else (False,) * len(labels)
        return cls(
            text="",
            ids=(NO_ID,) * len(labels),
            display=tuple(labels),
            is_special=special,
            spans=(None,) * len(labels),
            word_ids=tuple(None if flag else index for index, flag in enumerate(special)),
        )


class Tokenizer(Protocol):
    """What turns a text into a model's tokens and back."""

    @property
    def n_ctx(self) -> int | None:
        """Tokens that the model reads at most; None where nothing limits it."""

    def encode(self, text: str) -> Tokens:
        """Encode a text, with the model's special tokens.

        Raises:
            EmptyInputError: If there is nothing but white space.
            TextTooLongError: If the text has more than ``n_ctx`` tokens.
            InputError: If the text cannot be encoded.
        """

    def encode_target(self, text: str) -> Tokens:
        """Encode a text that the model is to write; as :meth:`encode` where nothing differs."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of these ids, special tokens left out."""

    def show(self, index: int) -> str:
        """Return what one entry of the vocabulary shows.

        Raises:
            InputError: If the id is none of the vocabulary's.
        """

    def from_ids(self, ids: Sequence[int]) -> Tokens:
        """Return the tokens of ids that a model wrote or a decoder reads, with their text.

        Raises:
            InputError: If an id is none of the vocabulary's.
        """
