"""From tokens to words, and without special tokens: patterns as people ask for them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.errors import InputError
from transformer_core.tokenization.tokens import Tokens

Groups = Sequence[Sequence[int]]
"""Positions that are merged, group by group."""


def by_word(
    pattern: Float[Tensor, "query_pos key_pos"], queries: Tokens, keys: Tokens
) -> Float[Tensor, "query_word key_word"]:
    """Merge sub-words: weights are summed over a word's keys and averaged over its queries.

    Rows still sum to 1 (Clark et al. 2019, section 4.1).
    """
    rows, columns = ([word.positions for word in tokens.words] for tokens in (queries, keys))
    return merged(pattern, rows, columns)


def merged(
    pattern: Float[Tensor, "query_pos key_pos"], rows: Groups, columns: Groups
) -> Float[Tensor, "query_group key_group"]:
    """Average a pattern over groups of queries and sum it over groups of keys.

    Args:
        rows: Query positions of each group, counted from the pattern's first row.
        columns: Key positions of each group.
    """
    means = torch.stack([pattern[list(group)].mean(dim=0) for group in rows])
    return torch.stack([means[:, list(group)].sum(dim=1) for group in columns], dim=1)


def without(
    pattern: Float[Tensor, "query_pos key_pos"], queries: list[int], keys: list[int]
) -> Float[Tensor, "kept_query kept_key"]:
    """Leave positions out and renormalise the rest of each row to sum to 1.

    Args:
        queries: Rows to keep.
        keys: Columns to keep.

    Raises:
        InputError: If nothing would be left.
    """
    if not queries or not keys:
        raise InputError("Nothing is left to show without the special tokens.")
    kept = pattern[queries][:, keys]
    total = kept.sum(dim=-1, keepdim=True)
    return torch.where(total > 0, kept / total.clamp_min(torch.finfo(kept.dtype).tiny), 0.0)
