"""Two heads whose tokens belong together, read alike, and how far heads differ on them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from transformer_core.errors import InputError
from transformer_core.figures.picture import TokenStrip
from transformer_core.figures.reader import HeadReader
from transformer_core.figures.readings import Place, Reading

if TYPE_CHECKING:
    from torch import Tensor

    from transformer_core.analysis.compare import Alignment
    from transformer_core.tracing.trace import Trace

MAX_RANKED = 150_000_000
"""Cells of all maps together up to which heads are ranked: about two seconds."""


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two.

    Attributes:
        trace: What was computed.
        place: Which of its heads is looked at.
    """

    trace: Trace
    place: Place


@dataclass(frozen=True, eq=False)
class Ranking:
    """Divergence of heads in bits.

    Attributes:
        bits: ``[layer head]``; NaN where nothing can be compared.
        kind: ``index``: each head of the first with the head of the same index in the second.
            ``closest``: one head of the first with each of the second.
    """

    bits: Tensor
    kind: Literal["index", "closest"]


@dataclass(frozen=True)
class Comparison:
    """Two heads read in the same way, and which of their tokens belong together.

    Attributes:
        first: The one that is on the page.
        second: The one that it is compared with.
        asked: How tokens are to be read; words, whatever is asked, where the two are cut into
            tokens differently.
    """

    first: Side
    second: Side
    asked: Reading = Reading()  # noqa: RUF009

    @property
    def is_two_models(self) -> bool:
        """Whether two models read the text, not one model two texts."""
        return self.first.trace.model_id != self.second.trace.model_id

    @cached_property
    def is_cut_differently(self) -> bool:
        """Whether the models cut the same text into other tokens."""
        if not self.is_two_models:
            return False
        ours, theirs = (
            [token.casefold() for token in side.trace.key_tokens(side.place.site).display]
            for side in (self.first, self.second)
        )
        return ours != theirs

    @property
    def reading(self) -> Reading:
        """How tokens are read on both sides."""
        return replace(self.asked, words=self.asked.words or self.is_cut_differently)

    @cached_property
    def readers(self) -> tuple[HeadReader, HeadReader]:
        """What reads the two heads."""
        first, second = self.first, self.second
        return (
            HeadReader(first.trace, first.place, self.reading),
            HeadReader(second.trace, second.place, self.reading),
        )

    @cached_property
    def queries(self) -> Alignment:
        """Rows that belong together."""
        return _align(self.readers[0].queries, self.readers[1].queries)

    @cached_property
    def keys(self) -> Alignment:
        """Columns that belong together."""
        strips = tuple((reader.queries, reader.keys) for reader in self.readers)
        if all(queries == keys for queries, keys in strips):
            return self.queries
        return _align(strips[0][1], strips[1][1])

    def patterns(self) -> tuple[Tensor, Tensor]:
        """The two patterns as they are read."""
        return self.readers[0].rows(), self.readers[1].rows()


def rank_heads(first: Side, second: Side, reading: Reading = Reading()) -> Ranking:  # noqa: B008
    """Which heads differ most? Every head of the site with the one of the same index.

    Raises:
        InputError: If the two have other numbers of layers or heads, or are too long.
    """
    shapes = _shape(first), _shape(second)
    if shapes[0] != shapes[1]:
        raise InputError(
            f"{first.trace.model_name} has {shapes[0][0]} × {shapes[0][1]} heads, "
            f"{second.trace.model_name} {shapes[1][0]} × {shapes[1][1]}: heads of the same index "
            "do not belong together. Compare one head with each of the other model's."
        )
    return Ranking(_bits(Comparison(first, second, reading), is_one=False), "index")


def closest_heads(first: Side, second: Side, reading: Reading = Reading()) -> Ranking:  # noqa: B008
    """Which head of the second reads like this one of the first? Every head of the second.

    Raises:
        InputError: If the two are too long.
    """
    return Ranking(_bits(Comparison(first, second, reading), is_one=True), "closest")


def _shape(side: Side) -> tuple[int, int]:
    return side.trace.n_layers(side.place.site), side.trace.n_heads(side.place.site)


def _align(first: TokenStrip, second: TokenStrip) -> Alignment:
    from transformer_core.analysis.compare import Labels, align

    return align(Labels(first.display, first.is_special), Labels(second.display, second.is_special))


def _bits(both: Comparison, *, is_one: bool) -> Tensor:
    """Divergence of heads by layer and head of the second."""
    import torch

    from transformer_core.analysis.compare import row_divergence

    n_layers, n_heads = _shape(both.second)
    n_cells = n_layers * n_heads * sum(math.prod(reader.shape) for reader in both.readers)
    if n_cells > MAX_RANKED:
        raise InputError(
            f"Heads are ranked up to {MAX_RANKED:,} cells; here are {n_cells:,} "
            f"({n_layers} × {n_heads} heads). Shorten the text."
        )
    bits = []
    one = both.readers[0].rows() if is_one else None
    for layer in range(n_layers):
        ours = _layer(both, 0, layer, n_heads) if one is None else one
        found = row_divergence(ours, _layer(both, 1, layer, n_heads), both.queries, both.keys)
        bits.append(found.mean)
    return torch.stack(bits)


def _layer(both: Comparison, side: int, layer: int, n_heads: int) -> Tensor:
    """Patterns of all heads of a layer as they are read, ``[head query key]``."""
    import torch

    reader = both.readers[side]
    places = [replace(reader.place, layer=layer, head=head) for head in range(n_heads)]
    return torch.stack([HeadReader(reader.trace, p, reader.reading).rows() for p in places])
