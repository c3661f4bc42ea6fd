"""What every attention picture says about itself: question, tokens, source, proof."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from transformer_core.errors import InputError

MAX_QUOTED = 240
"""So many characters of the text stand in a caption; all of it is in the file."""


class ReadableTokens(Protocol):
    """The part of :class:`transformer_core.tokenization.Tokens` that a picture needs."""

    @property
    def display(self) -> tuple[str, ...]:
        """Tokens as people read them."""

    @property
    def is_special(self) -> tuple[bool, ...]:
        """True for tokens that the model adds."""

    @property
    def continues(self) -> tuple[bool, ...]:
        """True where a token continues the word of the one before it."""


@dataclass(frozen=True)
class TokenStrip:
    """The labels along one axis.

    Attributes:
        display: Tokens (or words, or patches) as people read them.
        is_special: True for tokens that the model adds, such as ``[CLS]``; drawn quieter.
        continues: True where a token continues the word before it; drawn with a quiet joint.
    """

    display: tuple[str, ...]
    is_special: tuple[bool, ...] = ()
    continues: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        """Check that the flags fit the labels.

        Raises:
            InputError: If they do not.
        """
        for flags in (self.is_special, self.continues):
            if flags and len(flags) != len(self.display):
                raise InputError(f"{len(flags)} flags for {len(self.display)} tokens.")

    def __len__(self) -> int:
        """Return the number of positions."""
        return len(self.display)

    @classmethod
    def of(cls, tokens: ReadableTokens) -> TokenStrip:
        """Take the labels of an encoded text."""
        return cls(tuple(tokens.display), tuple(tokens.is_special), tuple(tokens.continues))

    @classmethod
    def of_labels(cls, labels: Sequence[str]) -> TokenStrip:
        """Take plain labels: words, patches, rows of a matrix."""
        return cls(tuple(labels))

    def at(self, positions: Sequence[int]) -> TokenStrip:
        """Return the labels at some positions."""

        def pick(flags: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(flags[i] for i in positions) if flags else ()

        return TokenStrip(pick(self.display), pick(self.is_special), pick(self.continues))

    def to_dict(self) -> dict[str, Any]:
        """Return the labels, and the positions of the flags that are set."""
        return {
            "display": list(self.display),
            "special": [i for i, flag in enumerate(self.is_special) if flag],
            "joins": [i for i, flag in enumerate(self.continues) if flag],
        }


@dataclass(frozen=True)
class Badge:
    """How the numbers of a picture were checked, here and now.

    Attributes:
        text: One line, such as ``rows sum to 1 · pattern · v = the layer's output``.
        is_ok: False if a check failed; the badge says so in words and colour.
        details: One sentence a check, shown on click.
    """

    text: str
    is_ok: bool = True
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """What a picture says beside its numbers.

    Attributes:
        title: The question that the picture answers.
        subtitle: One line under it.
        queries: Labels of the rows, the positions that read.
        keys: Labels of the columns, the positions that are read.
        model: The model's name; ``revision`` pins its weights.
        text: The text that was traced.
        site: ``encoder``, ``decoder`` or ``cross``.
        badge: How the numbers were checked.
        notes: What is pooled, averaged, merged, hidden, renormalised; one sentence each.
        caption: What the picture shows, in words; also its alternative text.
        hint: What can be done with it on the screen; left out where it is saved.
    """

    title: str
    queries: TokenStrip
    keys: TokenStrip
    model: str = ""
    revision: str = ""
    text: str = ""
    site: str = ""
    layer: int | None = None
    head: int | None = None
    subtitle: str = ""
    badge: Badge | None = None
    notes: tuple[str, ...] = ()
    caption: str = ""
    hint: str = ""

    @property
    def place(self) -> str:
        """Layer and head as the field writes them: ``L3 H1``."""
        parts = []
        if self.layer is not None:
            parts.append(f"L{self.layer}")
        if self.head is not None:
            parts.append(f"H{self.head}")
        return " ".join(parts)

    @property
    def identity(self) -> str:
        """The same for every picture of one model, text and site: the browser keeps its state."""
        parts = (self.model, self.revision, self.text, self.site)
        strips = (self.queries.display, self.keys.display)
        joined = "\x1f".join((*parts, *("\x1e".join(strip) for strip in strips)))
        return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    @property
    def full_caption(self) -> str:
        """The caption with its source: model, revision, place, and the text or how it begins."""
        source = " · ".join(
            part
            for part in (
                self.model + (f" @ {self.revision[:12]}" if self.revision else ""),
                self.site,
                self.place,
                _quoted(self.text),
            )
            if part
        )
        return " ".join(part for part in (self.caption, source) if part)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        same = self.keys == self.queries
        badge = self.badge
        return {
            "identity": self.identity,
            "title": self.title,
            "subtitle": self.subtitle,
            "hint": self.hint,
            "model": self.model,
            "revision": self.revision,
            "text": self.text,
            "site": self.site,
            "layer": self.layer,
            "head": self.head,
            "queries": self.queries.to_dict(),
            "keys": None if same else self.keys.to_dict(),
            "badge": badge and {"text": badge.text, "ok": badge.is_ok, "details": badge.details},
            "notes": list(self.notes),
            "caption": self.full_caption,
        }


def _quoted(text: str) -> str:
    if len(text) <= MAX_QUOTED:
        return f"“{text}”" if text else ""
    return f"“{text[:MAX_QUOTED].rstrip()}…” ({len(text):,} characters)"
