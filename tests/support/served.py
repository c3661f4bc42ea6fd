"""A model behind messages in this very process: everything but the network."""

from collections.abc import Iterator
from typing import Any

from transformer_core.serving.address import Address
from transformer_core.serving.faults import error_from_bytes
from transformer_core.serving.handle import RemoteModel
from transformer_core.serving.packets import Frames
from transformer_core.serving.service import Service
from transformer_core.serving.transport import Line, LostError


class DirectLine(Line):
    """A line without a network that notes what goes over it.

    Args:
        service: Who answers.

    Attributes:
        asked: The verbs that were asked for.
        loses_after: Frames after which each stream breaks off; None: they end well.
        n_bytes: Bytes of answers.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(Address("127.0.0.1", 9, service.model.card.id), patience_s=5)
        self.service = service
        self.asked: list[str] = []
        self.loses_after: int | None = None
        self.n_bytes = 0

    def ask(self, verb: str, content: bytes, *, patience_s: float | None = None) -> bytes:
        self.asked.append(verb)
        reply = self.service.answer(verb, content)
        self.n_bytes += len(reply.content)
        if reply.is_error:
            error = error_from_bytes(reply.content)
            assert error is not None
            raise error
        return reply.content

    def stream(self, verb: str, content: bytes) -> Iterator[bytes]:
        self.asked.append(verb)
        frames = Frames()
        for number, chunk in enumerate(self.service.steps(content)):
            if number == self.loses_after:
                raise LostError("the replica was killed")
            middle = len(chunk) // 2
            yield from frames.add(chunk[:middle])
            yield from frames.add(chunk[middle:])
        assert frames.is_between


def served(model: Any) -> RemoteModel:
    """A handle of a model as if it were on a cluster."""
    return RemoteModel(DirectLine(Service(model)))


def line_of(handle: RemoteModel) -> DirectLine:
    """The line of a handle that :func:`served` made."""
    line = handle._line
    assert isinstance(line, DirectLine)
    return line
