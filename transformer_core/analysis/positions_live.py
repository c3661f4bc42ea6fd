"""Tests of a model's sense of order on a sentence: other orders, later positions, none at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from transformer_core.errors import InputError
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.interventions import HideKey, WithoutPositions
from transformer_core.tracing.model import TraceableModel
from transformer_core.tracing.positions import PositionPart
from transformer_core.tracing.trace import Trace

Order = Literal["reversed", "rotated", "shuffled"]
ORDERS: tuple[Order, ...] = ("reversed", "rotated", "shuffled")
FILLER = "·"
"""What a token put in front shows: which one it is makes no difference, as nobody sees it."""

MAX_TOKENS = 512
"""Every head and every pair of tokens is compared: a longer text would take too long."""


def positions_of(model: TraceableModel) -> tuple[PositionPart, ...]:
    """The parts that make a model's positions; none where they are no modules of their own."""
    parts: tuple[PositionPart, ...] = getattr(model, "positions", ())
    return parts


def kinds_of(model: TraceableModel) -> tuple[str, ...]:
    """The kinds of positions that a model has, each once."""
    return tuple(dict.fromkeys(part.kind for part in positions_of(model)))


def site_of(trace: Trace) -> str:
    """The self-attention that is looked at: the encoder's where there is one."""
    return trace.sites[0]


def reorder(tokens: Tokens, order: Order, *, seed: int = 0) -> tuple[Tokens, tuple[int, ...]]:
    """Put a text's words in another order; special tokens and the pieces of a word stay together.

    Returns:
        The tokens, and for each of their places where that token stood before.

    Raises:
        InputError: If there are not two words to exchange.
    """
    words = tokens.words
    plain = [i for i, word in enumerate(words) if not word.is_special]
    if len(plain) < 2:
        raise InputError("Another order needs two words at least; type a longer sentence.")
    if order == "reversed":
        moved = plain[::-1]
    elif order == "rotated":
        moved = plain[1:] + plain[:1]
    else:
        generator = torch.Generator().manual_seed(seed)
        moved = [plain[i] for i in torch.randperm(len(plain), generator=generator)]
    taken = dict(zip(plain, moved, strict=True))
    shown = [words[taken.get(i, i)] for i in range(len(words))]
    places = tuple(position for word in shown for position in word.positions)
    text = " ".join(word.text for word in shown if not word.is_special)
    return _at(tokens, places, text), places


