"""What a model notes while it writes: enough to draw any row of any pattern of any step.

Of each step the queries of each attention module, the new keys and the residual stream of the last
position are kept: O(n·d) numbers over a text of n tokens. Texts that begin alike share their
beginning, so a fork or a beam costs what is new in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.records import AttentionRecord, Details
from transformer_core.tracing.trace import Provenance, Trace

Place = tuple[str, int]
"""Site and layer."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What went into one attention module at one step, for every row (beam) of the batch.

    Attributes:
        q: Queries of the positions read in this step.
        k: Their keys; cross-attention and an encoder bring all of theirs in the first step.
        scaling: What q·k is multiplied by.
        mask: True where a query may look; None: nothing is hidden but, in a decoder, what comes
            later.
        bias: Added to the scores besides (T5's position bias).
    """

    q: Float[Tensor, "row head new_pos d_head"]
    k: Float[Tensor, "row kv_head new_key d_head"]
    scaling: float
    mask: Bool[Tensor, "#row #head new_pos key_pos"] | None = None
    bias: Float[Tensor, "#row #head new_pos key_pos"] | None = None


@dataclass(frozen=True, eq=False)
class Noted:
    """What one forward pass of the decoder leaves behind: a column for each kind of tensor.

    Attributes:
        places: Where each attention module's entry stands in the columns.
        q, k: Queries and new keys, as in :class:`Seen`; one tensor where modules are alike.
        scaling: What q·k is multiplied by.
        hidden: Mask and bias.
        resid: The residual stream of the last position: entry 0 goes into the decoder's layer 0,
            entry i + 1 comes out of layer i.
    """

    places: Mapping[Place, int]
    q: Sequence[Tensor] | Tensor
    k: Sequence[Tensor] | Tensor
    scaling: Sequence[float]
    hidden: Sequence[tuple[Tensor | None, Tensor | None]]
    resid: Float[Tensor, "entry row d_model"]

    def at(self, site: str, layer: int) -> Seen | None:
        """What went into a module; None if it did not attend in this step."""
        index = self.places.get((site, layer))
        if index is None:
            return None
        mask, bias = self.hidden[index]
        return Seen(self.q[index], self.k[index], self.scaling[index], mask, bias)


@dataclass(frozen=True, eq=False)
class History:
    """The steps behind one row, newest first; texts that begin alike share their beginning.

    Attributes:
        noted: What the newest step noted.
        row: This text's row in it.
        before: The steps before it.
    """

    noted: Noted
    row: int = 0
    before: History | None = None

    def latest(self, site: str, layer: int) -> AttentionRecord:
        """The newest position's query and every key that it may read."""
        moments = self._seen(site, layer)
        newest, row = moments[-1]
        mask, bias = _of_row(newest.mask, row), _of_row(newest.bias, row)
        return AttentionRecord(
            q=newest.q[row, :, -1:],
            k=_keys(moments),
            scaling=newest.scaling,
            mask=None if mask is None else mask[:, -1:],
            bias=None if bias is None else bias[:, -1:],
        )

    def whole(
        self, site: str, layer: int, shared: dict[Any, Tensor] | None = None
    ) -> AttentionRecord:
        """All queries and all keys until now.

        Args:
            site: ``encoder``, ``decoder`` or ``cross``.
            layer: Counted from 0.
            shared: Masks and biases made before: layers that saw the same share one.
        """
        moments = self._seen(site, layer)
        shared = {} if shared is None else shared
        is_causal = site == "decoder"
        mask = _joined(moments, "mask", shared, is_causal=is_causal)
        q = torch.cat([seen.q[row] for seen, row in moments], dim=1)
        return AttentionRecord(
            q=q,
            k=_keys(moments),
            scaling=moments[0][0].scaling,
            mask=mask,
            is_causal=is_causal and mask is None and q.shape[1] > 1,
            bias=_joined(moments, "bias", shared, is_causal=is_causal),
        )

    def resid(self) -> Float[Tensor, "entry d_model"]:
        """The newest position's residual stream: what goes into layer 0, then after each layer."""
        return self.noted.resid[:, self.row]

    def sites(self) -> dict[str, int]:
        """Attention sites and their layers."""
        first = next(reversed(list(self)))
        sites: dict[str, int] = {}
        for site, layer in first.noted.places:
            sites[site] = max(sites.get(site, 0), layer + 1)
        return {site: sites[site] for site in ("encoder", "decoder", "cross") if site in sites}

    def __iter__(self) -> Iterator[History]:
        moment: History | None = self
        while moment is not None:
            yield moment
            moment = moment.before

    def _seen(self, site: str, layer: int) -> list[tuple[Seen, int]]:
        """What a module saw, oldest first, and the row of this text in it."""
        moments = [
            (seen, moment.row)
            for moment in self
            if (seen := moment.noted.at(site, layer)) is not None
        ]
        return moments[::-1]


def trace_of(
    history: History,
    tokens: tuple[Tokens, Tokens | None],
    provenance: Provenance,
    *,
    recompute: Callable[[], Details],
    logits: Float[Tensor, " vocab"],
) -> Trace:
    """A trace of everything that was read up to a step.

    Args:
        history: What was noted.
        tokens: Source and, of an encoder–decoder, what its decoder read.
        provenance: Model and revision.
        recompute: Runs the fuller forward pass.
        logits: Of the token that comes next.
    """
    shared: dict[Any, Tensor] = {}
    return Trace(
        provenance=provenance,
        source=tokens[0],
        target=tokens[1],
        attention={
            site: tuple(history.whole(site, layer, shared) for layer in range(n_layers))
            for site, n_layers in history.sites().items()
        },
        recompute=recompute,
        kept_next=logits,
    )


def _keys(moments: list[tuple[Seen, int]]) -> Float[Tensor, "kv_head key_pos d_head"]:
    return torch.cat([seen.k[row] for seen, row in moments], dim=1)


def _of_row(tensor: Tensor | None, row: int) -> Tensor | None:
    """One row of what rows may share."""
    return None if tensor is None else tensor[row if len(tensor) > 1 else 0]


def _joined(
    moments: list[tuple[Seen, int]],
    name: Literal["mask", "bias"],
    shared: dict[Any, Tensor],
    *,
    is_causal: bool,
) -> Tensor | None:
    """The masks or biases of all steps as one [#head query_pos key_pos]; None if there are none."""
    parts = [getattr(seen, name) for seen, _ in moments]
    if all(part is None for part in parts):
        return None
    key = (name, *map(id, parts))
    if key not in shared:
        rows = [_of_row(part, row) for part, (_, row) in zip(parts, moments, strict=True)]
        shared[key] = _stacked(rows, [seen for seen, _ in moments], is_causal=is_causal)
    return shared[key]


def _stacked(parts: Sequence[Tensor | None], seen: Sequence[Seen], *, is_causal: bool) -> Tensor:
    """Steps below each other: where a step hid nothing all is open, what came later is closed."""
    like = next(part for part in parts if part is not None)
    n_heads = max(1 if part is None else part.shape[0] for part in parts)
    n_query, n_key = sum(s.q.shape[2] for s in seen), sum(s.k.shape[2] for s in seen)
    whole = like.new_zeros(n_heads, n_query, n_key)
    if like.dtype == torch.bool:
        whole[:] = torch.ones(n_query, n_key, dtype=torch.bool).tril() if is_causal else True
    row = 0
    for part, step in zip(parts, seen, strict=True):
        rows, row = slice(row, row + step.q.shape[2]), row + step.q.shape[2]
        if part is not None:
            whole[:, rows, : part.shape[-1]] = part
    return whole
