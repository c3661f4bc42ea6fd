"""Where a model makes its positions, and how a forward pass does without them.

Every kind is a module of its own, in ours as in Transformers' models: a table whose rows are added
to the embeddings, a rotary module that gives cosines and sines, a bias by distance. A hook on it
answers for it while a seat wants positions away; otherwise it does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from transformer_core.errors import InputError, NotInTraceError
from transformer_core.model.positional import (
    AlibiPositions,
    LearnedPositions,
    RotaryPositions,
    SinusoidalPositions,
)
from transformer_core.tracing import seat
from transformer_core.tracing.interventions import InItem, Intervention, WithoutPositions

Kind = Literal["sinusoidal", "learned", "rotary", "alibi", "relative"]

_TABLES = {"position_embeddings", "position_embedding", "wpe", "embed_positions"}
"""What Transformers' models call a module whose result is added to the embeddings."""

_OWN: dict[type[nn.Module], Kind] = {
    SinusoidalPositions: "sinusoidal",
    LearnedPositions: "learned",
    RotaryPositions: "rotary",
    AlibiPositions: "alibi",
}


@dataclass(frozen=True)
class PositionPart:
    """One module that makes positions.

    Attributes:
        kind: ``relative`` is T5's learned bias by distance.
        name: Where it stands in the model.
        module: The module.
        offset: Rows of its table before that of position 0 (BART has 2, RoBERTa the padding's).
    """

    kind: Kind
    name: str
    module: nn.Module
    offset: int = 0

    @property
    def table(self) -> Float[Tensor, "pos d_model"]:
        """The vectors that are added, one a position.

        Raises:
            NotInTraceError: If this kind has no table.
        """
        names = ("weight", "weights", "encoding")
        weight = next((getattr(self.module, n) for n in names if hasattr(self.module, n)), None)
        if not isinstance(weight, Tensor) or self.kind not in {"learned", "sinusoidal"}:
            raise NotInTraceError(f"{self.name} ({self.kind}) adds no vectors: it has no table.")
        return weight.detach()[self.offset :].float()


def find_positions(module: nn.Module) -> tuple[PositionPart, ...]:
    """The parts of a model that make its positions; none where it hides them elsewhere."""
    found = (_part(name, part) for name, part in module.named_modules())
    return tuple(part for part in found if part is not None)


def _part(name: str, module: nn.Module) -> PositionPart | None:
    own = _OWN.get(type(module))
    if own is not None:
        return PositionPart(own, name, module)
    last, kind = name.rpartition(".")[2], type(module).__name__
    if "RotaryEmbedding" in kind:
        return PositionPart("rotary", name, module)
    if last == "relative_attention_bias" and isinstance(module, nn.Embedding):
        return PositionPart("relative", name, module)
    if last in _TABLES:
        is_fixed = "Sinusoidal" in kind
        return PositionPart(
            "sinusoidal" if is_fixed else "learned", name, module, _offset(module, is_fixed)
        )
    return None


def _offset(module: nn.Module, is_fixed: bool) -> int:
    offset, padding = getattr(module, "offset", None), getattr(module, "padding_idx", None)
    if isinstance(offset, int):
        return offset
    return 0 if is_fixed or padding is None else int(padding) + 1


def watch_positions(parts: Sequence[PositionPart]) -> None:
    """Let a seat take positions away."""
    for part in parts:
        part.module.register_forward_hook(_on_positions, with_kwargs=True)


def _on_positions(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
    watching = seat.current()
    if watching is None or not watching.interventions:
        return None
    is_away = any(isinstance(change, WithoutPositions) for change in watching.interventions)
    return _nothing(module, args, kwargs, output) if is_away else None


def _nothing(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
    """What the module would have said if there were no positions."""
    if isinstance(module, SinusoidalPositions | LearnedPositions):
        return args[0] if args else kwargs["token_embed"]
    if isinstance(module, RotaryPositions):
        return args[0] if args else kwargs["heads"]
    if isinstance(output, tuple):
        cos, sin = output
        # Some variants scale both (YaRN): not turning at all keeps that scale.
        return (cos.square() + sin.square()).sqrt(), torch.zeros_like(sin)
    return torch.zeros_like(output)


def check_positions(
    interventions: Sequence[Intervention], parts: Sequence[PositionPart], name: str
) -> None:
    """Refuse to take away what is not there, or what a batch shares.

    Raises:
        InputError: If the model has no such part, or one input of a batch alone is meant.
    """
    for change in interventions:
        if isinstance(change, InItem) and isinstance(change.change, WithoutPositions):
            raise InputError(
                "Positions are shared by a batch: take them away from all its inputs, or trace the "
                "one by itself."
            )
        if isinstance(change, WithoutPositions) and not parts:
            raise InputError(
                f"{name} makes its positions in no module of its own, so they cannot be taken away."
            )
