"""A model on a cluster, used like one that is here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from torch import Tensor

from transformer_core.decoding.begin import begin, prefix_ids
from transformer_core.errors import FileFormatError, InputError, ModelUnavailableError
from transformer_core.model.generation import Hypothesis
from transformer_core.serving.address import Address
from transformer_core.serving.packets import Packet
from transformer_core.serving.service import VERSION
from transformer_core.serving.steppers import Guess, RemoteStepper, Served
from transformer_core.serving.traces import take_details, take_layers, take_trace
from transformer_core.serving.transport import Line
from transformer_core.serving.values import from_plain, put_input, to_plain
from transformer_core.serving.vocabularies import take_tokenizer
from transformer_core.tokenization.tokens import Tokenizer, Tokens
from transformer_core.tracing.decodable import Decodable
from transformer_core.tracing.interventions import Change, Intervention, of_item
from transformer_core.tracing.stepping import Constraints
from transformer_core.tracing.trace import Provenance, Trace

if TYPE_CHECKING:
    from transformer_core.decoding.strategies import Strategy
    from transformer_core.tracing.records import Details

LOAD_PATIENCE_S = 2.0
"""How long to look for a cluster that is not there; one that is may take longer to answer."""


class RemoteModel(Decodable):
    """A model that a cluster holds; see :class:`TraceableModel`.

    Texts are read and tokens are chosen here; forward passes run there. What needs the weights
    themselves (pruning, quantising, the walk through a layer's matrices) needs a model that is
    loaded here, and says so.

    Args:
        line: To the model.

    Raises:
        ModelUnavailableError: If the cluster is not there, does not serve the model, or speaks
            another version of the messages.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        content = line.ask("facts", Packet().to_bytes(), patience_s=LOAD_PATIENCE_S)
        packet = Packet.from_bytes(content)
        facts = packet.header
        if facts.get("version") != VERSION:
            raise ModelUnavailableError(
                f"{line.address} speaks version {facts.get('version')} of the messages, this "
                f"program version {VERSION}: run the same release at both ends."
            )
        self.card = from_plain(facts["card"], packet)
        self.sites: tuple[str, ...] = tuple(facts["sites"])
        self.n_ctx: int | None = facts["n_ctx"]
        self.is_encoder_decoder = bool(facts["is_encoder_decoder"])
        self._n_layers: dict[str, int] = facts["n_layers"]
        self._n_heads: dict[str, int] = facts["n_heads"]
        self._tokenizer = take_tokenizer(facts["tokenizer"], packet)

    # -- facts ------------------------------------------------------------------------------

    @property
    def address(self) -> Address:
        """Where the model is."""
        return self._line.address

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, which is here.

        Raises:
            InputError: If the model reads images.
        """
        if self._tokenizer is None:
            raise InputError(f"{self.card.id} reads images, not text.")
        return self._tokenizer

    @property
    def module(self) -> Any:
        """The weights, which are not here.

        Raises:
            InputError: Always: what to do instead.
        """
        raise InputError(
            f"This needs the weights of {self.card.id} themselves, and they are at {self.address}. "
            "Traces, decoding, translations and summaries come from there; for this, load the "
            f"model here: tc.load({self.card.id!r}) without the setting "
            "TRANSFORMER_WORKBENCH_RAY_ADDRESS."
        )

    def n_layers(self, site: str) -> int:
        """Layers with attention at a site."""
        return self._n_layers[site]

    def n_heads(self, site: str) -> int:
        """Query heads of a layer at a site."""
        return self._n_heads[site]

    # -- tracing ----------------------------------------------------------------------------

    def trace(
        self,
        source: Any,
        target: str | Tokens | None = None,
        *,
        interventions: Sequence[Intervention] = (),
    ) -> Trace:
        """Run the model on one input; see :class:`TraceableModel`."""
        return self.trace_batch([source], [target], interventions=interventions)[0]

    def trace_batch(
        self,
        sources: Sequence[Any],
        targets: Sequence[str | Tokens | None] | None = None,
        *,
        interventions: Sequence[Intervention] = (),
    ) -> list[Trace]:
        """Trace several inputs in one padded forward pass; see :class:`TraceableModel`."""
        if not sources:
            return []
        request = Packet()
        pairs = list(zip(sources, targets or [None] * len(sources), strict=True))
        inputs = [
            [self._put(source, request), put_input(target, request)] for source, target in pairs
        ]
        request.header = {
            "inputs": inputs,
            "interventions": to_plain(tuple(interventions), request),
        }
        answer = Packet.from_bytes(self._line.ask("trace", request.to_bytes()))
        headers = answer.header["traces"]
        if len(headers) != len(sources):
            raise FileFormatError(f"{len(sources)} traces were asked for, {len(headers)} came.")
        changes = [of_item(tuple(interventions), item) for item in range(len(sources))]
        return [
            take_trace(
                header,
                answer,
                recompute=partial(self._details_of, source, changes=change),
                interventions=change,
            )
            for header, source, change in zip(headers, sources, changes, strict=True)
        ]

    def trace_many(
        self,
        sources: Sequence[Any],
        targets: Sequence[str | Tokens | None] | None = None,
        *,
        detailed: bool = False,
    ) -> list[Trace]:
        """Trace several inputs that have nothing to do with each other, in requests of their own.

        The replica puts those that wait together into one pass, whoever sent them.

        Args:
            sources: Texts, tokens or pictures.
            targets: For an encoder–decoder, what the decoder reads; None lets it write first.
            detailed: Whether the details are fetched at once, too.

        Raises:
            InputError: If one of them is empty or otherwise unusable.
        """

        def one(source: Any, target: str | Tokens | None) -> Trace:
            trace = self.trace(source, target)
            if detailed:
                _ = trace.details
            return trace

        wanted = list(targets or [None] * len(sources))
        if len(sources) < 2:
            return [one(*pair) for pair in zip(sources, wanted, strict=True)]
        with ThreadPoolExecutor(min(len(sources), 16)) as pool:
            return list(pool.map(one, sources, wanted))

    def _put(self, source: Any, request: Packet) -> Any:
        return put_input(source, request, reads=self.card.reads)

    def _details_of(self, source: Any, trace: Trace, *, changes: tuple[Change, ...]) -> Details:
        """What a trace left there; a text is read as its tokens, which leaves nothing open."""
        read = trace.source if self.card.reads == "text" else source
        return self._details(read, trace.target, changes)

    def _details(
        self, source: Any, target: Tokens | None, changes: tuple[Change, ...] = ()
    ) -> Details:
        request = Packet()
        request.header = {
            "source": self._put(source, request),
            "target": put_input(target, request),
            "interventions": to_plain(changes, request),
        }
        answer = Packet.from_bytes(self._line.ask("details", request.to_bytes()))
        return take_details(answer, Projections(self._projections, self.sites))

    @cached_property
    def _fetched(self) -> dict[str, tuple[Tensor, ...]]:
        answer = Packet.from_bytes(self._line.ask("projections", Packet().to_bytes()))
        return take_layers(answer.header, answer)

    def _projections(self) -> dict[str, tuple[Tensor, ...]]:
        return self._fetched

    # -- writing ----------------------------------------------------------------------------

    def stepper(self, source: str | Tokens, *, is_recording: bool = True) -> RemoteStepper:
        """A text that is to be written; see :class:`Decodable`."""
        return self._stepper(source, is_recording, Guess())

    def decode(
        self,
        source: str | Tokens,
        strategy: Strategy | None = None,
        *,
        target_prefix: str | Sequence[int] = (),
        constraints: Constraints | None = None,
        should_stop: Callable[[], bool] | None = None,
        is_recording: bool = True,
    ) -> Any:
        """Write a text, one step each time the next is asked for; see :class:`Decodable`."""
        stepper = self._stepper(source, is_recording, Guess(strategy, constraints))
        prefix = prefix_ids(stepper, target_prefix)
        stepper.expect(prefix)
        return begin(
            stepper,
            strategy,
            prefix=prefix,
            constraints=constraints,
            should_stop=should_stop,
            is_recording=is_recording,
        )

    def write(self, sources: Sequence[Sequence[int]], strategy: Strategy) -> list[Hypothesis]:
        """Write a target for each source, there, without tracing; see :class:`Working`."""
        request = Packet()
        rows = [[int(index) for index in row] for row in sources]
        request.header = {"sources": rows, "strategy": to_plain(strategy, request)}
        answer = Packet.from_bytes(self._line.ask("write", request.to_bytes())).header
        return [Hypothesis(tuple(ids), p, is_cut=bool(cut)) for ids, p, cut in answer["written"]]

    def _stepper(self, source: str | Tokens, is_recording: bool, guess: Guess) -> RemoteStepper:
        card = self.card
        served = Served(
            self._line,
            self.tokenizer,
            Provenance(card.id, card.name, card.family, card.revision),
            self.is_encoder_decoder,
            self._details,
        )
        return RemoteStepper(served, source, is_recording=is_recording, guess=guess)


class Projections(Mapping[str, tuple[Tensor, ...]]):
    """The matrices W_O by site; they are fetched when one is looked at, once for a model."""

    def __init__(
        self, fetch: Callable[[], dict[str, tuple[Tensor, ...]]], sites: tuple[str, ...]
    ) -> None:
        self._fetch = fetch
        self._sites = sites

    def __getitem__(self, site: str) -> tuple[Tensor, ...]:
        if site not in self._sites:
            raise KeyError(site)
        return self._fetch()[site]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sites)

    def __len__(self) -> int:
        return len(self._sites)


def load_remote(address: Address) -> RemoteModel:
    """Open a line to a model on a cluster.

    Raises:
        ModelUnavailableError: If it is not there.
    """
    return RemoteModel(Line(address))
