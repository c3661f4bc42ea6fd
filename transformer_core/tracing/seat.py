"""Where a forward pass is watched from and, where asked, changed, whatever computes it.

A seat belongs to one call: it lives in a context variable, so each thread sees its own. The
backends fill it: :mod:`~transformer_core.tracing.capture` for Hugging Face models,
:mod:`~transformer_core.tracing.scratch_capture` for our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TypeVar

from torch import Tensor, nn

from transformer_core.tracing.interventions import (
    Change,
    Intervention,
    concerns,
    imposed,
    of_item,
)
from transformer_core.tracing.records import AttentionRecord

Place = tuple[str, int]
"""Site and layer."""

MAX_WITH_VALUES = 64
"""Up to this many queries and keys the light capture keeps values and outputs, too.

They take as many bytes as queries and keys, few where a text is short; and a picture that compares
pattern · v with the module's output then needs no second forward pass."""


def is_short(query: Tensor, key: Tensor) -> bool:
    """Whether a light capture keeps values and outputs, ``[batch head pos d_head]``."""
    return max(query.shape[2], key.shape[2]) <= MAX_WITH_VALUES


@dataclass(frozen=True)
class Layout:
    """Where things stand in a model.

    Attributes:
        sites: Attention sites.
        layers: Site ("encoder" or "decoder") and layer of each layer module.
        attention_layers: The layer that any module inside a layer belongs to, by module id.
    """

    sites: tuple[str, ...]
    layers: Mapping[int, Place]
    attention_layers: Mapping[int, Place]


@dataclass
class Seat:
    """What one forward pass does and sees; belongs to the thread that runs it.

    Attributes:
        layout: The model's layout.
        interventions: Changes to make.
        detailed: Whether to note values, outputs, residual stream and activations too.
        keeps_resid: Whether to note the residual stream, whatever else.
        records: Attention of every input of the batch, by place.
        resid: The residual stream after each layer; layer −1 is what goes into layer 0.
        ff: Feed-forward activations, after the non-linearity.
        out_proj: Output projections W_O.
    """

    layout: Layout
    interventions: tuple[Intervention, ...] = ()
    detailed: bool = False
    keeps_resid: bool = field(default=False, kw_only=True)
    records: dict[Place, list[AttentionRecord]] = field(default_factory=dict)
    resid: dict[Place, Tensor] = field(default_factory=dict)
    ff: dict[Place, Tensor] = field(default_factory=dict)
    out_proj: dict[Place, Tensor] = field(default_factory=dict)

    @property
    def sees_layers(self) -> bool:
        """Whether the residual stream is to be noted."""
        return self.detailed or self.keeps_resid

    def saw_layer(self, module: nn.Module, entering: Tensor, leaving: Tensor) -> None:
        """Note the residual stream around a layer."""
        site, layer = self.layout.layers[id(module)]
        if layer == 0:
            self.resid[site, -1] = entering
        self.resid[site, layer] = leaving

    def chosen(self, place: Place, n_items: int) -> list[tuple[Change, ...]]:
        """What is to be changed at a place, by input of the batch."""
        return [
            tuple(c for c in of_item(self.interventions, item) if concerns(c, *place))
            for item in range(n_items)
        ]


S = TypeVar("S", bound=Seat)

_current: ContextVar[Seat | None] = ContextVar("seat", default=None)


@contextmanager
def capturing(seat: S) -> Iterator[S]:
    """Let a seat see the forward passes of this thread."""
    token = _current.set(seat)
    try:
        yield seat
    finally:
        _current.reset(token)


def current() -> Seat | None:
    """The seat of the call under way in this thread, if any."""
    return _current.get()


def own(batched: Tensor, item: int) -> Tensor:
    """One item of a batch that keeps nothing else alive (a view of a fused projection would)."""
    tensor = batched[item].detach()
    is_view = tensor.untyped_storage().nbytes() > tensor.numel() * tensor.element_size()
    return tensor.clone() if is_view else tensor


def intervened(
    record: AttentionRecord, changes: tuple[Change, ...], output: Tensor
) -> AttentionRecord:
    """Impose changes on one item: write the changed heads into ``output`` [pos head d]."""
    if not changes:
        return record
    patterns, outputs = imposed(record, changes)
    for head, changed in outputs.items():
        output[:, head] = changed.to(output.dtype)
    return replace(record, overrides=patterns, z=output.transpose(0, 1))
