"""Greedy decoding and sampling, one step at a time, with forks at any step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from transformer_core.decoding.constraints import bans_at
from transformer_core.decoding.filters import Filtered, filtered
from transformer_core.decoding.steps import (
    Answer,
    CacheSize,
    DecodingStep,
    Ended,
    log_prob,
)
from transformer_core.decoding.strategies import Greedy, Sample, Strategy
from transformer_core.errors import InputError
from transformer_core.tracing.history import History
from transformer_core.tracing.stepping import Constraints, Reading, Stepper


@dataclass(frozen=True)
class Wishes:
    """What a caller asks for besides the strategy.

    Attributes:
        forced: Tokens that the text begins with, one a step.
        constraints: What the text must and must not contain; None: what the model's makers ask for.
        should_stop: Asked before every step; True ends the text there.
        is_recording: Whether steps keep what they saw.
    """

    forced: tuple[int, ...] = ()
    constraints: Constraints | None = None
    should_stop: Callable[[], bool] | None = None
    is_recording: bool = True


@dataclass(frozen=True, eq=False)
class _Waiting:
    """An answer that no token has been chosen from yet."""

    logits: Tensor
    history: History | None
    cache: CacheSize


class Decoding(Iterator[DecodingStep]):
    """A text being written, one step each time the next is asked for; nothing runs in between.

    Iterating gives the new steps, :attr:`steps` all of them. Use it from one thread; :meth:`stop`
    may be called from any.

    Args:
        stepper: What computes.
        strategy: How tokens are chosen.
        wishes: What is asked for besides.

    Attributes:
        strategy: How tokens are chosen.
        constraints: What the text must and must not contain.
        notes: What the model's settings ask for besides, that is not done here.
        prompt_ids: What the decoder reads before the first token is written.
        limit: Tokens that may be written.
        ended: Why the text ended; None: it goes on.
    """

    def __init__(self, stepper: Stepper, strategy: Greedy | Sample, wishes: Wishes) -> None:
        self.strategy = strategy
        self.constraints = wishes.constraints or stepper.constraints
        self.notes = stepper.notes
        self.prompt_ids = stepper.prompt_ids
        self.limit = limit_of(stepper, strategy, self.constraints)
        self.ended: Ended | None = None
        self._stepper = stepper
        self._wishes = wishes
        self._forced = list(checked_ids(wishes.forced, stepper))
        self._steps: list[DecodingStep] = []
        self._waiting: _Waiting | None = None
        self._stop = threading.Event()
        self._draws: list[Tensor] = []
        self._generator: torch.Generator | None = None
        if isinstance(strategy, Sample):
            self._generator = torch.Generator().manual_seed(strategy.seed)

    # -- the text ---------------------------------------------------------------------------

    @property
    def steps(self) -> tuple[DecodingStep, ...]:
        """All steps so far, those shared with the text that this one was forked from included."""
        return tuple(self._steps)

    @property
    def token_ids(self) -> tuple[int, ...]:
        """Tokens written so far."""
        return self._steps[-1].written if self._steps else ()

    @property
    def text(self) -> str:
        """The text so far, special tokens left out."""
        return self._steps[-1].text if self._steps else ""

    # -- going on ---------------------------------------------------------------------------

    def __iter__(self) -> Decoding:
        return self

    def __next__(self) -> DecodingStep:
        """Write one more token.

        Raises:
            StopIteration: If the text has ended; :attr:`ended` says why.
        """
        if self.ended is None and self._is_told_to_stop():
            self.ended = "stopped"
        if self.ended is not None:
            raise StopIteration
        started = time.perf_counter()
        waiting = self._waiting or self._read()
        step = self._chosen(waiting, started)
        self._waiting = None
        self._steps.append(step)
        self.ended = step.ended
        return step

    def force(self, token_id: int) -> None:
        """Let the next step write this token; several calls force several steps.

        Raises:
            InputError: If there is no such token, or the text has ended.
        """
        if self.ended is not None:
            raise InputError("This text has ended; fork it at one of its steps instead.")
        self._forced += checked_ids((token_id,), self._stepper)

    def fork(self, index: int, token_id: int | None = None) -> Decoding:
        """Another text that shares the first steps of this one and goes on from there.

        The cache is shared up to that step, so nothing is computed again; this text stays as it is.

        Args:
            index: The step to choose again: the first that the new text does not share.
            token_id: What that step writes; None lets the strategy choose.

        Raises:
            InputError: If there is no such step or token.
        """
        if not 0 <= index < len(self._steps):
            raise InputError(
                f"There is no step {index}; steps run from 0 to {len(self._steps) - 1}."
            )
        forced = () if token_id is None else (token_id,)
        stepper = self._stepper.fork(index)
        other = Decoding(stepper, self.strategy, replace(self._wishes, forced=forced))
        other._steps = self._steps[:index]
        step = self._steps[index]
        if step.answer.logits is None:
            raise InputError("Only a text whose steps are recorded can be forked.")
        other._waiting = _Waiting(step.answer.logits, step.answer.history, step.cache)
        if other._generator is not None:
            other._generator.set_state(self._draws[index])
            other._draws = self._draws[:index]
        return other

    def stop(self) -> None:
        """End the text before its next step; may be called from any thread."""
        self._stop.set()

    # -- one step ---------------------------------------------------------------------------

    def _is_told_to_stop(self) -> bool:
        asked = self._wishes.should_stop
        return self._stop.is_set() or (asked is not None and asked())

    def _read(self) -> _Waiting:
        """Let the model read the last token, or the prompt."""
        if not self._steps:
            reading, before = self._stepper.start(), None
        else:
            last = self._steps[-1]
            reading = self._stepper.advance(torch.tensor([last.token_id]))
            before = last.answer.history
        history = None if reading.noted is None else History(reading.noted, 0, before)
        return _Waiting(reading.logits[0], history, _size(reading))

    def _chosen(self, waiting: _Waiting, started: float) -> DecodingStep:
        logits, written = waiting.logits, self.token_ids
        prompt = self._stepper.prompt_ids
        ids = (*prompt, *written)
        bans = bans_at(self.constraints, ids, n_prompt=len(prompt), limit=self.limit)
        options = filtered(logits, self.strategy, previous=ids, bans=bans)
        token_id = self._draw(options, has_bans=bans is not None)
        is_forced = bool(self._forced)
        if is_forced:
            token_id = self._forced.pop(0)
        own, before = log_prob(logits, token_id), self._steps[-1:]
        kept = logits if self._wishes.is_recording else None
        return DecodingStep(
            index=len(self._steps),
            token_id=token_id,
            log_prob=own,
            cumulative_log_prob=own + sum(step.cumulative_log_prob for step in before),
            is_forced=is_forced,
            ended=self._end(token_id),
            seconds=time.perf_counter() - started,
            cache=waiting.cache,
            answer=Answer(self._stepper, kept, waiting.history, written, bans, self.strategy),
        )

    def _draw(self, options: Filtered, *, has_bans: bool) -> int:
        """The strategy's choice. Every step draws, so a forced one leaves the later draws alone."""
        if self._generator is None:
            return int((options.scores if has_bans else options.scaled).argmax())
        self._draws.append(self._generator.get_state())
        probabilities = options.probabilities[None]
        return int(torch.multinomial(probabilities, 1, generator=self._generator))

    def _end(self, token_id: int) -> Ended | None:
        if token_id in self.constraints.end_ids:
            return "eos"
        return "limit" if len(self._steps) + 1 >= self.limit else None


def limit_of(stepper: Stepper, strategy: Strategy, constraints: Constraints) -> int:
    """How many tokens may be written: what the strategy, else the model's makers, say."""
    wanted = strategy.max_new_tokens or constraints.max_new_tokens or stepper.room
    return min(wanted, stepper.room)


def _size(reading: Reading) -> CacheSize:
    return CacheSize(reading.n_pos, reading.nbytes)


def checked_ids(token_ids: Sequence[int], stepper: Stepper) -> tuple[int, ...]:
    """Token ids that the model can read.

    Raises:
        InputError: If one is none.
    """
    for token_id in token_ids:
        if not 0 <= token_id < stepper.vocab_size:
            raise InputError(
                f"There is no token {token_id}; ids run from 0 to {stepper.vocab_size - 1}."
            )
    return tuple(token_ids)
