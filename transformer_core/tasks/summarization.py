"""Summaries of documents, by an encoder–decoder or by a chat model that is asked for one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from transformer_core.decoding.strategies import Greedy, Strategy
from transformer_core.errors import InputError
from transformer_core.tasks.sentences import Piece, fitting
from transformer_core.tasks.translation import token_count

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.tokenization.tokens import Tokenizer
    from transformer_core.tracing.stepping import Stepper

INSTRUCTION = "Summarize the following text in two or three sentences.\n\n"
"""What a chat model is asked; the text stands behind it."""

MAX_LENGTH = 130
MIN_LENGTH = 30
"""Tokens of a summary, unless told otherwise."""

LEAST_ROOM = 16
COMFORTABLE = 1024
"""Tokens up to which a text is summarised as one; longer ones are cut at their sentences."""

MAX_TOKENS = 4096
"""Tokens of a text that is summarised with every step kept (see :func:`.streaming.check_kept`)."""

LANGUAGE = "en"


class Summarizer(Protocol):
    """A model that writes step by step."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Turns texts into ids and back."""

    @property
    def n_ctx(self) -> int | None:
        """Tokens that it reads at most; None where nothing limits it."""

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether a decoder reads an encoder's output."""

    def stepper(self, source: str) -> Stepper:
        """A text that is to be written, with a cache of its own."""


@dataclass(frozen=True)
class Length:
    """How long a summary may be, in tokens.

    Raises:
        InputError: If no length satisfies both.
    """

    at_least: int = MIN_LENGTH
    at_most: int = MAX_LENGTH

    def __post_init__(self) -> None:
        if not 0 <= self.at_least <= self.at_most or self.at_most < 1:
            raise InputError(
                f"A summary of at least {self.at_least} and at most {self.at_most} tokens cannot "
                "be written: the minimum must be 0 or more and no larger than the maximum."
            )


@dataclass(frozen=True)
class Prompt:
    """What a model reads, and where the text stands in it.

    Attributes:
        text: The prompt.
        start: Where the text to summarise begins in it.
        end: Where it ends.
    """

    text: str
    start: int
    end: int


def prompt_for(model: Summarizer, text: str) -> Prompt:
    """What the model must read to summarise a text.

    An encoder–decoder reads the text itself. A decoder-only model is asked in its chat template.

    Raises:
        InputError: If a decoder-only model has no chat template: it only goes on writing.
    """
    body = text.strip()
    if model.is_encoder_decoder:
        return Prompt(body, 0, len(body))
    tokenizer = getattr(model.tokenizer, "hf", None)
    if tokenizer is None or not getattr(tokenizer, "chat_template", None):
        raise InputError(
            "This model has no chat template, so it cannot be asked for a summary. smollm2 can, "
            "and encoder–decoders that were trained for it, such as facebook/bart-large-cnn."
        )
    # The roles' marks stay out of the person's text: whoever types them writes plain words.
    message = [{"role": "user", "content": INSTRUCTION + _without_marks(body, tokenizer)}]
    prompt = str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))
    start = prompt.rindex(INSTRUCTION) + len(INSTRUCTION)
    return Prompt(prompt, start, start + len(_without_marks(body, tokenizer)))


def begin_summary(
    model: Summarizer,
    text: str,
    length: Length,
    *,
    strategy: Strategy | None = None,
    should_stop: Callable[[], bool] | None = None,
    is_recording: bool = True,
) -> Iterator[DecodingStep]:
    """Summarise one text that fits the model, a token at a time.

    Args:
        model: What summarises.
        text: The text.
        length: Tokens that the summary has.
        strategy: How tokens are chosen; None: greedily.
        should_stop: Asked before every token.
        is_recording: Whether steps keep what they saw.

    Raises:
        InputError: If the model cannot summarise or the text cannot be used.
        TextTooLongError: If the text has more tokens than the model reads.
    """
    from transformer_core.decoding.begin import begin

    stepper = model.stepper(prompt_for(model, text).text)
    constraints = replace(stepper.constraints, min_new_tokens=length.at_least)
    wanted = replace(strategy or Greedy(), max_new_tokens=length.at_most)
    return begin(
        stepper,
        wanted,
        constraints=constraints,
        should_stop=should_stop,
        is_recording=is_recording,
    )


