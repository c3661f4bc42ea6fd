"""Fifty short sentence pairs, aligned by hand word by word.

A line is source ||| target ||| links. Words are those of the tokenizer: split at spaces,
punctuation apart, contractions whole. A link is source-target, counted from 0; one with a question
mark may be there but need not be.
"""

from pathlib import Path

from transformer_core.analysis.word_alignment import Gold

FILE = Path(__file__).with_suffix(".txt")


def gold() -> list[Gold]:
    """Return the pairs with their links."""
    return [_pair(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def _pair(line: str) -> Gold:
    source, target, links = (part.strip() for part in line.split("|||"))
    sure, possible = set(), set()
    for link in links.split():
        left, _, right = link.rstrip("?").partition("-")
        (possible if link.endswith("?") else sure).add((int(left), int(right)))
    return Gold(source, target, frozenset(sure), frozenset(possible))
