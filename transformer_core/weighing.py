"""Bytes that things keep alive, by blocks of memory: what is shared is seen to be shared."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Blocks = dict[Hashable, int]
_PLAIN = (str, bytes, bytearray)
_PER_OBJECT = 64
"""Bytes of a small Python object, about."""


def weigh(value: Any) -> Blocks:
    """The blocks of memory that a value keeps alive: tensors' storages, arrays, texts.

    Looks into containers, dataclasses and what a dataclass has computed of itself, but not into
    models (their weights are counted with the models) and not into functions. A class whose
    objects refer to what is not theirs says in ``own_parts`` what is.
    """
    blocks: Blocks = {}
    _weigh(value, blocks, set())
    return blocks


def weigh_module(module: Any) -> Blocks:
    """The blocks of a model's weights and buffers; matrices that are tied count once."""
    blocks: Blocks = {}
    for tensors in (module.parameters(), module.buffers()):
        for tensor in tensors:
            _weigh_tensor(tensor, blocks)
    return blocks


def _weigh(value: Any, blocks: Blocks, seen: set[int]) -> None:
    if value is None or isinstance(value, bool | int | float | type) or id(value) in seen:
        return
    seen.add(id(value))
    if not _is_leaf(value, blocks):
        for one in _inside(value, blocks):
            _weigh(one, blocks, seen)


def _is_leaf(value: Any, blocks: Blocks) -> bool:
    """Whether nothing further is inside; its memory is noted then."""
    torch = sys.modules.get("torch")  # where it was never imported there are no tensors
    if torch is not None and isinstance(value, torch.Tensor):
        _weigh_tensor(value, blocks)
    elif isinstance(value, np.ndarray):
        owner = value if value.base is None or not hasattr(value.base, "nbytes") else value.base
        blocks["array", id(owner)] = int(owner.nbytes)
    elif isinstance(value, _PLAIN):
        blocks["text", id(value)] = sys.getsizeof(value)
    else:
        return torch is not None and isinstance(value, torch.nn.Module)
    return True


def _inside(value: Any, blocks: Blocks) -> Iterable[Any]:
    """What a value consists of."""
    own = getattr(value, "own_parts", None)
    if own is not None:
        return list(own)
    if isinstance(value, Mapping):
        blocks["object", id(value)] = _PER_OBJECT * (1 + len(value))
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        blocks["object", id(value)] = _PER_OBJECT + 8 * len(value)
        return list(value)
    if dataclasses.is_dataclass(value):
        blocks["object", id(value)] = _PER_OBJECT
        slots = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
        return list((slots | getattr(value, "__dict__", {})).values())
    return ()


def _weigh_tensor(tensor: Tensor, blocks: Blocks) -> None:
    storage = tensor.untyped_storage()
    blocks["storage", storage.data_ptr()] = storage.nbytes()
