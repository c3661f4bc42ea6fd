"""A sweep over all heads in the background: what is known stays, the next who looks goes on."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.analysis.ablation import Head, sweep
from transformer_core.background import ShouldStop, Work
from transformer_core.tracing.interventions import AblationMode
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.trace import Trace


class HeadSweep:
    """Measures every head of a site once, for all who ask.

    Args:
        model: The model of the trace.
        plain: The untouched model's trace.
        site: Whose heads.
        mode: How each is switched off.

    Attributes:
        work: What does it; it gives the number of heads that are known.
    """

    def __init__(self, model: TraceableModel, plain: Trace, site: str, mode: AblationMode) -> None:
        self._what = (model, plain, site, mode)
        self._known: dict[Head, float] = {}
        self._shape = (plain.n_layers(site), plain.n_heads(site))
        self.work: Work[int] = Work(self._measure, takes_turns=True)

    @property
    def own_parts(self) -> tuple[object, ...]:
        """What counts as its memory: the trace, not the model."""
        return self._what[1], self._known

    @property
    def importance(self) -> Float[Tensor, "layer head"]:
        """Effect of each head alone; NaN where it is not known yet."""
        sizes = torch.full(self._shape, torch.nan)
        for head, size in self._known.copy().items():
            sizes[head] = size
        return sizes

    @property
    def n_done(self) -> int:
        """Heads that are known."""
        return len(self._known)

    @property
    def n_heads(self) -> int:
        """All heads."""
        return self._shape[0] * self._shape[1]

    @property
    def is_complete(self) -> bool:
        """Whether every head is known."""
        return self.n_done == self.n_heads

    def _measure(self, should_stop: ShouldStop) -> Iterator[int]:
        model, plain, site, mode = self._what
        for found in sweep(model, plain, site, mode=mode, done=set(self._known)):
            self._known.update(found)
            yield self.n_done
            if should_stop():
                return