@dataclass(frozen=True)
class SummaryPart:
    """One part of a source, and its summary until now.

    Attributes:
        source: The part.
        prompt: What the model read, and where the part stands in it.
        steps: What was written.
        seconds: How long it took, reading included.
    """

    source: Piece
    prompt: Prompt
    steps: tuple[DecodingStep, ...] = ()
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The summary until now."""
        return self.steps[-1].text.strip() if self.steps else ""

    @property
    def is_cut(self) -> bool:
        """Whether something else than the model ended it."""
        return not self.steps or self.steps[-1].ended != "eos"


@dataclass(frozen=True)
class SummaryState:
    """A summary until now.

    Attributes:
        parts: Those that are summarised or being summarised.
        n_parts: How many there will be.
    """

    parts: tuple[SummaryPart, ...]
    n_parts: int

    @property
    def text(self) -> str:
        """The summary until now."""
        return " ".join(part.text for part in self.parts if part.text)

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
            notes.append(
                f"Summarised in {self.n_parts} parts, cut at sentences: one text is up to "
                f"{COMFORTABLE:,} tokens."
            )
        if any(part.is_cut for part in self.parts):
            notes.append("The limit of tokens ended the summary before the model did.")
        return tuple(notes)


def stream_summary(
    model: Summarizer,
    text: str,
    length: Length = Length(),
    *,
    strategy: Strategy | None = None,
    should_stop: Callable[[], bool] | None = None,
    is_recording: bool = True,
) -> Iterator[SummaryState]:
    """Summarise a text, a long one part by part, and tell of each token.

    Args:
        model: What summarises.
        text: A text or document with something to read in it.
        length: Tokens that the summary of each part has.
        strategy: How tokens are chosen; None: greedily.
        should_stop: Asked before every token; True ends the summary there.
        is_recording: Whether steps keep what they saw.

    Raises:
        InputError: If the model cannot summarise, or the length leaves it no room to read.
    """
    pieces = pieces_of(model, text, length)
    done: tuple[SummaryPart, ...] = ()
    for piece in pieces:
        part = SummaryPart(piece, prompt_for(model, piece.text))
        started = time.perf_counter()
        steps = begin_summary(
            model,
            piece.text,
            length,
            strategy=strategy,
            should_stop=should_stop,
            is_recording=is_recording,
        )
        for step in steps:
            seconds = time.perf_counter() - started
            part = replace(part, steps=(*part.steps, step), seconds=seconds)
            yield SummaryState((*done, part), len(pieces))
        done = (*done, part)
        if should_stop is not None and should_stop():
            return


def summarize(
    model: Summarizer,
    text: str,
    length: Length = Length(),
    *,
    strategy: Strategy | None = None,
) -> SummaryState:
    """Summarise a text; an empty one has an empty summary. See :func:`stream_summary`."""
    state = SummaryState((), 0)
    if text.strip():
        for state in stream_summary(model, text, length, strategy=strategy):  # noqa: B007
            pass
    return state


def pieces_of(model: Summarizer, text: str, length: Length) -> list[Piece]:
    """Cut a text at sentences into as few pieces as the model reads well; usually into one.

    Raises:
        InputError: If the length leaves the model no room to read.
    """
    room = _room(model, length)
    if token_count(model, text) <= room:
        return [Piece(len(text) - len(text.lstrip()), text.strip(), "")]
    packed: list[Piece] = []
    for piece in fitting(text, lambda part: token_count(model, part), room, language=LANGUAGE):
        if packed:
            end = piece.start + len(piece.text)
            joined = replace(packed[-1], text=text[packed[-1].start : end])
            if token_count(model, joined.text) <= room:
                packed[-1] = joined
                continue
        packed.append(piece)
    return packed


def _room(model: Summarizer, length: Length) -> int:
    """Tokens of a text that a model reads at once, its prompt and the summary beside it."""
    if model.n_ctx is None:
        return COMFORTABLE
    around = token_count(model, prompt_for(model, "x").text)
    room = model.n_ctx - around - (0 if model.is_encoder_decoder else length.at_most)
    if room < LEAST_ROOM:
        raise InputError(
            f"A summary of {length.at_most} tokens leaves {max(room, 0)} for the text: the model "
            f"reads {model.n_ctx}. Ask for a shorter summary."
        )
    return min(room, COMFORTABLE)


def _without_marks(text: str, tokenizer: Any) -> str:
    for mark in tokenizer.all_special_tokens:
        text = text.replace(mark, " ".join(mark))
    return text
