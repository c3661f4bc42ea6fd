"""The reader's side of writing: a :class:`Stepper` whose numbers come from a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from transformer_core.decoding.strategies import Strategy
from transformer_core.errors import FileFormatError
from transformer_core.serving.faults import error_from_bytes
from transformer_core.serving.packets import Packet
from transformer_core.serving.service import STEPS
from transformer_core.serving.speaking import Call, call_of, is_same
from transformer_core.serving.traces import take_reading
from transformer_core.serving.transport import Line, LostError, Patience
from transformer_core.serving.values import from_plain, put_input, to_plain, tokens_from_plain
from transformer_core.tracing.history import History, trace_of
from transformer_core.tracing.stepping import Constraints, Reading

if TYPE_CHECKING:
    from torch import Tensor

    from transformer_core.tokenization.tokens import Tokenizer, Tokens
    from transformer_core.tracing.records import Details
    from transformer_core.tracing.trace import Provenance, Trace


@dataclass(frozen=True)
class Guess:
    """What will probably be asked of the text; right or wrong, only speed depends on it.

    Attributes:
        strategy: How tokens will be chosen; None: greedily.
        constraints: What the text must and must not contain; None: what the model's makers ask.
        prefix: Tokens that it begins with.
    """

    strategy: Strategy | None = None
    constraints: Constraints | None = None
    prefix: tuple[int, ...] = ()


@dataclass(frozen=True)
class Served:
    """The model that a stepper belongs to.

    Attributes:
        line: To its replicas.
        tokenizer: Turns ids into text.
        provenance: Model and revision.
        is_pair: Whether a decoder reads an encoder's output.
        details: Fetches the details of what was read.
    """

    line: Line
    tokenizer: Tokenizer
    provenance: Provenance
    is_pair: bool
    details: Callable[[Tokens, Tokens | None], Details]


class RemoteStepper:
    """One text being written by a model on a cluster; see :class:`Stepper`.

    A replica runs ahead by the guess and streams its answers. They are taken as long as the calls
    here are those that it guessed; else, and where the replica is lost, a new stream is opened with
    the calls so far. So a text goes on whatever happens to a replica.

    Args:
        served: The model.
        source: What it reads.
        is_recording: Whether steps note what they saw.
        guess: What will be asked.

    Raises:
        InputError: If the model cannot write, or the source leaves it no room to.
    """

    def __init__(
        self, served: Served, source: str | Tokens, *, is_recording: bool, guess: Guess
    ) -> None:
        self.tokenizer = served.tokenizer
        self._served = served
        self._is_recording = is_recording
        self._guess = guess
        self._calls: list[Call] = []
        self._stream: Iterator[bytes] | None = None
        request = Packet()
        request.header = {"source": put_input(source, request)}
        answer = Packet.from_bytes(served.line.ask("begin", request.to_bytes()))
        facts = answer.header
        read = tokens_from_plain(facts["source"])
        if read is None:
            raise FileFormatError("The model read nothing.")
        self.source = read
        self.prompt_ids = tuple(map(int, facts["prompt_ids"]))
        self.vocab_size, self.room = int(facts["vocab_size"]), int(facts["room"])
        self.constraints: Constraints = from_plain(facts["constraints"], answer)
        self.notes = tuple(map(str, facts["notes"]))
        # As the model was given it: what it makes of a prompt's end is made again each time.
        self._given = source

    def expect(self, prefix: tuple[int, ...]) -> None:
        """Tell what the text will begin with, before it is started."""
        self._guess = replace(self._guess, prefix=prefix)

    def start(self) -> Reading:
        """Read the source and the prompt."""
        self._close()
        self._calls = []
        return self._answer(None)

    def advance(self, token_ids: Tensor, parents: Tensor | None = None) -> Reading:
        """Read one more token in every row."""
        call = call_of(token_ids, parents)
        self._calls.append(call)
        return self._answer(call)

    def fork(self, n_written: int) -> RemoteStepper:
        """Another text that shares the first tokens of this one; begun when it is gone on with."""
        other = object.__new__(RemoteStepper)
        vars(other).update(vars(self))
        other._guess = replace(self._guess, prefix=())
        other._calls, other._stream = self._calls[:n_written], None
        return other

    def unembed(self, resid: Tensor) -> Tensor:
        """Final norm and unembedding."""
        request = Packet()
        source = put_input(self._given, request)
        request.header = {"source": source, "resid": request.put(resid)}
        answer = Packet.from_bytes(self._served.line.ask("unembed", request.to_bytes()))
        return answer.tensor(answer.header["logits"])

    def tokens(self, written: Sequence[int]) -> Tokens:
        """What the decoder has read."""
        if not self._served.is_pair and not written:
            return self.source
        return self.tokenizer.from_ids([*self.prompt_ids, *written])

    def trace(self, history: History, written: Sequence[int], logits: Tensor) -> Trace:
        """Everything up to a step as a trace; its details are fetched when asked for."""
        read = self.tokens(written)
        source, target = (self.source, read) if self._served.is_pair else (read, None)
        return trace_of(
            history,
            (source, target),
            self._served.provenance,
            recompute=lambda: self._served.details(source, target),
            logits=logits,
        )

    # -- the stream -------------------------------------------------------------------------

    def _answer(self, call: Call | None) -> Reading:
        """What the replica says to a call, from the stream at hand or from a new one."""
        patience = Patience(self._served.line.address, self._served.line.patience_s)
        while True:
            is_new = self._stream is None
            try:
                packet = self._next()
            except LostError as lost:
                self._close()
                patience.wait(lost)
                continue
            if packet is None and is_new:
                raise FileFormatError("The model did not answer to a step.")
            if packet is not None and _is_answer(packet, call):
                if packet.header["is_last"]:
                    self._finish()
                return take_reading(packet.header, packet)
            self._close()

    def _next(self) -> Packet | None:
        """The stream's next message; None if there is none."""
        if self._stream is None:
            self._stream = self._served.line.stream(STEPS, self._request())
        content = next(self._stream, None)
        if content is None:
            return None
        packet = Packet.from_bytes(content)
        if "error" in packet.header:
            error = error_from_bytes(str(packet.header["error"]).encode())
            raise error or FileFormatError("The model failed without saying why.")
        return packet

    def _request(self) -> bytes:
        request = Packet()
        request.header = {
            "source": put_input(self._given, request),
            "is_recording": self._is_recording,
            "log": self._calls,
            "strategy": to_plain(self._guess.strategy, request),
            "constraints": to_plain(self._guess.constraints, request),
            "prefix": self._guess.prefix,
        }
        return request.to_bytes()

    def _finish(self) -> None:
        """Read a stream's end, so that its connection can serve again."""
        stream, self._stream = self._stream, None
        try:
            if stream is not None:
                next(stream, None)
        except LostError:
            pass  # all that it had to say was said

    def _close(self) -> None:
        stream: Any = self._stream
        self._stream = None
        if stream is not None:
            stream.close()


def _is_answer(packet: Packet, call: Call | None) -> bool:
    told: Any = packet.header["call"]
    if told is None or call is None:
        return told is None and call is None
    tokens, parents = told
    return is_same((tuple(tokens), None if parents is None else tuple(parents)), call)
