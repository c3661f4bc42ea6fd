"""Rules by which attention keeps some links only; imposed as a mask, before softmax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.errors import ConfigError, InputError
from transformer_core.functional import best_keys

Scores = Float[Tensor, "batch head query_pos key_pos"]
Links = Bool[Tensor, "#batch #head query_pos key_pos"]


@dataclass(frozen=True)
class TopShare:
    """Every query keeps its best keys: of n visible ones the max(1, ⌊n · (1 − sparsity)⌋) first.

    The rule of :func:`transformer_core.functional.top_k_sparse_attention`. All scores must be
    computed before the best are known: what is saved is values read, not scores.

    Attributes:
        sparsity: Share of the visible keys that is dropped, from 0 to below 1.
    """

    sparsity: float

    def __post_init__(self) -> None:
        """Refuse a share that leaves nothing.

        Raises:
            ConfigError: If it is below 0, or 1 and more.
        """
        if not 0 <= self.sparsity < 1:
            raise ConfigError(
                f"sparsity is {self.sparsity:g}; it must be from 0 (keep all keys) to below 1 "
                "(1 would drop every key, and a row needs one to sum to 1)."
            )

    @property
    def needs_self_attention(self) -> bool:
        """Whether queries and keys must be positions of one text."""
        return False

    def __str__(self) -> str:
        return f"top-k, sparsity {self.sparsity:g}"


@dataclass(frozen=True)
class Window:
    """Every query keeps the keys near it (Beltagy et al. 2020, section 3.1).

    Attributes:
        reach: Keys kept on each side, besides the query's own position.
        n_first: First positions that stay visible to all (the sinks of Xiao et al. 2023).
    """

    reach: int
    n_first: int = 0

    def __post_init__(self) -> None:
        """Refuse negative numbers.

        Raises:
            ConfigError: If there is one.
        """
        _check_count("The window's reach", self.reach, least=0)
        _check_count("The number of first positions", self.n_first, least=0)

    @property
    def needs_self_attention(self) -> bool:
        """Whether queries and keys must be positions of one text."""
        return True

    def __str__(self) -> str:
        first = f" and the first {self.n_first}" if self.n_first else ""
        return f"window of ±{self.reach}{first}"


@dataclass(frozen=True)
class Blocks:
    """Every query keeps the keys of its own block (Qiu et al. 2019, section 3.1).

    Attributes:
        size: Positions of a block.
        n_first: First positions that stay visible to all.
    """

    size: int
    n_first: int = 0

    def __post_init__(self) -> None:
        """Refuse an empty block.

        Raises:
            ConfigError: If there is one, or a negative number.
        """
        _check_count("The block's size", self.size, least=1)
        _check_count("The number of first positions", self.n_first, least=0)

    @property
    def needs_self_attention(self) -> bool:
        """Whether queries and keys must be positions of one text."""
        return True

    def __str__(self) -> str:
        first = f" and the first {self.n_first}" if self.n_first else ""
        return f"blocks of {self.size}{first}"


Rule = TopShare | Window | Blocks


@dataclass(frozen=True)
class SparseAttention:
    """Keep those links only that a rule keeps.

    Windows and blocks concern self-attention; cross-attention stays whole under them.

    Attributes:
        rule: Which links stay.
        site, layer, head: Where; None means everywhere.
    """

    rule: Rule
    site: str | None = None
    layer: int | None = None
    head: int | None = None


def kept_links(rule: Rule, attn_scores: Scores) -> Links:
    """Which links a rule keeps, of those that are visible.

    Args:
        rule: The rule.
        attn_scores: Scaled and masked scores, −∞ where a query may not look. The last query stands
            at the last key, as in a cache that is longer than the queries.
    """
    if isinstance(rule, TopShare):
        return best_keys(attn_scores, rule.sparsity)
    n_query, n_key = attn_scores.shape[-2:]
    key = torch.arange(n_key)[None, :]
    query = torch.arange(n_query)[:, None] + n_key - n_query
    if isinstance(rule, Window):
        near = (query - key).abs() <= rule.reach
    else:
        near = query // rule.size == key // rule.size
    visible = attn_scores > -torch.inf
    kept = (near | (key < rule.n_first)) & visible
    # A position of padding may have none of its own keys left; nobody reads it, so it keeps all.
    return kept | (visible & ~kept.any(dim=-1, keepdim=True))


def with_links_cut(
    mask: Tensor,
    attn_scores: Callable[[], Scores],
    sparse: list[tuple[SparseAttention, ...]],
    *,
    is_self: bool,
) -> Tensor:
    """A mask that hides the links that rules drop, too.

    Args:
        mask: True where a query may look, or what is added to the scores; whole, with causality.
        attn_scores: Gives scaled and masked scores.
        sparse: What each input of the batch gets.
        is_self: Whether queries and keys are positions of one text.
    """
    scores = attn_scores()
    kept = torch.ones_like(scores, dtype=torch.bool)
    for rule, items, head in _by_rule(sparse, is_self=is_self):
        if head is not None and not 0 <= head < scores.shape[1]:
            raise InputError(f"There is no head {head}; heads run from 0 to {scores.shape[1] - 1}.")
        heads = slice(None) if head is None else slice(head, head + 1)
        kept[items, heads] &= kept_links(rule, scores[items, heads])
    if mask.dtype == torch.bool:
        return mask & kept
    return mask.expand(scores.shape).masked_fill(~kept, torch.finfo(mask.dtype).min)


def _by_rule(
    sparse: list[tuple[SparseAttention, ...]], *, is_self: bool
) -> list[tuple[Rule, list[int], int | None]]:
    """Rules with the inputs of the batch that they concern: usually one rule for all."""
    items: dict[tuple[Rule, int | None], list[int]] = {}
    for item, changes in enumerate(sparse):
        for change in changes:
            if is_self or not change.rule.needs_self_attention:
                items.setdefault((change.rule, change.head), []).append(item)
    return [(rule, found, head) for (rule, head), found in items.items()]


def _check_count(what: str, count: int, *, least: int) -> None:
    if count < least:
        raise ConfigError(f"{what} is {count}; it must be at least {least}.")
