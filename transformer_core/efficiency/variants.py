"""Variants of a model: copies that share its weights, and changes made while it runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import torch
from torch import nn

from transformer_core.model import Transformer
from transformer_core.tracing.interventions import Intervention
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.scratch import ScratchModel

Head = tuple[str, int, int]
"""Site, layer and head."""


@dataclass(frozen=True, eq=False)
class Variant:
    """A model as it is to be measured.

    Attributes:
        name: What results call it.
        model: The model, or a changed copy of it.
        interventions: Changes to make in its attention while it runs.
        facts: What was done, as plain data.
    """

    name: str
    model: Any
    interventions: tuple[Intervention, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Bytes of its weights as they lie in memory, shared ones counted once."""
        return size_of(self.model.module)


def plain(model: TraceableModel) -> Variant:
    """The model as it is."""
    return Variant("plain", model)


def size_of(module: nn.Module) -> int:
    """Bytes of all parameters and saved buffers; those that share memory count once."""
    kept = module.state_dict(keep_vars=True).values()
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in kept
    }
    return sum(storages.values())


def rebuilt(model: TraceableModel, change: Callable[[nn.Module], None]) -> Any:
    """A model with a changed copy of its module; the copy shares all weights that stay.

    Args:
        model: The model; it is left as it is.
        change: Changes the copy; it must put new tensors in the place of those that it changes.
    """
    if isinstance(model, ScratchModel):
        own = shared_transformer(model.module)
        change(own)
        return ScratchModel(own, model.tokenizer, model.card)
    hugging_face: Any = model
    module = shared_copy(hugging_face.module)
    change(module)
    return type(hugging_face)(
        module,
        hugging_face._tokenizer,
        hugging_face.card,
        image_processor=hugging_face.image_processor,
    )


def shared_transformer(module: Transformer) -> Transformer:
    """A Transformer of our own with the same weights, not copies of them, and without hooks."""
    with torch.device("meta"):
        twin = Transformer(module.config)
    twin.load_state_dict(module.state_dict(), assign=True)
    _fill_buffers(module, twin)
    return twin.train(False).requires_grad_(False)


def shared_copy(module: nn.Module) -> nn.Module:
    """A copy of a module whose parameters and buffers are the same tensors."""
    shared = {id(t): t for t in chain(module.parameters(), module.buffers())}
    return copy.deepcopy(module, shared)


def with_config(module: Transformer, **changes: Any) -> Transformer:
    """Give a module another configuration, without building it anew."""
    module.config = replace(module.config, **changes)
    return module


def all_heads(model: TraceableModel) -> list[Head]:
    """Every head of every site, in order."""
    return [
        (site, layer, head)
        for site in model.sites
        for layer in range(model.n_layers(site))
        for head in range(model.n_heads(site))
    ]


def _fill_buffers(source: nn.Module, twin: nn.Module) -> None:
    """Share the buffers that no file keeps, such as tables of positions."""
    for name, buffer in source.named_buffers():
        path, _, last = name.rpartition(".")
        setattr(twin.get_submodule(path), last, buffer)