def _at(tokens: Tokens, places: Sequence[int], text: str) -> Tokens:
    def pick(column: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(column[i] for i in places)

    return Tokens(
        text=text,
        ids=pick(tokens.ids),
        display=pick(tokens.display),
        is_special=pick(tokens.is_special),
        spans=(None,) * len(places),
        word_ids=pick(tokens.word_ids),
    )


@dataclass(frozen=True)
class Reordered:
    """A sentence in two orders, with positions and without.

    Attributes:
        places: For each place of the new order, where that token stood before.
        usual: The model as it is: output of the last layer, in the first order, then in the new.
        away: The same without positions.
        tokens: The new order.
    """

    places: tuple[int, ...]
    usual: tuple[Float[Tensor, "pos d_model"], Float[Tensor, "pos d_model"]]
    away: tuple[Float[Tensor, "pos d_model"], Float[Tensor, "pos d_model"]]
    tokens: Tokens

    @property
    def usual_distance(self) -> Float[Tensor, " pos"]:
        """1 − cos between each token's two outputs, in the first order."""
        return self._distance(self.usual)

    @property
    def away_distance(self) -> Float[Tensor, " pos"]:
        """The same without positions: 0 where the model cannot tell orders apart."""
        return self._distance(self.away)

    @property
    def usual_difference(self) -> float:
        """The largest absolute difference between a token's two outputs."""
        return self._difference(self.usual)

    @property
    def away_difference(self) -> float:
        """The same without positions; only rounding where outputs permute along."""
        return self._difference(self.away)

    @property
    def scale(self) -> float:
        """The largest number of an output without positions: what a difference is measured by."""
        return float(self.away[0].abs().max())

    def _pairs(self, outputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        back = torch.empty(len(self.places), dtype=torch.long)
        back[torch.tensor(self.places)] = torch.arange(len(self.places))
        return outputs[0].float(), outputs[1].float()[back]

    def _distance(self, outputs: tuple[Tensor, Tensor]) -> Tensor:
        return (1 - cosine_similarity(*self._pairs(outputs), dim=-1)).clamp(min=0)

    def _difference(self, outputs: tuple[Tensor, Tensor]) -> float:
        first, second = self._pairs(outputs)
        return float((first - second).abs().max())


def read_reordered(
    model: TraceableModel, trace: Trace, order: Order, *, seed: int = 0
) -> Reordered:
    """Read a traced sentence in another order, with positions and without.

    Without positions attention sees a set: an encoder's outputs permute along with its tokens. A
    decoder's causal mask still tells how much stands before a token.

    Raises:
        InputError: If there are not two words, or the model's positions cannot be taken away.
    """
    tokens, places = reorder(trace.source, order, seed=seed)
    away = (WithoutPositions(),)

    def out(read: Tokens, interventions: Sequence[WithoutPositions]) -> Tensor:
        traced = model.trace(read, trace.target, interventions=interventions)
        return _last(traced)

    return Reordered(
        places=places,
        usual=(_last(trace), out(tokens, ())),
        away=(out(trace.source, away), out(tokens, away)),
        tokens=tokens,
    )


def _last(trace: Trace) -> Tensor:
    site = site_of(trace)
    return trace.resid(site, layer=trace.n_layers(site) - 1)


@dataclass(frozen=True)
class Shifted:
    """A sentence at its positions and ``n_front`` later.

    Attributes:
        trace: As it was.
        shifted: With tokens in front that no other token sees; they are part of it.
        n_front: How many.
    """

    trace: Trace
    shifted: Trace
    n_front: int

    @cached_property
    def largest(self) -> Float[Tensor, "layer head"]:
        """The largest change of a score between the sentence's own tokens."""
        return self._by_head(lambda before, after: (after - before).abs().max())

    @cached_property
    def scale(self) -> Float[Tensor, "layer head"]:
        """The largest absolute score, which a change is measured by."""
        return self._by_head(lambda before, _: before.abs().max())

    def scores(self, layer: int, head: int) -> tuple[Tensor, Tensor]:
        """Scores [query_pos key_pos] before and after; masked ones are −∞ in both."""
        site = site_of(self.trace)
        after = self.shifted.attn_scores(site, layer=layer, head=head)
        own = slice(self.n_front, None)
        return self.trace.attn_scores(site, layer=layer, head=head), after[own, own]

    def _by_head(self, measure: Any) -> Tensor:
        site = site_of(self.trace)
        rows = []
        for layer in range(self.trace.n_layers(site)):
            row = []
            for head in range(self.trace.n_heads(site)):
                before, after = self.scores(layer, head)
                seen = before.isfinite()
                row.append(measure(before[seen], after[seen]))
            rows.append(torch.stack(row))
        return torch.stack(rows)


def put_in_front(model: TraceableModel, trace: Trace, n_front: int) -> Shifted:
    """Put tokens in front of a traced sentence that no other token may see.

    So nothing but positions changes: what is compared are scores of the same tokens, n_front
    positions later.

    Raises:
        InputError: If the model reads no text of that length.
    """
    tokens = trace.source
    if n_front < 1:
        raise InputError(f"{n_front} tokens in front change nothing; put 1 at least.")
    if len(tokens) > MAX_TOKENS:
        raise InputError(
            f"All pairs of tokens are compared in every head: up to {MAX_TOKENS} tokens, and the "
            f"text has {len(tokens):,}. Shorten it."
        )
    limit, n_all = model.n_ctx, len(tokens) + n_front
    if limit is not None and n_all > limit:
        raise InputError(
            f"{n_front} tokens in front of {len(tokens)} are {n_all:,}; {trace.model_name} reads "
            f"{limit:,} at most. Put at most {max(0, limit - len(tokens)):,} in front."
        )
    filler = next(
        (i for i, special in zip(tokens.ids, tokens.is_special, strict=True) if not special),
        tokens.ids[0],
    )
    longer = Tokens(
        text=tokens.text,
        ids=(filler,) * n_front + tokens.ids,
        display=(FILLER,) * n_front + tokens.display,
        is_special=(True,) * n_front + tokens.is_special,
        spans=(None,) * n_front + tokens.spans,
        word_ids=(None,) * n_front + tokens.word_ids,
    )
    hidden = [HideKey(position) for position in range(n_front)]
    # A decoder's own text would still see the tokens in front by cross-attention, which is not
    # looked at here: they are hidden there too.
    return Shifted(trace, model.trace(longer, trace.target, interventions=hidden), n_front)


def take_away(model: TraceableModel, trace: Trace) -> Trace:
    """Trace the same tokens without positions.

    Raises:
        InputError: If the model makes its positions in no module of its own.
    """
    return model.trace(trace.source, trace.target, interventions=(WithoutPositions(),))


def weight_by_distance(trace: Trace, *, layer: int | None = None) -> Float[Tensor, " distance"]:
    """Mean attention weight of a query on the key so many positions away, either side.

    Over all heads of a layer (None: of all layers) and all pairs of positions that far apart of
    which the query may see the key.
    """
    site = site_of(trace)
    layers = range(trace.n_layers(site)) if layer is None else [layer]
    n = trace.light(site, 0).n_key
    total, count = torch.zeros(n), torch.zeros(n)
    apart = (torch.arange(n)[:, None] - torch.arange(n)).abs()
    for at in layers:
        record = trace.light(site, at)
        for head in range(record.n_heads):
            seen = record.visible(head)
            seen = torch.ones(n, n, dtype=torch.bool) if seen is None else seen
            weights = record.pattern(head)
            total.index_add_(0, apart[seen], weights[seen])
            count.index_add_(0, apart[seen], torch.ones(int(seen.sum())))
    return total / count.clamp(min=1)
