"""Single weights set to zero, the smallest first (Han et al. 2015), by torch.nn.utils.prune."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils import prune

from transformer_core.efficiency.variants import Variant, rebuilt, size_of
from transformer_core.errors import ConfigError, InputError


def matrices_of(module: nn.Module) -> list[nn.Module]:
    """The modules whose weights are pruned: linear maps, GPT-2's kind included; no embeddings."""
    tables = {id(p.weight) for p in module.modules() if isinstance(p, nn.Embedding)}
    return [
        part
        for part in module.modules()
        if (isinstance(part, nn.Linear) or type(part).__name__ == "Conv1D")
        and id(part.weight) not in tables
    ]


def without_small_weights(model: Any, share: float, *, name: str = "") -> Variant:
    """A model whose smallest weights, by magnitude and over all matrices together, are 0.

    Args:
        model: The model.
        share: Share of the weights of its linear maps, from 0 to below 1. Embeddings stay.
        name: What results call it.

    Raises:
        ConfigError: If the share is out of range.
        InputError: If the model has no linear maps.
    """
    if not 0 <= share < 1:
        raise ConfigError(
            f"The share of weights to prune is {share:g}; it must be from 0 to below 1."
        )
    if not matrices_of(model.module):
        raise InputError(f"{model.card.id} has no linear maps whose weights could be pruned.")
    facts: dict[str, Any] = {"share": share}

    def cut(module: nn.Module) -> None:
        parts: list[Any] = matrices_of(module)
        for part in parts:
            part.weight = nn.Parameter(part.weight.detach().clone(), requires_grad=False)
        prune.global_unstructured(
            [(part, "weight") for part in parts],
            pruning_method=prune.L1Unstructured,
            amount=share,
        )
        for part in parts:
            prune.remove(part, "weight")
            part.weight.requires_grad_(False)
        facts["zeros"] = sum(int((part.weight == 0).sum()) for part in parts)
        facts["weights"] = sum(int(part.weight.numel()) for part in parts)
        facts["packed_bytes"] = packed_bytes(module, parts)

    made = rebuilt(model, cut)
    return Variant(name or f"{share:.0%} of weights pruned", made, (), facts)


@torch.no_grad()
def packed_bytes(module: nn.Module, parts: list[Any]) -> int:
    """Bytes on a disk if zeros were left out: the other weights, and one bit a place."""
    saved = 0
    for part in parts:
        weight = part.weight
        n_zero = int((weight == 0).sum())
        saved += n_zero * weight.element_size() - weight.numel() // 8
    return size_of(module) - saved
