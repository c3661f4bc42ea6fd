"""From logits to the distribution that a token is chosen from, and why a token was cut.

The order is that of Transformers: repetition penalty, what must and must not be written, then (when
sampling) temperature, top-k, top-p, min-p. Each filter sees what those before it left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from transformer_core.decoding.strategies import Sample, Strategy


class Cut(IntEnum):
    """Why a token cannot be chosen; the first reason that held."""

    KEPT = 0
    BANNED = 1
    REPEATED = 2
    TOO_SHORT = 3
    FORCED = 4
    TOP_K = 5
    TOP_P = 6
    MIN_P = 7

    @property
    def reason(self) -> str:
        """In words; empty for a token that was kept."""
        return _REASONS[self]


_REASONS = {
    Cut.KEPT: "",
    Cut.BANNED: "the model's settings never let it be written here",
    Cut.REPEATED: "it would repeat a run of tokens",
    Cut.TOO_SHORT: "the text may not end yet",
    Cut.FORCED: "the model's settings ask for another token here",
    Cut.TOP_K: "top-k: it is not among the k most probable",
    Cut.TOP_P: "top-p: the more probable ones make up p already",
    Cut.MIN_P: "min-p: it has too small a share of the best one's probability",
}


@dataclass(frozen=True)
class Bans:
    """What must and must not be written at a step, whatever the strategy.

    Attributes:
        cut: Tokens that must not, by reason.
        only: If anything is asked for, the tokens of which one must be written.
    """

    cut: Mapping[Cut, Sequence[int]] = field(default_factory=dict)
    only: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Filtered:
    """A distribution over the vocabulary after penalty, temperature and filters.

    Attributes:
        logits: As the model gave them (for beams: its log-probabilities).
        penalised: After the repetition penalty.
        scaled: Divided by the temperature, nothing cut yet.
        cut: Why each token was cut, as the number of a :class:`Cut`.
    """

    logits: Float[Tensor, " vocab"]
    penalised: Float[Tensor, " vocab"]
    scaled: Float[Tensor, " vocab"]
    cut: UInt8[Tensor, " vocab"]

    @cached_property
    def kept(self) -> Bool[Tensor, " vocab"]:
        """Which tokens can be chosen."""
        return self.cut == Cut.KEPT

    @cached_property
    def scores(self) -> Float[Tensor, " vocab"]:
        """What softmax turns into probabilities; −∞ where a token was cut."""
        return _left(self.scaled, self.cut)

    @cached_property
    def probabilities(self) -> Float[Tensor, " vocab"]:
        """Probability of each token to be chosen, exactly 0 where it was cut."""
        return self.scores.softmax(dim=-1)

    def why(self, token_id: int) -> Cut:
        """Why a token was cut, or that it was kept."""
        return Cut(int(self.cut[token_id]))


def filtered(
    logits: Float[Tensor, " vocab"],
    strategy: Strategy,
    *,
    previous: Sequence[int] = (),
    bans: Bans | None = None,
) -> Filtered:
    """Turn logits into what a strategy chooses from.

    Args:
        logits: Of one position. Beam search scores log-probabilities and gives those.
        strategy: Whose penalty, temperature and filters; only sampling has the latter two.
        previous: Tokens that the penalty concerns: prompt and text of the decoder so far.
        bans: What must and must not be written here.
    """
    penalised = with_repetition_penalty(logits, previous, strategy.repetition_penalty)
    cut = torch.zeros(len(logits), dtype=torch.uint8)
    bans = bans or Bans()
    for reason, token_ids in bans.cut.items():
        _mark(cut, _at(token_ids, len(logits)), reason)
    scaled = penalised
    if bans.only:
        only = _at(bans.only, len(logits))
        # What is asked for counts as certain, also against a ban and in a beam's score.
        cut = torch.full_like(cut, int(Cut.FORCED)).masked_fill(only, int(Cut.KEPT))
        scaled = penalised.masked_fill(only, 0.0)
    if not isinstance(strategy, Sample):
        return Filtered(logits, penalised, scaled, cut)
    scaled = with_temperature(scaled, strategy.temperature)
    if strategy.top_k is not None:
        _mark(cut, ~top_k(_left(scaled, cut), strategy.top_k), Cut.TOP_K)
    if strategy.top_p is not None:
        _mark(cut, ~top_p(_left(scaled, cut), strategy.top_p), Cut.TOP_P)
    if strategy.min_p is not None:
        _mark(cut, ~min_p(_left(scaled, cut), strategy.min_p), Cut.MIN_P)
    return Filtered(logits, penalised, scaled, cut)


def with_repetition_penalty(
    logits: Float[Tensor, " vocab"], previous: Sequence[int], penalty: float
) -> Float[Tensor, " vocab"]:
    """Divide positive and multiply negative logits of tokens that stand in the text already.

    (Keskar et al. 2019, CTRL, section 4.1.) A penalty below 1 favours them.
    """
    if penalty == 1 or not previous:
        return logits
    ids = torch.tensor(sorted({i for i in previous if i < len(logits)}), dtype=torch.long)
    chosen = logits[ids]
    return logits.index_copy(0, ids, torch.where(chosen < 0, chosen * penalty, chosen / penalty))


def with_temperature(
    logits: Float[Tensor, " vocab"], temperature: float
) -> Float[Tensor, " vocab"]:
    """Divide by the temperature: below 1 sharpens the distribution, above 1 flattens it."""
    return logits if temperature == 1 else logits / temperature


def top_k(scores: Float[Tensor, " vocab"], k: int) -> Bool[Tensor, " vocab"]:
    """Keep the k most probable tokens, and those as probable as the last (Fan et al. 2018)."""
    return scores >= scores.topk(min(k, len(scores))).values[-1]


def top_p(scores: Float[Tensor, " vocab"], p: float) -> Bool[Tensor, " vocab"]:
    """Keep the smallest set of the most probable tokens that has at least probability p.

    Nucleus sampling (Holtzman et al. 2020); the most probable token always stays.
    """
    if p >= 1:
        return torch.ones_like(scores, dtype=torch.bool)
    ascending, order = scores.sort()
    is_kept = ascending.softmax(dim=-1).cumsum(dim=-1) > 1 - p
    is_kept[-1] = True
    return torch.empty_like(is_kept).scatter_(0, order, is_kept)


def min_p(scores: Float[Tensor, " vocab"], share: float) -> Bool[Tensor, " vocab"]:
    """Keep tokens with at least this share of the best one's probability (Nguyen et al. 2024)."""
    probabilities = scores.softmax(dim=-1)
    is_kept = probabilities >= share * probabilities.max()
    is_kept[probabilities.argmax()] = True
    return is_kept


def _at(token_ids: Sequence[int], n_vocab: int) -> Bool[Tensor, " vocab"]:
    """A mask of some tokens; ids beyond the vocabulary are passed over."""
    mask = torch.zeros(n_vocab, dtype=torch.bool)
    mask[[index for index in token_ids if index < n_vocab]] = True
    return mask


def _left(scaled: Tensor, cut: Tensor) -> Tensor:
    """Scores of what no filter has cut yet; −∞ for the rest."""
    return scaled.masked_fill(cut != Cut.KEPT, -torch.inf)


def _mark(cut: UInt8[Tensor, " vocab"], where: Bool[Tensor, " vocab"], reason: Cut) -> None:
    cut[where & (cut == Cut.KEPT)] = int(reason)
