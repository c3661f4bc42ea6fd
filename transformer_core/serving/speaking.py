"""The replica's side of writing: a text by its strategy, ahead of who reads it, call by call.

A :class:`Stepper` is asked ``start`` and then ``advance`` with the chosen tokens. Here the strategy
asks it, and every call goes out with its answer. The reader's own strategy makes the same calls;
where it makes another, it opens a new stream whose ``log`` holds the calls until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from transformer_core.decoding.beam_search import BeamDecoding
from transformer_core.decoding.begin import begin
from transformer_core.errors import FileFormatError
from transformer_core.serving.packets import Packet
from transformer_core.serving.traces import put_reading
from transformer_core.serving.values import from_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from transformer_core.tokenization.tokens import Tokens
    from transformer_core.tracing.history import History
    from transformer_core.tracing.stepping import Reading, Stepper
    from transformer_core.tracing.trace import Trace

Call = tuple[tuple[int, ...], tuple[int, ...] | None]
"""What ``advance`` was given: the rows' tokens, and their parents."""

MAX_AHEAD = 128 * 2**20
"""Bytes that a stream may hold; who wants more of the text asks again, with the log."""


class Telling:
    """A stepper that keeps each call and its answer to be told.

    Args:
        stepper: What computes.
        log: Calls that the reader made already; of these only the last is told.
    """

    def __init__(self, stepper: Stepper, log: Sequence[Call]) -> None:
        self.tokenizer, self.source = stepper.tokenizer, stepper.source
        self.prompt_ids, self.vocab_size = stepper.prompt_ids, stepper.vocab_size
        self.room, self.constraints = stepper.room, stepper.constraints
        self.notes = stepper.notes
        self.told: list[Packet] = []
        self.n_calls = 0  # of ``advance``
        self._stepper = stepper
        self._log = log

    def start(self) -> Reading:
        """Read the source and the prompt."""
        return self._tell(None, self._stepper.start())

    def advance(self, token_ids: Tensor, parents: Tensor | None = None) -> Reading:
        """Read one more token in every row.

        Raises:
            PartedError: If the reader chose otherwise.
        """
        call = call_of(token_ids, parents)
        if self.n_calls < len(self._log) and not is_same(call, self._log[self.n_calls]):
            raise PartedError
        self.n_calls += 1
        return self._tell(call, self._stepper.advance(token_ids, parents))

    def repeat(self) -> None:
        """Make the reader's own calls from here on, to the last."""
        while self.n_calls < len(self._log):
            tokens, parents = self._log[self.n_calls]
            rows = None if parents is None else torch.tensor(parents)
            self.advance(torch.tensor(tokens), rows)

    def _tell(self, call: Call | None, reading: Reading) -> Reading:
        if self.n_calls >= len(self._log):
            packet = Packet()
            packet.header = {"call": call, **put_reading(reading, packet)}
            self.told.append(packet)
        return reading

    def fork(self, n_written: int) -> Stepper:
        """Not while it is told."""
        raise NotImplementedError

    def unembed(self, resid: Tensor) -> Tensor:
        """Logits of a residual stream."""
        return self._stepper.unembed(resid)

    def tokens(self, written: Sequence[int]) -> Tokens:
        """What the decoder has read."""
        return self._stepper.tokens(written)

    def trace(self, history: History, written: Sequence[int], logits: Tensor) -> Trace:
        """Everything up to a step."""
        return self._stepper.trace(history, written, logits)


class PartedError(Exception):
    """The reader's calls are others than the strategy's; never leaves this module."""


def speak(stepper: Stepper, request: Packet) -> Iterator[Packet]:
    """Tell the answer to the log's last call, then those that the strategy asks for.

    Args:
        stepper: A text that is to be written.
        request: Its header has ``log``, ``strategy``, ``constraints``, ``prefix`` and
            ``is_recording``.

    Raises:
        FileFormatError: If the header has not.
    """
    header = request.header
    try:
        log = [_call(entry) for entry in header["log"]]
        strategy = from_plain(header["strategy"], request)
        constraints = from_plain(header["constraints"], request)
        forced = [int(index) for index in header["prefix"]]
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"steps: the request is not whole: {error!r}.") from error
    telling = Telling(stepper, log)
    singles = [tokens for tokens, _ in log]
    if all(len(tokens) == 1 for tokens in singles):
        own = [tokens[0] for tokens in singles]
        forced = [*own, *forced[len(own) :]]
    options: dict[str, Any] = {
        "prefix": forced,
        "constraints": constraints,
        "is_recording": bool(header.get("is_recording", True)),
    }
    decoding: Any = begin(telling, strategy, **options)
    n_bytes, is_last = 0, False
    while not is_last:
        is_last = not _go_on(decoding, telling)
        n_bytes += sum(packet.nbytes for packet in telling.told)
        is_last |= n_bytes > MAX_AHEAD
        for packet in telling.told:
            packet.header["is_last"] = is_last and packet is telling.told[-1]
            yield packet
        telling.told.clear()


def _go_on(decoding: Any, telling: Telling) -> bool:
    """Make the strategy's next call; False if there is none after it."""
    try:
        if isinstance(decoding, BeamDecoding):
            decoding.expand()
        else:
            next(decoding, None)
        is_going_on = decoding.ended is None
    except PartedError:
        is_going_on = False
    if not is_going_on:
        telling.repeat()
    return is_going_on


def call_of(token_ids: Tensor, parents: Tensor | None) -> Call:
    """A call as plain numbers."""
    return tuple(token_ids.tolist()), None if parents is None else tuple(parents.tolist())


def is_same(call: Call, other: Call) -> bool:
    """Whether two calls ask the same; no parents mean each row goes on from itself."""
    return call[0] == other[0] and _parents(call) == _parents(other)


def _parents(call: Call) -> tuple[int, ...]:
    return tuple(range(len(call[0]))) if call[1] is None else call[1]


def _call(entry: Any) -> Call:
    tokens, parents = entry
    ids = tuple(int(index) for index in tokens)
    return ids, None if parents is None else tuple(int(row) for row in parents)
