"""Whether the tensors of a record that was read from a file fit together."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from transformer_core.errors import InputError

Shape = tuple[int, ...]


def check_record(
    tensors: Mapping[str, Tensor | None],
    *,
    overrides: Mapping[int, Tensor],
    scaling: float,
    n_tokens: tuple[int, int],
    where: str,
) -> None:
    """Make sure that a record fits its tokens, so that no picture of it fails halfway.

    Args:
        tensors: The fields of an ``AttentionRecord`` by name.
        overrides: Its imposed patterns by head.
        scaling: What its scores are multiplied by.
        n_tokens: Tokens that read, and tokens that are read.
        where: What to call it in an error.

    Raises:
        InputError: If a shape or a number is not what it must be, and which.
    """
    q, k = tensors.get("q"), tensors.get("k")
    if q is None or k is None or q.ndim != 3 or k.ndim != 3:
        raise InputError(f"{where} lacks queries or keys.")
    n_heads, kv_heads, d_head = q.shape[0], k.shape[0], q.shape[2]
    if n_heads == 0 or kv_heads == 0 or n_heads % kv_heads:
        raise InputError(f"{where} has {n_heads} query heads for {kv_heads} key heads.")
    if not math.isfinite(scaling):
        raise InputError(f"{where} has the scaling {scaling}.")
    if not set(overrides) <= set(range(n_heads)):
        raise InputError(f"{where} has patterns of the heads {sorted(overrides)}.")
    if d_head == 0 and len(overrides) < n_heads:
        raise InputError(f"{where} has queries and keys of no components.")
    n_query, n_key = n_tokens
    wanted: dict[str, list[Shape]] = {
        "q": [(n_heads, n_query, d_head)],
        "k": [(kv_heads, n_key, d_head)],
        "mask": [(1, n_query, n_key), (n_heads, n_query, n_key)],
        "bias": [(1, n_query, n_key), (n_heads, n_query, n_key)],
    }
    for name, shapes in wanted.items():
        _check_tensor(tensors.get(name), shapes, f"{name} of {where}", is_mask=name == "mask")
    for head, pattern in overrides.items():
        _check_tensor(pattern, [n_tokens], f"the pattern of head {head} of {where}")
    for name, rows, n in (("v", kv_heads, n_key), ("z", n_heads, n_query)):
        tensor = tensors.get(name)
        width = tensor.shape[-1] if tensor is not None and tensor.ndim else 0
        _check_tensor(tensor, [(rows, n, width)], f"{name} of {where}")


def _check_tensor(
    tensor: Tensor | None, shapes: list[Shape], name: str, *, is_mask: bool = False
) -> None:
    if tensor is None:
        return
    if tuple(tensor.shape) not in shapes:
        raise InputError(f"{name} has the shape {tuple(tensor.shape)}, not {shapes[-1]}.")
    if not (tensor.dtype == torch.bool if is_mask else tensor.is_floating_point()):
        raise InputError(f"{name} holds {tensor.dtype}.")
    if not is_mask and bool(tensor.isnan().any()):
        raise InputError(f"{name} holds what is not a number.")
