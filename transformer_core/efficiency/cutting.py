"""Parts of a model cut out: heads and layers that are not computed any more."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from transformer_core.efficiency.heads import ablated, check_number
from transformer_core.efficiency.variants import Head, Variant, rebuilt, with_config
from transformer_core.errors import InputError
from transformer_core.model import Transformer
from transformer_core.model.attention import MultiHeadAttention, SelfAttention
from transformer_core.tracing.scratch import ScratchModel


def without_heads(model: Any, heads: Collection[Head], *, name: str = "") -> Variant:
    """A model without some heads.

    In a model of our own they are cut out of the matrices: they cost neither time nor memory. In
    others their output is set to 0 while the model runs, which gives the same numbers and saves
    nothing.

    Raises:
        InputError: If no head would be left.
    """
    check_number(model, len(set(heads)))
    label = name or f"{len(set(heads))} heads pruned"
    facts = {"heads": [list(head) for head in sorted(heads)]}
    if not isinstance(model, ScratchModel):
        return Variant(label, model, ablated(heads), {**facts, "cut_out": False})

    def cut(module: nn.Module) -> None:
        for place, part in attention_parts(module):
            gone = {head for *at, head in heads if tuple(at) == place}
            if gone:
                _cut_heads(part, gone)

    return Variant(label, rebuilt(model, cut), (), {**facts, "cut_out": True})


def without_layers(model: Any, layers: Collection[tuple[str, int]], *, name: str = "") -> Variant:
    """A model without some layers; the others follow on each other.

    Args:
        model: The model.
        layers: Stack (``encoder`` or ``decoder``) and layer of each.
        name: What results call it.

    Raises:
        InputError: If there is no such layer, or a stack would have none left.
    """
    for stack in sorted({stack for stack, _ in layers}):
        if stack not in model.sites or stack == "cross":
            raise InputError(f"{model.card.id} has no {stack}; it has {', '.join(model.sites)}.")
        there = model.n_layers(stack)
        gone = {layer for at, layer in layers if at == stack}
        if not gone <= set(range(there)) or len(gone) == there:
            raise InputError(
                f"Layers {sorted(gone)} of the {stack} cannot be pruned: it has layers 0 to "
                f"{there - 1}, and at least one must stay."
            )
    label = name or f"{len(set(layers))} layers pruned"
    layout = model.layout.layers

    def cut(module: nn.Module) -> None:
        found: dict[tuple[str, int], tuple[str, int]] = {}
        for (path, _), place in zip(_layers_of(model.module, layout), layout.values(), strict=True):
            found[place] = path
        for stack in {stack for stack, _ in layers}:
            places = [place for place in found if place[0] == stack]
            parent = found[places[0]][0]
            old = module.get_submodule(parent)
            kept = [place for place in places if place not in layers]
            _set(module, parent, nn.ModuleList(old[found[place][1]] for place in kept))  # type: ignore[index]
            _tell_config(module, stack, len(kept))

    facts = {"layers": [list(layer) for layer in sorted(layers)]}
    return Variant(label, rebuilt(model, cut), (), facts)


def attention_parts(module: nn.Module) -> Iterator[tuple[tuple[str, int], MultiHeadAttention]]:
    """The attention modules of our own Transformer, with site and layer."""
    for name, part in module.named_modules():
        if isinstance(part, MultiHeadAttention):
            stack, _, layer, kind = name.split(".")
            yield ("cross" if kind == "cross_attention" else stack, int(layer)), part


@torch.no_grad()
def _cut_heads(part: MultiHeadAttention, gone: Collection[int]) -> None:
    """Cut rows of W_Q, W_K, W_V and columns of W_O; the biases of the latter belong to no head."""
    d_head = part.w_q.weight.shape[0] // part.n_heads
    kept = [head for head in range(part.n_heads) if head not in gone]
    is_empty = not kept
    kept = kept or [0]  # a module without heads has no shape: one stays, and writes nothing
    rows = torch.cat([torch.arange(h * d_head, (h + 1) * d_head) for h in kept])
    both = torch.cat([rows, rows + part.n_heads * d_head])
    part.w_q = _linear(part.w_q.weight[rows], part.w_q.bias[rows])
    part.w_kv = _linear(part.w_kv.weight[both], part.w_kv.bias[both])
    w_o = part.w_o.weight[:, rows]
    part.w_o = _linear(torch.zeros_like(w_o) if is_empty else w_o, part.w_o.bias)
    part.n_heads = len(kept)
    if isinstance(part, SelfAttention) and part.alibi is not None:
        part.alibi.slopes = part.alibi.slopes[kept]


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(1, 1, device="meta")
    layer.in_features, layer.out_features = weight.shape[1], weight.shape[0]
    layer.weight = nn.Parameter(weight.clone(), requires_grad=False)
    layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer


def _layers_of(module: nn.Module, layout: Any) -> Iterator[tuple[tuple[str, int], nn.Module]]:
    """Path of the list and index in it, for each layer of a layout, in the layout's order."""
    names = {id(part): name for name, part in module.named_modules()}
    parts = {id(part): part for part in module.modules()}
    for identity in layout:
        path, _, index = names[identity].rpartition(".")
        yield (path, int(index)), parts[identity]


def _set(module: nn.Module, path: str, new: nn.Module) -> None:
    parent, _, last = path.rpartition(".")
    setattr(module.get_submodule(parent), last, new)


def _tell_config(module: nn.Module, stack: str, n_layers: int) -> None:
    """Models go through as many layers as their configuration says."""
    if isinstance(module, Transformer):
        with_config(module, **{f"n_{stack}_layers": n_layers})
        return
    config: Any = module.config
    names = [f"{stack}_layers", f"num_{stack}_layers", f"n_{stack}_layers"]
    if not config.is_encoder_decoder:
        names += ["num_hidden_layers"]
    for name in names:
        if hasattr(config, name):
            setattr(config, name, n_layers)
