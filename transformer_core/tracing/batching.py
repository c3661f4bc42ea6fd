"""Many people's texts in one forward pass, each trace as if its text had been read alone."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from transformer_core.tokenization.tokens import Tokens
    from transformer_core.tracing.trace import Trace

TOLERANCE = 1e-4
"""How far a number of a batch may be from the text's own, as a share of the largest of its kind."""

_CANNOT = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError)
_log = logging.getLogger(__name__)


class Batched(ABC):
    """Gives a model ``trace_many``; its backend pads, runs and cuts.

    Whether a model may be batched is not looked up in a list: its first batch is compared with the
    shortest of its texts, read alone. A model whose numbers depend on the neighbours (a convolution
    that reaches into the padding, activations that are quantised over the whole batch) or that
    cannot run a padded batch at all is read one text at a time from then on, and the log says so.
    """

    _padding_is_proved: bool | None = None  # None: not tried yet

    @abstractmethod
    def trace(self, source: Any, target: str | Tokens | None = None) -> Trace:
        """Run the model on one input."""

    @abstractmethod
    def _trace_padded(
        self,
        sources: Sequence[Any],
        targets: Sequence[str | Tokens | None] | None,
        *,
        detailed: bool,
    ) -> list[Trace]:
        """Trace texts in one padded pass; padding stands at the end, so that positions stay."""

    @property
    def is_batched(self) -> bool | None:
        """Whether several texts share a pass; None before the first batch has shown it."""
        return self._padding_is_proved

    def trace_many(
        self,
        sources: Sequence[Any],
        targets: Sequence[str | Tokens | None] | None = None,
        *,
        detailed: bool = False,
    ) -> list[Trace]:
        """Trace several inputs that have nothing to do with each other, in one pass if possible.

        Each trace equals what :meth:`trace` makes of its input (up to rounding: other sizes are
        summed in other orders), owns its memory, and computes its details from its input alone.

        Args:
            sources: Texts, or tokens; similar lengths waste least. Images are read one by one.
            targets: For an encoder–decoder, what the decoder reads; None lets it write first.
            detailed: Whether this pass notes the details, too, which costs a second one less;
                where logits are too large to be kept, they are computed when asked for as ever.

        Raises:
            InputError: If one of them is empty or otherwise unusable; none is traced then.
        """
        wanted: list[str | Tokens | None] = list(targets or [None] * len(sources))
        is_text = getattr(self, "_tokenizer", self) is not None
        if not sources or not is_text:
            return self._one_by_one(sources, wanted)
        if len(sources) == 1:
            return self._trace_padded(sources, wanted, detailed=detailed)
        if self._padding_is_proved is None:
            try:
                traces = self._trace_padded(sources, wanted, detailed=detailed)
                self._prove(traces)
            except _CANNOT as error:
                self._refuse(f"a padded batch fails: {error}")
            else:
                if self._padding_is_proved is not False:
                    return traces
        if self._padding_is_proved is False:
            return [
                self._trace_padded([source], [target], detailed=detailed)[0]
                for source, target in zip(sources, wanted, strict=True)
            ]
        return self._trace_padded(sources, wanted, detailed=detailed)

    def _one_by_one(
        self, sources: Sequence[Any], targets: Sequence[str | Tokens | None]
    ) -> list[Trace]:
        return [self.trace(*pair) for pair in zip(sources, targets, strict=True)]

    def _prove(self, traces: list[Trace]) -> None:
        """Compare the text with most padding with itself alone."""
        sizes = [len(t.source) + len(t.target or ()) for t in traces]
        shortest = traces[sizes.index(min(sizes))]
        off = difference(shortest, self.trace(shortest.source, shortest.target))
        if off > TOLERANCE:
            self._refuse(f"numbers of a batch are {off:.1g} of the largest off")
        elif min(sizes) < max(sizes):  # without padding nothing was shown about it
            self._padding_is_proved = True

    def _refuse(self, reason: str) -> None:
        self._padding_is_proved = False
        _log.warning("%s reads texts one at a time: %s.", type(self).__name__, reason)


def difference(trace: Trace, other: Trace) -> float:
    """Largest difference of queries, keys and logits of two traces, as a share of the largest."""
    pairs: list[tuple[Tensor, Tensor]] = []
    for site in trace.sites:
        for layer in range(trace.n_layers(site)):
            one, two = trace.light(site, layer), other.light(site, layer)
            pairs += [(one.q, two.q), (one.k, two.k)]
    for ours, theirs in (
        (trace.kept_logits, other.kept_logits),
        (trace.kept_next, other.kept_next),
    ):
        if ours is not None and theirs is not None:
            pairs.append((ours, theirs))
    shares = [
        float((a.float() - b.float()).abs().max()) / max(float(b.float().abs().max()), 1e-9)
        for a, b in pairs
        if a.numel()
    ]
    return max(shares, default=0.0)
