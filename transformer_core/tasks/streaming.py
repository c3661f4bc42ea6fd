"""Translations that are seen while they are written, with everything that each step saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from transformer_core.decoding.beam_search import BeamDecoding
from transformer_core.errors import TooLongToKeepError
from transformer_core.tasks.sentences import Piece, fitting
from transformer_core.tasks.translation import COMFORTABLE, HasTokenizer, token_count

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.decoding.strategies import Strategy

MAX_TOKENS = 1024
"""Tokens of a source that is translated with every step kept: about two pages. A step holds the
scores of the whole vocabulary, so a book would fill the memory."""

Prefixes = Mapping[int, Sequence[int]]
"""Token ids that the translation of a part begins with, by part."""


class StepWriter(HasTokenizer, Protocol):
    """A model that writes step by step."""

    @property
    def n_ctx(self) -> int | None:
        """Tokens that it reads at most; None where nothing limits it."""

    def decode(self, source: str, strategy: Strategy | None = None, **options: Any) -> Any:
        """Write a text, one step each time the next is asked for."""


@dataclass(frozen=True)
class PartState:
    """One part of a source, and its translation until now.

    Attributes:
        source: The part.
        steps: What was written; without the step of the end token in :attr:`tokens`.
        seconds: How long it took.
        draft: The best text of a beam search that is still going on, which may yet change.
    """

    source: Piece
    steps: tuple[DecodingStep, ...]
    seconds: float
    draft: str = ""

    @property
    def text(self) -> str:
        """The translation until now."""
        return self.steps[-1].text.strip() if self.steps else self.draft.strip()

    @property
    def tokens(self) -> tuple[DecodingStep, ...]:
        """The steps that wrote words."""
        return tuple(step for step in self.steps if step.ended != "eos")

    @property
    def is_cut(self) -> bool:
        """Whether something else than the model ended it."""
        return not self.steps or self.steps[-1].ended != "eos"


@dataclass(frozen=True)
class StreamState:
    """A translation until now.

    Attributes:
        parts: Those that are written or being written.
        n_parts: How many there will be.
    """

    parts: tuple[PartState, ...]
    n_parts: int

    @property
    def text(self) -> str:
        """The translation until now, with the source's white space between its parts."""
        return "".join(part.text + part.source.after for part in self.parts).rstrip()

    @property
    def n_tokens(self) -> int:
        """Tokens written until now."""
        return sum(len(part.steps) for part in self.parts)

    @property
    def seconds(self) -> float:
        """How long that took."""
        return sum(part.seconds for part in self.parts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about how it was made."""
        notes = []
        if self.n_parts > 1:
            notes.append(f"Translated in {self.n_parts} parts, cut at sentences.")
        if n_forced := sum(part.source.is_forced for part in self.parts):
            notes.append(f"{n_forced} parts were cut inside a sentence too long for the model.")
        return tuple(notes)


def check_kept(model: HasTokenizer, text: str, limit: int | None = None) -> None:
    """Check that a text is short enough to be worked on with every step kept.

    Args:
        model: What reads it.
        text: Any text.
        limit: Tokens; :data:`MAX_TOKENS` if None.

    Raises:
        TooLongToKeepError: If it is not.
    """
    n_tokens = token_count(model, text)
    most = MAX_TOKENS if limit is None else limit
    if n_tokens > most:
        raise TooLongToKeepError(n_tokens, most)


def stream_translation(
    model: StepWriter,
    text: str,
    strategy: Strategy,
    *,
    prefixes: Prefixes | None = None,
    language: str = "en",
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[StreamState]:
    """Translate a text part by part, and tell of every token.

    Args:
        model: What translates.
        text: A sentence or document.
        strategy: How tokens are chosen; while beams are searched the best text is a draft.
        prefixes: What parts begin with, to write on from a token that somebody chose.
        language: The source's, for cutting it at sentences.
        should_stop: Asked before every token.

    Raises:
        InputError: If the text cannot be encoded.
        TooLongToKeepError: If it has more tokens than :data:`MAX_TOKENS`.
    """
    check_kept(model, text)
    limit = COMFORTABLE if model.n_ctx is None else min(COMFORTABLE, model.n_ctx)
    pieces = fitting(text, lambda part: token_count(model, part), limit, language=language)
    done: tuple[PartState, ...] = ()
    for index, piece in enumerate(pieces):
        state = PartState(piece, (), 0.0)
        forced = tuple((prefixes or {}).get(index, ()))
        decoding = model.decode(piece.text, strategy, target_prefix=forced, should_stop=should_stop)
        for grown in _growing(state, decoding):
            state = grown
            yield StreamState((*done, state), len(pieces))
        done = (*done, state)
        if should_stop is not None and should_stop():
            return


def _growing(state: PartState, decoding: Any) -> Iterator[PartState]:
    """A part after every token; of a beam search drafts, then the best text with its steps."""
    started = time.perf_counter()
    if isinstance(decoding, BeamDecoding):
        while decoding.expand():
            yield replace(state, draft=decoding.text, seconds=time.perf_counter() - started)
        steps = decoding.steps
        if steps:
            yield replace(state, steps=steps, seconds=time.perf_counter() - started)
        return
    for step in decoding:
        seconds = time.perf_counter() - started
        state = replace(state, steps=(*state.steps, step), seconds=seconds)
        yield state
