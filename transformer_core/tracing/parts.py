"""What goes through the parts of chosen layers: every matrix, norm and non-linearity, in order.

A trace keeps the residual stream between layers. What happens inside one (the sum before a norm,
what a norm makes of it, the feed-forward's numbers before its non-linearity) passes by once; who
wants to see it runs the model again with the parts watched. The hooks are there for that one call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from transformer_core.errors import NotInTraceError
from transformer_core.model.attention import DotProductAttention
from transformer_core.model.embedding import TokenEmbedding, Unembedding
from transformer_core.tracing.seat import Layout, Place
from transformer_core.tracing.trace import Trace

Kind = Literal["layer", "norm", "matrix", "function", "embedding"]
_PASSED_OVER = (nn.Dropout, nn.Identity, DotProductAttention)


@dataclass(frozen=True, eq=False)
class Part:
    """One module's call: what went in and what came out, at the watched positions.

    Attributes:
        name: Its path inside the model, as in code.
        module: The module, for its weights.
        kind: What it is.
        place: Its stack and layer; None outside the layers.
        group: Path of the attention block that it belongs to; empty outside attention.
        entering: What it read.
        leaving: What it made of it.
    """

    name: str
    module: nn.Module
    kind: Kind
    place: Place | None
    group: str
    entering: Tensor
    leaving: Float[Tensor, "pos width"]

    @property
    def class_name(self) -> str:
        """What the code calls it: ``LlamaRMSNorm``."""
        return type(self.module).__name__


@dataclass
class Parts:
    """What was seen of one forward pass.

    Attributes:
        layers: Places whose parts are noted; None for all, and what stands around them.
        position: The one position that is noted; None for all.
        noted: The calls, in the order in which they ended.
        logits: What the model itself made of it all; None without such a head.
    """

    layers: Collection[Place] | None = None
    position: int | None = None
    noted: list[Part] = field(default_factory=list)
    logits: Tensor | None = None

    def of(self, place: Place) -> list[Part]:
        """The parts of one layer, the layer itself last."""
        return [part for part in self.noted if part.place == place]

    def note(self, spot: _Spot, module: nn.Module, entering: Tensor, leaving: Tensor) -> None:
        """Keep what a module read and wrote."""
        part = Part(
            spot.name, module, spot.kind, spot.place, spot.group,
            self._rows(entering), self._rows(leaving),
        )  # fmt: skip
        self.noted.append(part)

    def _rows(self, tensor: Tensor) -> Tensor:
        """Positions by width, of one input: models differ in how they lay them out."""
        rows = tensor.detach()
        rows = rows.reshape(-1, rows.shape[-1]) if rows.is_floating_point() else rows.reshape(-1)
        if self.position is None:
            return rows
        return rows[self.position : self.position + 1].clone()


@dataclass(frozen=True)
class _Spot:
    """Where a watched module stands."""

    name: str
    kind: Kind
    place: Place | None
    group: str


_watching: ContextVar[Parts | None] = ContextVar("parts", default=None)


def watch_parts(
    model: Any,
    trace: Trace,
    *,
    layers: Collection[Place] | None = None,
    position: int | None = None,
) -> Parts:
    """Run a trace's input through its model again and note what goes through the parts.

    Args:
        model: The model that made the trace.
        trace: What to run: its tokens, and its interventions.
        layers: Stack (``encoder`` or ``decoder``) and layer of those to watch; None watches all of
            them and the embeddings and head around them.
        position: Note this position alone, which keeps long texts small.

    Raises:
        NotInTraceError: If the trace has no text behind it that could be run again.
    """
    if not trace.has_details or not trace.source.ids or model.card.reads != "text":
        raise NotInTraceError(
            f"{trace.model_name}: what happens inside a layer is computed by running the text "
            "again; this trace has none (an image, or a matrix that was imported)."
        )
    parts = Parts(layers, position)
    recompute: Any = trace.recompute
    if getattr(recompute, "is_alone", False):
        with _hooked(model.module, model.layout, parts):
            parts.logits = recompute.again()
    if not parts.noted:
        # Read from a file, made by another copy of the model, or one text of a batch, whose rows
        # would stand between this one's.
        fresh: Any = model.trace(trace.source, trace.target, interventions=trace.interventions)
        with _hooked(model.module, model.layout, parts):
            parts.logits = fresh.recompute.again()
    return parts


@contextmanager
def _hooked(module: nn.Module, layout: Layout, parts: Parts) -> Iterator[None]:
    """Watch a model's parts while a block runs, in this thread alone."""
    token = _watching.set(parts)
    with ExitStack() as hooks:
        for spot, part in _spots(module, layout, parts.layers):
            handle = part.register_forward_hook(_note(spot, parts), with_kwargs=True)
            hooks.callback(handle.remove)
        try:
            yield
        finally:
            _watching.reset(token)


def _note(spot: _Spot, parts: Parts) -> Any:
    def hook(module: nn.Module, args: Any, *rest: Any) -> None:
        if _watching.get() is not parts:
            return  # another thread's call, which may see this hook before its keyword arguments
        kwargs, output = rest
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        leaving = output[0] if isinstance(output, tuple) else output
        if given and isinstance(leaving, Tensor) and leaving.dim() <= 3:
            parts.note(spot, module, given[0], leaving)

    return hook


def _spots(
    module: nn.Module, layout: Layout, layers: Collection[Place] | None
) -> Iterator[tuple[_Spot, nn.Module]]:
    """The modules to watch, each once."""
    places: dict[str, Place] = {}
    groups: list[str] = []
    for name, part in module.named_modules():
        if id(part) in layout.layers:
            places[name] = layout.layers[id(part)]
        inside = next((at for prefix, at in places.items() if _is_in(name, prefix)), None)
        if layers is not None and inside not in layers:
            continue
        is_layer = id(part) in layout.layers
        attends = "attention" in type(part).__name__.lower() and inside is not None
        if attends and not is_layer and not any(_is_in(name, one) for one in groups):
            groups.append(name)
        kind = _kind(part, is_layer=is_layer)
        group = next((one for one in groups if _is_in(name, one)), "")
        if kind is not None and not (kind == "function" and (group or inside is None)):
            yield _Spot(name, kind, inside, group), part


def _kind(part: nn.Module, *, is_layer: bool) -> Kind | None:
    if is_layer:
        return "layer"
    if isinstance(part, nn.Embedding | TokenEmbedding):
        return "embedding"
    if isinstance(part, nn.Linear | Unembedding) or type(part).__name__ == "Conv1D":
        return "matrix"
    if next(part.children(), None) is not None or isinstance(part, _PASSED_OVER):
        return None
    if "norm" in type(part).__name__.lower():
        return "norm"
    return None if next(part.parameters(), None) is not None else "function"


def _is_in(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def weight_of(matrix: Part) -> Float[Tensor, "width_in width_out"]:
    """A matrix' weights as the equations write them: x W."""
    weight: Tensor = matrix.module.weight  # type: ignore[assignment]
    is_transposed = type(matrix.module).__name__ == "Conv1D"  # GPT-2
    return weight.detach().float() if is_transposed else weight.detach().float().T


def bias_of(matrix: Part) -> Float[Tensor, " width_out"] | None:
    """What a matrix adds to every position."""
    bias: Tensor | None = getattr(matrix.module, "bias", None)
    return None if bias is None else bias.detach().float()


def is_same(first: Tensor, second: Tensor) -> bool:
    """Whether two notes are the same numbers, to the bit."""
    return first is second or (first.shape == second.shape and torch.equal(first, second))
