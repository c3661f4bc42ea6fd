"""Which source words a target word comes from, by cross-attention, and how well that works."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.errors import InputError

if TYPE_CHECKING:
    from transformer_core.tokenization.tokens import Word
    from transformer_core.tracing.trace import Trace

Links = frozenset[tuple[int, int]]
"""Pairs of a source word and a target word, counted from 0 without special tokens."""


@dataclass(frozen=True)
class AlignmentChoice:
    """Where alignments are read.

    Attributes:
        layer: Decoder layer.
        head: Head, or None for the mean over the layer's heads.
        shift: 0 reads the row that predicts a token, 1 the row that has just read it.
    """

    layer: int
    head: int | None = None
    shift: int = 0

    @property
    def place(self) -> str:
        """Layer and head as people write them: ``L2 H5``."""
        return f"L{self.layer} " + ("mean of its heads" if self.head is None else f"H{self.head}")

    @property
    def name(self) -> str:
        """The same with the row that is read."""
        return f"{self.place}, row {'after' if self.shift else 'before'} the word"


def content_words(words: Iterable[Word]) -> list[Word]:
    """Words without the special tokens."""
    return [word for word in words if not word.is_special]


def word_weights(trace: Trace, choice: AlignmentChoice) -> Float[Tensor, "tgt_word src_word"]:
    """How much each target word reads from each source word.

    Weights are summed over a source word's tokens and averaged over a target word's; special tokens
    of the source are left out and the rest of each row is renormalised to sum to 1.

    Args:
        trace: Of an encoder–decoder; its target begins with the start token.
        choice: Where to read.

    Raises:
        NotInTraceError: If the trace has no such cross-attention.
        InputError: If source or target has no word.
    """
    pattern = trace.pattern("cross", layer=choice.layer, head=choice.head)
    if choice.head is None:
        pattern = pattern.mean(dim=0)
    return _by_word(trace, pattern, choice.shift)


def all_word_weights(trace: Trace, shift: int) -> Float[Tensor, "choice tgt_word src_word"]:
    """:func:`word_weights` of every layer's mean and heads, in the order of :func:`choices`.

    Args:
        trace: Of an encoder–decoder; its target begins with the start token.
        shift: Which row is read for a token, as in :class:`AlignmentChoice`.

    Raises:
        InputError: If source or target has no word.
    """
    layers = [trace.pattern("cross", layer=layer) for layer in range(trace.n_layers("cross"))]
    with_means = [torch.cat([heads.mean(dim=0, keepdim=True), heads]) for heads in layers]
    return _by_word(trace, torch.cat(with_means), shift)


def choices(trace: Trace, shift: int) -> list[AlignmentChoice]:
    """Every layer's mean, then its heads."""
    return [
        AlignmentChoice(layer, head, shift)
        for layer in range(trace.n_layers("cross"))
        for head in (None, *range(trace.n_heads("cross")))
    ]


def _by_word(
    trace: Trace, pattern: Float[Tensor, "*any tgt_pos src_pos"], shift: int
) -> Float[Tensor, "*any tgt_word src_word"]:
    target = trace.target
    sources = content_words(trace.source.words)
    targets = content_words(target.words) if target is not None else []
    if not sources or not targets:
        raise InputError("There is no word to align.")
    # The token at position p is predicted by the row of the position before it.
    last = pattern.shape[-2] - 1
    means = torch.zeros(len(targets), pattern.shape[-2])
    for i, word in enumerate(targets):
        for p in word.positions:
            means[i, max(0, min(p - 1 + shift, last))] += 1 / len(word.positions)
    sums = torch.zeros(pattern.shape[-1], len(sources))
    for j, word in enumerate(sources):
        sums[list(word.positions), j] = 1
    weights = means.to(pattern) @ pattern @ sums.to(pattern)
    total = weights.sum(dim=-1, keepdim=True)
    return weights / total.clamp_min(torch.finfo(weights.dtype).tiny)


def hard_links(weights: Float[Tensor, "tgt_word src_word"]) -> Links:
    """Link each target word to the source word that it reads most."""
    best = weights.argmax(dim=1).tolist()
    return frozenset((source, target) for target, source in enumerate(best))


def alignment_error_rate(found: Links, sure: Links, possible: Links = frozenset()) -> float:
    """Return the alignment error rate: 0 when all links are right, 1 when none is.

    AER = 1 − (|A ∩ S| + |A ∩ P|) / (|A| + |S|), where P holds S (Och & Ney 2003, equation 13).

    Args:
        found: Links that were found (A).
        sure: Links that must be there (S).
        possible: Links that may be there besides.
    """
    allowed = sure | possible
    if not found and not sure:
        return 0.0
    return 1 - (len(found & sure) + len(found & allowed)) / (len(found) + len(sure))


@dataclass(frozen=True)
class Gold:
    """A sentence pair aligned by hand.

    Attributes:
        source: Source sentence.
        target: Target sentence.
        sure: Links that must be there.
        possible: Links that may be there besides.
    """

    source: str
    target: str
    sure: Links
    possible: Links = frozenset()


def error_rates(traces: Sequence[Trace], gold: Sequence[Gold]) -> dict[AlignmentChoice, float]:
    """Return the error rate of every layer, head and shift over a hand-aligned set, best first.

    Args:
        traces: Of the gold pairs, source and target forced, in their order.
        gold: The pairs.
    """
    every = [choice for shift in (0, 1) for choice in choices(traces[0], shift)]
    rates = {choice: _rate(traces, gold, choice) for choice in every}
    return dict(sorted(rates.items(), key=lambda item: item[1]))


def _rate(traces: Sequence[Trace], gold: Sequence[Gold], choice: AlignmentChoice) -> float:
    """One rate over all pairs together: links are counted, not rates averaged."""
    found: set[tuple[int, int, int]] = set()
    sure: set[tuple[int, int, int]] = set()
    possible: set[tuple[int, int, int]] = set()
    for i, (trace, pair) in enumerate(zip(traces, gold, strict=True)):
        found |= {(i, *link) for link in hard_links(word_weights(trace, choice))}
        sure |= {(i, *link) for link in pair.sure}
        possible |= {(i, *link) for link in pair.possible}
    allowed = sure | possible
    return 1 - (len(found & sure) + len(found & allowed)) / (len(found) + len(sure))
