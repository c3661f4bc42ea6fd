"""Heads by what is missing once the others have been refitted to stand in for them.

The optimal brain surgeon (Hassibi & Stork 1993), for whole heads: of a layer with head outputs Z,
output matrix W and G = Zᵀ Z / n, taking out head h and moving the other rows of W to make up for it
leaves an error of W_hᵀ ([G⁻¹]_hh)⁻¹ W_h in the layer's output. How much that matters is told by the
loss's gradients g there: ½ tr(E[g gᵀ] W_hᵀ ([G⁻¹]_hh)⁻¹ W_h), the Gauss–Newton estimate of the rise
of the loss. Heads go one by one, the others' rows and G are kept up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from transformer_core.efficiency.cutting import attention_parts
from transformer_core.efficiency.evaluation import EvaluationSet
from transformer_core.efficiency.forward import logits_of, losses
from transformer_core.efficiency.quality import GoOn, batches
from transformer_core.efficiency.variants import Head
from transformer_core.model.attention import MultiHeadAttention
from transformer_core.tracing.scratch import ScratchModel
from transformer_core.tracing.seat import Place

RIDGE = 0.01
"""Added to G's diagonal, as a share of its mean."""


@dataclass
class _Layer:
    """One attention module while heads are taken out of it.

    Attributes:
        gram: G of the heads that are left [d_z d_z].
        weight: Their rows of the output matrix [d_z d_model].
        slopes: E[g gᵀ] at the module's output [d_model d_model].
        heads: The heads that are left, in order.
    """

    gram: Float[Tensor, "d_z d_z"]
    weight: Float[Tensor, "d_z d_model"]
    slopes: Float[Tensor, "d_model d_model"]
    heads: list[int]

    def costs(self) -> dict[int, float]:
        """What is missing without each head, the others refitted."""
        inverse = torch.linalg.inv(self.gram)
        return {head: self._cost(inverse, index) for index, head in enumerate(self.heads)}

    def take_out(self, head: int) -> None:
        """Take a head out and let the others make up for it."""
        rows = self._rows(self.heads.index(head))
        kept = torch.ones(len(self.gram), dtype=torch.bool)
        kept[rows] = False
        inverse = torch.linalg.inv(self.gram)
        move = inverse[:, rows] @ torch.linalg.solve(inverse[rows, rows], self.weight[rows])
        self.weight = (self.weight - move)[kept]
        self.gram = self.gram[kept][:, kept]
        self.heads.remove(head)

    def _cost(self, inverse: Tensor, index: int) -> float:
        rows = self._rows(index)
        mine = self.weight[rows]
        missing = mine.T @ torch.linalg.solve(inverse[rows, rows], mine)
        return float((self.slopes * missing).sum()) / 2

    def _rows(self, index: int) -> slice:
        d_head = len(self.gram) // len(self.heads)
        return slice(index * d_head, (index + 1) * d_head)


def missing_without(
    model: ScratchModel, on: EvaluationSet, *, go_on: GoOn = lambda: None
) -> dict[Head, float]:
    """How much the loss would rise without each head alone, the others refitted; nats a token."""
    layers = _layers(model, on, go_on)
    return {
        (*place, head): cost
        for place, layer in layers.items()
        for head, cost in layer.costs().items()
    }


def least_missed_first(
    model: ScratchModel, on: EvaluationSet, n_heads: int, *, go_on: GoOn = lambda: None
) -> list[Head]:
    """The order in which heads go: always the one that the others, refitted, replace best."""
    layers = _layers(model, on, go_on)
    costs = {place: layer.costs() for place, layer in layers.items()}
    order: list[Head] = []
    while len(order) < n_heads:
        go_on()
        _, place, head = min(
            (cost, place, head) for place, found in costs.items() for head, cost in found.items()
        )
        layers[place].take_out(head)
        costs[place] = layers[place].costs() if layers[place].heads else {}
        order.append((*place, head))
    return order


def _layers(model: ScratchModel, on: EvaluationSet, go_on: GoOn) -> dict[Place, _Layer]:
    """What is known of each attention module from one pass, forward and back."""
    parts = dict(attention_parts(model.module))
    outputs: dict[Place, list[Tensor]] = {place: [] for place in parts}
    slopes: dict[Place, list[Tensor]] = {place: [] for place in parts}
    n_labels = 0
    for batch in batches(model, on, is_calibration=True):
        go_on()
        target = batch.source if batch.target is None else batch.target
        with _watched(parts, outputs) as moved, torch.enable_grad():
            losses(logits_of(model, batch), batch).sum().backward()
        n_labels += batch.n_labels
        for place, tensor in moved.items():
            mask = batch.source.mask if place[0] == "encoder" else target.mask
            outputs[place][-1] = outputs[place][-1][mask]
            if tensor.grad is not None:
                slopes[place].append(tensor.grad[mask])
    return {
        place: _layer(part, torch.cat(outputs[place]), torch.cat(slopes[place]), n_labels)
        for place, part in parts.items()
    }


def _layer(part: MultiHeadAttention, z: Tensor, slopes: Tensor, n_labels: int) -> _Layer:
    z, slopes = z.double(), slopes.double()
    gram = z.T @ z / len(z)
    gram.diagonal().add_(RIDGE * float(gram.diagonal().mean()))
    weight = part.w_o.weight.detach().double().T.clone()
    # Σ g gᵀ over positions, a token of the loss: places of texts of other lengths compare.
    return _Layer(gram, weight, slopes.T @ slopes / n_labels, list(range(part.n_heads)))


@contextmanager
def _watched(
    parts: dict[Place, MultiHeadAttention], outputs: dict[Place, list[Tensor]]
) -> Iterator[dict[Place, Tensor]]:
    """Note what heads put out, and where the loss's gradient at a module's output gathers."""
    moved: dict[Place, Tensor] = {}
    handles = [
        part.w_o.register_forward_hook(_hook(place, outputs[place], moved))
        for place, part in parts.items()
    ]
    try:
        yield moved
    finally:
        for handle in handles:
            handle.remove()


def _hook(place: Place, seen: list[Tensor], moved: dict[Place, Tensor]) -> Any:
    def hook(_: nn.Module, args: Any, written: Tensor) -> Tensor:
        seen.append(args[0].detach())
        moved[place] = torch.zeros_like(written, requires_grad=True)
        return written + moved[place]

    return hook
