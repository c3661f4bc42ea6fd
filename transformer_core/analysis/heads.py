"""Facts about heads on one text: entropy, distance, roles."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.analysis.roles import CLEAR_RATIO, CLEAR_SCORE
from transformer_core.tracing.records import AttentionRecord

MAX_CELLS = 2**22
"""Cells of patterns that are held at once; a layer with more is taken head by head."""


@dataclass(frozen=True)
class HeadFacts:
    """What is known about one head on one text.

    Attributes:
        entropy: Mean entropy of its rows, in bits.
        distance: Mean |query − key| weighted by the pattern, in tokens; None for cross-attention.
        role: The clearest role; empty for "no clear role".
        score: Mean weight that the role's key gets.
        baseline: The same if each row's weights were shuffled among the keys that it may see.
    """

    entropy: float
    distance: float | None
    role: str
    score: float
    baseline: float


def entropy(pattern: Float[Tensor, "*head query_pos key_pos"]) -> Float[Tensor, "*head query_pos"]:
    """Entropy of each row in bits: −Σ p log₂ p; 0 when one key has all the weight."""
    nats: Tensor = torch.special.entr(pattern).sum(dim=-1)
    return nats / math.log(2)


def mean_distance(pattern: Float[Tensor, "*head query_pos key_pos"]) -> Float[Tensor, "*head"]:
    """Mean distance between query and key in tokens, weighted by the pattern."""
    n_query, n_key = pattern.shape[-2:]
    distance = (torch.arange(n_query)[:, None] - torch.arange(n_key)[None, :]).abs()
    return (pattern * distance).sum(dim=(-2, -1)) / n_query


def role_scores(
    pattern: Float[Tensor, "*head pos pos"], visible: Bool[Tensor, "pos pos"] | None = None
) -> dict[str, tuple[Float[Tensor, "*head"], float]]:
    """How strongly self-attention heads play simple positional roles.

    The same numbers as :func:`.roles.scores_of`, from the diagonals alone: fast on long texts.

    Returns:
        By role, the mean weight of the role's key over the queries that have one and another, and
        the exact expectation of that mean if each row's weights were shuffled among the keys that
        the query may see.
    """
    n = pattern.shape[-1]
    if n < 2:
        return {}
    seen = torch.ones(n, n, dtype=torch.bool) if visible is None else visible
    chance = 1 / seen.sum(dim=-1)
    seen = seen & (chance[:, None] < 1)  # a query with one key has no choice
    scores = {}
    for role, offset in (("previous token", -1), ("same token", 0), ("next token", 1)):
        on_role = seen.diagonal(offset)
        if not bool(on_role.any()):
            continue
        rows = torch.arange(n)[max(0, -offset) :][: len(on_role)][on_role]
        weights = pattern.diagonal(offset, dim1=-2, dim2=-1)[..., on_role]
        scores[role] = (weights.mean(dim=-1), float(chance[rows].mean()))
    scores["first token"] = (pattern[..., 1:, 0].mean(dim=-1), float(chance[1:].mean()))
    return scores


def pattern_facts(
    pattern: Float[Tensor, "head query_pos key_pos"],
    visible: Bool[Tensor, "query_pos key_pos"] | None,
    *,
    is_self: bool,
) -> list[HeadFacts]:
    """Facts about some heads that see the same keys.

    Args:
        pattern: Their patterns.
        visible: Where a query may look; None where all may look at all.
        is_self: Whether queries and keys are the same positions.
    """
    bits = entropy(pattern).mean(dim=-1).tolist()
    if not is_self:
        return [HeadFacts(one, None, "", 0.0, 0.0) for one in bits]
    distances = mean_distance(pattern).tolist()
    scores = role_scores(pattern, visible)
    if not scores:
        return [HeadFacts(*known, "", 0.0, 0.0) for known in zip(bits, distances, strict=True)]
    roles, baselines = list(scores), [baseline for _, baseline in scores.values()]
    by_head = torch.stack([score for score, _ in scores.values()], dim=-1).tolist()
    facts = []
    for one, distance, of_head in zip(bits, distances, by_head, strict=True):
        best = max(range(len(roles)), key=of_head.__getitem__)
        score, baseline = of_head[best], baselines[best]
        is_clear = score >= CLEAR_SCORE and score >= CLEAR_RATIO * baseline
        facts.append(HeadFacts(one, distance, roles[best] if is_clear else "", score, baseline))
    return facts


def head_facts(record: AttentionRecord, head: int, *, is_self: bool) -> HeadFacts:
    """Facts about one head, see :func:`pattern_facts`.

    Args:
        record: Its layer.
        head: Counted from 0.
        is_self: Whether queries and keys are the same positions.
    """
    visible = record.visible(head)
    return pattern_facts(record.pattern(head)[None], visible, is_self=is_self)[0]


def all_patterns(records: Sequence[AttentionRecord]) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Patterns of layers one after another; of a short text all layers at once, which is quicker.

    Yields:
        As :func:`layer_patterns`.
    """
    first = records[0]
    n_cells = sum(record.n_heads * record.n_query * record.n_key for record in records)
    if n_cells <= MAX_CELLS and all(_sees_as(first, record) for record in records):
        yield torch.cat([record.pattern() for record in records]), first.visible()
        return
    for record in records:
        yield from layer_patterns(record)


def _sees_as(one: AttentionRecord, other: AttentionRecord) -> bool:
    """Whether all heads of two layers may look at the same keys."""
    if one.is_causal != other.is_causal or (one.mask is None) != (other.mask is None):
        return False
    if one.mask is None or other.mask is None or one.mask is other.mask:
        return one.mask is None or one.mask.shape[0] == 1
    return one.mask.shape[0] == 1 and torch.equal(one.mask, other.mask)


def layer_patterns(record: AttentionRecord) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Patterns of all heads of a layer and what they see, as many heads at a time as memory allows.

    Yields:
        Patterns ``[head query_pos key_pos]``, and where their queries may look (None: everywhere).
    """
    has_own_masks = record.mask is not None and record.mask.shape[0] > 1
    if has_own_masks or record.n_heads * record.n_query * record.n_key > MAX_CELLS:
        for head in range(record.n_heads):
            yield record.pattern(head)[None], record.visible(head)
    else:
        yield record.pattern(), record.visible()
