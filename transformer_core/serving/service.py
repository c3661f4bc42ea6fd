"""One model behind messages: bytes in, bytes out. What carries them does not matter here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformer_core.errors import FileFormatError, TransformerCoreError
from transformer_core.serving.faults import error_to_bytes
from transformer_core.serving.packets import Packet, framed
from transformer_core.serving.speaking import speak
from transformer_core.serving.traces import put_details, put_layers, put_trace
from transformer_core.serving.values import from_plain, take_input, to_plain, tokens_to_plain
from transformer_core.serving.vocabularies import put_tokenizer

if TYPE_CHECKING:
    from transformer_core.tracing.stepping import Stepper

VERSION = 1
"""Of the messages; both ends must speak the same."""

TRACE, STEPS = "trace", "steps"
"""The verbs that are answered in another way than by :meth:`Service.answer`."""


@dataclass(frozen=True)
class Reply:
    """An answer to one request.

    Attributes:
        content: Its message.
        is_error: Whether it tells an error of our tree instead.
    """

    content: bytes
    is_error: bool = False


class Service:
    """Answers requests about one model, from any number of threads.

    Args:
        model: The model, loaded here.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._verbs: dict[str, Callable[[Packet, Packet], dict[str, Any]]] = {
            "facts": self._facts,
            TRACE: self._trace,
            "details": self._details,
            "projections": self._projections,
            "begin": self._begin,
            "unembed": self._unembed,
            "write": self._write,
        }

    @property
    def verbs(self) -> tuple[str, ...]:
        """What may be asked for."""
        return (*self._verbs, STEPS)

    def answer(self, verb: str, content: bytes) -> Reply:
        """Answer one request; an error of ours becomes an answer, too."""
        try:
            return Reply(self._answered(verb, Packet.from_bytes(content)))
        except TransformerCoreError as error:
            return Reply(error_to_bytes(error), is_error=True)

    def traces(self, requests: Sequence[bytes]) -> list[Reply]:
        """Answer several requests for traces: those that can, in one forward pass.

        Each is answered as if it were alone: what is wrong with one concerns that one only.
        """
        packets = [_read(content) for content in requests]
        together = [i for i, packet in enumerate(packets) if packet is not None and _is_one(packet)]
        found = self._together([packets[i] for i in together]) if len(together) > 1 else None
        if found is None:
            return [self.answer(TRACE, content) for content in requests]
        shared = dict(zip(together, found, strict=True))
        return [shared.get(i) or self.answer(TRACE, c) for i, c in enumerate(requests)]

    def steps(self, content: bytes) -> Iterator[bytes]:
        """Write a text; a frame a step. An error of ours is the last frame."""
        try:
            request = Packet.from_bytes(content)
            for packet in speak(self._stepper(request), request):
                yield framed(packet.to_bytes())
        except TransformerCoreError as error:
            yield framed(Packet({"error": error_to_bytes(error).decode()}).to_bytes())

    def check(self) -> None:
        """Run the model on next to nothing.

        Raises:
            TransformerCoreError: If it cannot.
        """
        if self.model.card.reads == "text":
            self.model.trace("a", "a" if self.model.is_encoder_decoder else None)

    # -- the verbs --------------------------------------------------------------------------

    def _answered(self, verb: str, request: Packet) -> bytes:
        if verb not in self._verbs:
            raise FileFormatError(f"A served model knows no {verb[:40]!r}.")
        answer = Packet()
        try:
            answer.header = self._verbs[verb](request, answer)
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"{verb}: the request is not whole: {error!r}.") from error
        return answer.to_bytes()

    def _facts(self, _: Packet, answer: Packet) -> dict[str, Any]:
        model = self.model
        return {
            "version": VERSION,
            "card": to_plain(model.card, answer),
            "sites": list(model.sites),
            "n_ctx": model.n_ctx,
            "n_layers": {site: model.n_layers(site) for site in model.sites},
            "n_heads": {site: model.n_heads(site) for site in model.sites},
            "is_encoder_decoder": model.is_encoder_decoder,
            "tokenizer": put_tokenizer(model, answer),
        }

    def _trace(self, request: Packet, answer: Packet) -> dict[str, Any]:
        header = request.header
        changes = from_plain(header["interventions"], request)
        pairs = [[take_input(one, request) for one in pair] for pair in header["inputs"]]
        sources, targets = [s for s, _ in pairs], [t for _, t in pairs]
        if len(pairs) == 1:
            traces = [self.model.trace(sources[0], targets[0], interventions=changes)]
        else:
            traces = self.model.trace_batch(sources, targets, interventions=changes)
        return {"traces": [put_trace(trace, answer) for trace in traces]}

    def _details(self, request: Packet, answer: Packet) -> dict[str, Any]:
        source, target = (take_input(request.header[key], request) for key in ("source", "target"))
        changes = from_plain(request.header["interventions"], request)
        details = self.model.trace(source, target, interventions=changes).details
        return put_details(details, answer)

    def _projections(self, _: Packet, answer: Packet) -> dict[str, Any]:
        """The matrices W_O, once: they are the same for every trace."""
        return put_layers(output_projections(self.model), answer)

    def _begin(self, request: Packet, answer: Packet) -> dict[str, Any]:
        stepper = self._stepper(request)
        return {
            "source": tokens_to_plain(stepper.source),
            "prompt_ids": list(stepper.prompt_ids),
            "vocab_size": stepper.vocab_size,
            "room": stepper.room,
            "constraints": to_plain(stepper.constraints, answer),
            "notes": list(stepper.notes),
        }

    def _unembed(self, request: Packet, answer: Packet) -> dict[str, Any]:
        resid = request.tensor(request.header["resid"])
        return {"logits": answer.put(self._stepper(request).unembed(resid))}

    def _write(self, request: Packet, _: Packet) -> dict[str, Any]:
        strategy = from_plain(request.header["strategy"], request)
        written = self.model.write(request.header["sources"], strategy)
        return {"written": [[list(w.ids), w.log_prob, w.is_cut] for w in written]}

    # -- parts ------------------------------------------------------------------------------

    def _stepper(self, request: Packet) -> Stepper:
        source = take_input(request.header["source"], request)
        is_recording = bool(request.header.get("is_recording", True))
        stepper: Stepper = self.model.stepper(source, is_recording=is_recording)
        return stepper

    def _together(self, packets: Sequence[Packet | None]) -> list[Reply] | None:
        """Traces of several requests from one pass; None if one of them is in the way."""
        known = [packet for packet in packets if packet is not None]
        try:
            pairs = [[take_input(v, p) for v in p.header["inputs"][0]] for p in known]
            traces = self.model.trace_many([s for s, _ in pairs], [t for _, t in pairs])
        except (TransformerCoreError, KeyError, TypeError, ValueError):
            return None  # each by itself will say whose it is
        return [Reply(_alone(trace)) for trace in traces]


def output_projections(model: Any) -> dict[str, Any]:
    """A model's matrices W_O by site, in layer order, from a trace of next to nothing."""
    source: Any = "a"
    if model.card.reads != "text":
        from PIL import Image

        source = Image.new("L", (8, 8), 255)
    details = model.trace(source, "a" if model.is_encoder_decoder else None).details
    return dict(details.out_proj or {})


def _alone(trace: Any) -> bytes:
    answer = Packet()
    answer.header = {"traces": [put_trace(trace, answer)]}
    return answer.to_bytes()


def _read(content: bytes) -> Packet | None:
    try:
        return Packet.from_bytes(content)
    except FileFormatError:
        return None


def _is_one(packet: Packet) -> bool:
    """Whether a request asks for one trace with nothing changed."""
    header = packet.header
    inputs = header.get("inputs")
    return isinstance(inputs, list) and len(inputs) == 1 and not header.get("interventions")
