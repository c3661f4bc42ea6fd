"""The one interface that every traceable model offers, whatever computes it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from transformer_core.tokenization.tokens import Tokenizer, Tokens
from transformer_core.tracing.interventions import Intervention
from transformer_core.tracing.trace import Trace

if TYPE_CHECKING:
    from transformer_core.models.catalogue import ModelCard


@runtime_checkable
class TraceableModel(Protocol):
    """A loaded model: read-only, shared between threads, each call with a capture of its own.

    Attributes:
        card: What the catalogue says of it.
        sites: Its attention sites, of ``encoder``, ``decoder``, ``cross``.
        n_ctx: Tokens that it reads at most; None if nothing limits it.
    """

    card: "ModelCard"

    @property
    def sites(self) -> tuple[str, ...]:
        """Attention sites."""
        ...

    @property
    def n_ctx(self) -> int | None:
        """Tokens that it reads at most."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer."""
        ...

    def n_layers(self, site: str) -> int:
        """Layers with attention at a site."""
        ...

    def n_heads(self, site: str) -> int:
        """Query heads of a layer at a site."""
        ...

    def trace(
        self,
        source: Any,
        target: str | Tokens | None = None,
        *,
        interventions: Sequence[Intervention] = (),
    ) -> Trace:
        """Run the model on one input and keep what it computed.

        Args:
            source: A text, or tokens, read as they are; for a vision model an image.
            target: For an encoder–decoder, the text that the decoder reads, or another trace's
                ``target``, read token by token; None lets it decode greedily first.
            interventions: Changes to make in its attention while it runs.

        Raises:
            InputError: If the input is empty or otherwise unusable.
            TextTooLongError: If it has more tokens than ``n_ctx``; nothing is cut silently.
        """
        ...

    def trace_batch(
        self,
        sources: Sequence[Any],
        targets: Sequence[str | Tokens | None] | None = None,
        *,
        interventions: Sequence[Intervention] = (),
    ) -> list[Trace]:
        """Trace several inputs in one padded forward pass; padding is not part of the traces."""
        ...

    def trace_many(
        self, sources: Sequence[Any], targets: Sequence[str | Tokens | None] | None = None
    ) -> list[Trace]:
        """Trace inputs that have nothing to do with each other; each as :meth:`trace` would.

        Unlike the traces of :meth:`trace_batch`, these share neither memory nor a fuller pass.
        """
        ...
