"""The tree of a beam search: every hypothesis, what became of it, and its score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from transformer_core.decoding.steps import Ended

State = Literal["alive", "continued", "finished", "pruned"]
"""``alive``: in the beam now. ``finished``: its text ended, and was good enough to count.
``continued``: something alive or finished begins with it. ``pruned``: nothing does."""


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """The beginning of a text in a tree, told by its last token.

    Attributes:
        id: Its place in the tree.
        parent: What it continues; None if it has one token.
        depth: Tokens that it has.
        token_id: Its last token.
        token: As people read it.
        log_prob: What that token added to the total, after repetition penalty and bans.
        total: Sum over all its tokens.
        state: What became of it.
        ended: Why its text ends: ``eos`` or ``limit``; None: it does not.
    """

    id: int
    parent: int | None
    depth: int
    token_id: int
    token: str
    log_prob: float
    total: float
    state: State
    ended: Ended | None = None

    def score(self, length_penalty: float) -> float:
        """What a beam search compares finished texts by (Wu et al. 2016 divide likewise)."""
        return float(self.total / self.depth**length_penalty)


@dataclass(frozen=True, kw_only=True)
class Hypothesis(Beginning):
    """One text that a search considered.

    One that ends without being among the n best continuations of its step is pruned all the same.

    Attributes:
        rank: Its place among all continuations of its step, by total.
    """

    rank: int


@dataclass(frozen=True, eq=False)
class BeamTree:
    """All hypotheses of a search, oldest first.

    Attributes:
        hypotheses: By id.
        length_penalty: A hypothesis of n tokens scores total ÷ n ** length_penalty.
        n_beams: How many the search keeps.
        decode: Turns ids into text.
    """

    hypotheses: tuple[Hypothesis, ...]
    length_penalty: float
    n_beams: int
    decode: Callable[[Sequence[int]], str]

    def __iter__(self) -> Iterator[Hypothesis]:
        return iter(self.hypotheses)

    def __len__(self) -> int:
        return len(self.hypotheses)

    def score(self, hypothesis: Hypothesis) -> float:
        """What the search compares finished texts by."""
        return hypothesis.score(self.length_penalty)

    @cached_property
    def ranked(self) -> tuple[Hypothesis, ...]:
        """Finished texts, best first; more than :attr:`n_beams` if the search let some go again."""
        finished = [h for h in self.hypotheses if h.state == "finished"]
        return tuple(sorted(finished, key=self.score, reverse=True))

    @property
    def best(self) -> Hypothesis | None:
        """The best finished text; while there is none, the best that is alive."""
        if self.ranked:
            return self.ranked[0]
        alive = [h for h in self.hypotheses if h.state == "alive"]
        return max(alive, key=self.score, default=None)

    def with_length_penalty(self, length_penalty: float) -> BeamTree:
        """The same hypotheses, ranked by another length penalty.

        Nothing is searched again: with that penalty the search itself might have gone on for longer
        or ended earlier, and found others.
        """
        return replace(self, length_penalty=length_penalty)

    def path(self, hypothesis: Hypothesis) -> tuple[Hypothesis, ...]:
        """A hypothesis and those that it continues, from its first token on."""
        path = [hypothesis]
        while (parent := path[-1].parent) is not None:
            path.append(self.hypotheses[parent])
        return tuple(reversed(path))

    def token_ids(self, hypothesis: Hypothesis) -> tuple[int, ...]:
        """The tokens of a hypothesis."""
        return tuple(h.token_id for h in self.path(hypothesis))

    def text(self, hypothesis: Hypothesis) -> str:
        """The text of a hypothesis, special tokens left out."""
        return self.decode(self.token_ids(hypothesis))
