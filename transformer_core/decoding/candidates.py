"""The candidates of a step with every number between logit and probability, and the tail beyond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from transformer_core.decoding.filters import Cut, Filtered


@dataclass(frozen=True)
class Candidate:
    """One token that could have been written, and what became of it.

    The probability to be chosen is ``weight`` ÷ :attr:`Distribution.normaliser`.

    Attributes:
        token_id: Its id.
        token: As people read it.
        logit: As the model gave it (for beams: its log-probability).
        probability: The model's own: softmax of the logits.
        penalised: Its logit after the repetition penalty.
        scaled: That, divided by the temperature.
        weight: exp(scaled − the largest scaled one that was kept); 0 if it was cut.
        chosen_probability: Probability to be chosen, after everything.
        cut: Why it was cut, if it was.
        is_chosen: Whether it was written.
    """

    token_id: int
    token: str
    logit: float
    probability: float
    penalised: float
    scaled: float
    weight: float
    chosen_probability: float
    cut: Cut
    is_chosen: bool


@dataclass(frozen=True)
class Tail:
    """Everything beyond the candidates that are shown.

    Attributes:
        n_tokens: How many tokens.
        n_kept: How many of them were kept.
        probability: What the model gives them together.
        chosen_probability: Probability that one of them is chosen.
    """

    n_tokens: int
    n_kept: int
    probability: float
    chosen_probability: float


@dataclass(frozen=True, eq=False)
class Distribution:
    """What a step chooses from, over the full vocabulary.

    Attributes:
        filtered: Every logit, probability and reason.
        show: A token as people read it.
        chosen: The token that was written.
    """

    filtered: Filtered
    show: Callable[[int], str]
    chosen: int

    @property
    def n_kept(self) -> int:
        """Tokens that can be chosen."""
        return int(self.filtered.kept.sum())

    @property
    def normaliser(self) -> float:
        """Sum of all weights: what each is divided by."""
        return float(self._weights().sum())

    def candidates(self, n: int = 20) -> tuple[Candidate, ...]:
        """The n largest logits, the n likeliest to be chosen, and the chosen one; by logit.

        Args:
            n: How many of each; often they are the same.
        """
        few = min(n, len(self.filtered.logits))
        ids = self._largest(self.filtered.logits, few) | self._largest(self.filtered.scores, few)
        ordered = sorted(ids | {self.chosen}, key=lambda i: (-float(self.filtered.logits[i]), i))
        where = torch.tensor(ordered)
        columns = (
            self.filtered.logits,
            self._probabilities(),
            self.filtered.penalised,
            self.filtered.scaled,
            self._weights(),
            self.filtered.probabilities,
        )
        numbers = torch.stack([column[where] for column in columns], dim=1).tolist()
        names = ("logit", "probability", "penalised", "scaled", "weight", "chosen_probability")
        return tuple(
            Candidate(
                token_id=index,
                token=self.show(index),
                **dict(zip(names, row, strict=True)),
                cut=self.filtered.why(index),
                is_chosen=index == self.chosen,
            )
            for index, row in zip(ordered, numbers, strict=True)
        )

    def tail(self, shown: Sequence[Candidate]) -> Tail:
        """What is beyond the candidates that are shown."""
        rest = torch.ones_like(self.filtered.kept)
        rest[[candidate.token_id for candidate in shown]] = False
        return Tail(
            n_tokens=int(rest.sum()),
            n_kept=int((rest & self.filtered.kept).sum()),
            probability=float(self._probabilities()[rest].sum()),
            chosen_probability=float(self.filtered.probabilities[rest].sum()),
        )

    def _largest(self, scores: Tensor, n: int) -> set[int]:
        """The n largest; what was cut is −∞ and none of them."""
        values, ids = scores.topk(n)
        return set(ids[values > -torch.inf].tolist())

    def _probabilities(self) -> Tensor:
        return self.filtered.logits.softmax(dim=-1)

    def _weights(self) -> Tensor:
        scores = self.filtered.scores
        return (scores - scores.max()).exp()
