"""Masks say who may look at whom: bool, True = may attend."""

import torch
from jaxtyping import Bool
from torch import Tensor

from transformer_core.errors import MaskError


def padding_mask(
    is_real: Bool[Tensor, "batch key_pos"] | None,
) -> Bool[Tensor, "batch 1 1 key_pos"] | None:
    """Hide padding from every query of every head.

    Args:
        is_real: True where a position holds a token, False where it is padding.

    Returns:
        A mask that broadcasts over heads and queries; None where there is no padding to hide, so
        that attention can do without a mask.

    Raises:
        MaskError: If a row is nothing but padding.
    """
    if is_real is None or bool(is_real.all()):
        return None
    empty = ~is_real.any(dim=-1)
    if bool(empty.any()):
        raise MaskError(
            f"Row {int(empty.nonzero()[0])} of the batch is nothing but padding: there is nothing "
            "to attend to. Give it at least one token."
        )
    return is_real[:, None, None, :]


def causal_mask(
    n_query: int, n_key: int | None = None, *, device: torch.device | None = None
) -> Bool[Tensor, "query_pos key_pos"]:
    """Let each position see itself and what came before, never the future.

    Args:
        n_query: Positions that read.
        n_key: Positions that are read, if a cache holds more of them; the last query is then the
            position of the last key.
        device: Where to make it.
    """
    n_key = n_query if n_key is None else n_key
    everything = torch.ones(n_query, n_key, dtype=torch.bool, device=device)
    return everything.tril(n_key - n_query)


def both(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """What two masks let through together; None lets everything through."""
    if first is None or second is None:
        return second if first is None else first
    return first & second
