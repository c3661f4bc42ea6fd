"""Facts about one head on one text: entropy, distance, roles."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.analysis.roles import CLEAR_RATIO, CLEAR_SCORE
from transformer_core.tracing.records import AttentionRecord


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
    return torch.special.entr(pattern).sum(dim=-1) / torch.log(torch.tensor(2.0))


def mean_distance(pattern: Float[Tensor, "query_pos key_pos"]) -> float:
    """Mean distance between query and key in tokens, weighted by the pattern."""
    n_query, n_key = pattern.shape
    distance = (torch.arange(n_query)[:, None] - torch.arange(n_key)[None, :]).abs()
    return float((pattern * distance).sum() / n_query)


def role_scores(
    pattern: Float[Tensor, "pos pos"], visible: Bool[Tensor, "pos pos"] | None = None
) -> dict[str, tuple[float, float]]:
    """How strongly a self-attention head plays simple positional roles.

    The same numbers as :func:`.roles.scores_of`, from the diagonals alone: fast on long texts.

    Returns:
        By role, the mean weight of the role's key over the queries that have one and another, and
        the exact expectation of that mean if each row's weights were shuffled among the keys that
        the query may see.
    """
    seen = torch.ones_like(pattern, dtype=torch.bool) if visible is None else visible
    chance = 1 / seen.sum(dim=-1)
    seen = seen & (chance[:, None] < 1)  # a query with one key has no choice
    scores = {}
    for role, offset in (("previous token", -1), ("same token", 0), ("next token", 1)):
        on_role = seen.diagonal(offset)
        if not bool(on_role.any()):
            continue
        rows = torch.arange(len(pattern))[max(0, -offset) :][: len(on_role)]
        rows, weights = rows[on_role], pattern.diagonal(offset)[on_role]
        scores[role] = (float(weights.mean()), float(chance[rows].mean()))
    scores["first token"] = (float(pattern[1:, 0].mean()), float(chance[1:].mean()))
    return scores if len(pattern) > 1 else {}


def head_facts(record: AttentionRecord, head: int, *, is_self: bool) -> HeadFacts:
    """Facts about one head.

    Args:
        record: Its layer.
        head: Counted from 0.
        is_self: Whether queries and keys are the same positions.
    """
    pattern = record.pattern(head)
    bits = float(entropy(pattern).mean())
    if not is_self:
        return HeadFacts(bits, None, "", 0.0, 0.0)
    scores = role_scores(pattern, record.visible(head))
    if not scores:
        return HeadFacts(bits, mean_distance(pattern), "", 0.0, 0.0)
    role, (score, baseline) = max(scores.items(), key=lambda item: item[1][0])
    is_clear = score >= CLEAR_SCORE and score >= CLEAR_RATIO * baseline
    return HeadFacts(bits, mean_distance(pattern), role if is_clear else "", score, baseline)
