"""The beginning of a text that a model can read, cut where a word ends."""

from __future__ import annotations

import regex  # type: ignore[import-untyped]

from transformer_core.errors import TextTooLongError
from transformer_core.tokenization.tokens import Tokenizer

_WORD_END = regex.compile(r"(?<=\S)(?=\s)|\Z")
_CLUSTER = regex.compile(r"\X")


def cut_to_fit(tokenizer: Tokenizer, text: str) -> str:
    """Return the longest beginning of a text that fits the model; the whole text if it does.

    It ends with a word. Where the first word alone is too long, it ends with a character as people
    see it, and where one of those is, within it.

    Raises:
        EmptyInputError: If the text is empty.
        TextTooLongError: If not even its first character fits.
    """
    if _fits(tokenizer, text):
        return text
    for pattern in (_WORD_END, _CLUSTER):
        found = _longest(tokenizer, text, [match.end() for match in pattern.finditer(text)])
        if found:
            return found
    found = _longest(tokenizer, text, list(range(1, len(text))))
    if not found:
        tokenizer.encode(text.lstrip()[:1])
    return found


def _longest(tokenizer: Tokenizer, text: str, ends: list[int]) -> str:
    """The beginning up to the last of these places that fits; found by halving."""
    ends = [end for end in ends if text[:end].strip()]
    low, high = 0, len(ends)  # the first ``low`` places fit, those from ``high`` on do not
    while low < high:
        middle = (low + high) // 2
        if _fits(tokenizer, text[: ends[middle]]):
            low = middle + 1
        else:
            high = middle
    return text[: ends[low - 1]] if low else ""


def _fits(tokenizer: Tokenizer, text: str) -> bool:
    try:
        tokenizer.encode(text)
    except TextTooLongError:
        return False
    return True
