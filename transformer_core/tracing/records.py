"""What one attention module computed for one input: enough to redraw any of its patterns.

A pattern of n tokens has n² cells, the queries and keys behind it only 2·n·d numbers. A record
keeps the latter and computes the former, whole or by rows, when somebody looks at it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from transformer_core.errors import MaskError, NotInTraceError

Rows = slice


@dataclass(frozen=True)
class AttentionRecord:
    """Queries, keys and mask of one layer at one site, without a batch axis.

    Attributes:
        q: Queries as they enter the dot product (rotary positions already applied).
        k: Keys likewise; fewer heads than ``q`` where heads share keys (grouped-query attention).
        scaling: What q·k is multiplied by, usually 1/√d_head.
        mask: True where a query may look at a key; None where all may look at all.
        is_causal: True where, besides, a query sees no key after itself.
        bias: Added to the scaled scores before softmax (T5's position bias, ALiBi).
        v: Values; only in a detailed record and in that of a short text.
        z: What the module itself computed for softmax(scores) v; only where ``v`` is.
        overrides: Patterns that were imposed, by head: an intervention's or an imported one.
    """

    q: Float[Tensor, "head query_pos d_head"]
    k: Float[Tensor, "kv_head key_pos d_head"]
    scaling: float
    mask: Bool[Tensor, "#head query_pos key_pos"] | None = None
    is_causal: bool = False
    bias: Float[Tensor, "#head query_pos key_pos"] | None = None
    v: Float[Tensor, "kv_head key_pos d_value"] | None = None
    z: Float[Tensor, "head query_pos d_value"] | None = None
    overrides: Mapping[int, Float[Tensor, "query_pos key_pos"]] = field(default_factory=dict)

    @property
    def n_heads(self) -> int:
        """Query heads."""
        return self.q.shape[0]

    @property
    def n_query(self) -> int:
        """Positions that read."""
        return self.q.shape[1]

    @property
    def n_key(self) -> int:
        """Positions that are read."""
        return self.k.shape[1]

    @property
    def d_head(self) -> int:
        """Components of one query or key."""
        return self.q.shape[2]

    @property
    def tensors(self) -> list[Tensor]:
        """All that it holds, but for patterns that were imposed."""
        held = (self.q, self.k, self.mask, self.bias, self.v, self.z)
        return [tensor for tensor in held if tensor is not None]

    def queries(self, head: int) -> Float[Tensor, "query_pos d_head"]:
        """Queries of one head."""
        return self.q[self._checked(head)].float()

    def keys(self, head: int) -> Float[Tensor, "key_pos d_head"]:
        """Keys that this head reads, shared or its own."""
        return self.k[self._shared(head, self.k)].float()

    def values(self, head: int) -> Float[Tensor, "key_pos d_value"]:
        """Values that this head reads, shared or its own.

        Raises:
            NotInTraceError: If the record is a light one, without values.
        """
        if self.v is None:
            raise NotInTraceError("This record holds no values; ask the trace for record(...).")
        return self.v[self._shared(head, self.v)].float()

    def visible(
        self, head: int = 0, rows: Rows = slice(None)
    ) -> Bool[Tensor, "query_pos key_pos"] | None:
        """Where the chosen query rows may look; None where every row may look everywhere."""
        mask = None
        if self.mask is not None:
            mask = self.mask[head if self.mask.shape[0] > 1 else 0, rows]
        if self.is_causal:
            # The last query is aligned with the last key, as in a cache longer than the queries.
            last_seen = torch.arange(self.n_query)[rows] + self.n_key - self.n_query
            causal = torch.arange(self.n_key)[None, :] <= last_seen[:, None]
            mask = causal if mask is None else mask & causal
        return mask

    def attn_scores(
        self, head: int | None = None, rows: Rows = slice(None)
    ) -> Float[Tensor, "*head query_pos key_pos"]:
        """Scaled and masked scores, before softmax; masked cells are −∞.

        Computes q kᵀ · scaling + bias (Vaswani et al. 2017, equation 1).

        Args:
            head: One head, or None for all heads of the layer.
            rows: Which query rows.

        Raises:
            NotInTraceError: If there is no such head, or its pattern was imposed, without scores.
        """
        if self.d_head == 0:
            raise NotInTraceError("This pattern was imported: there are no scores behind it.")
        if head is None:
            return self._all_scores(rows)
        scores = self.queries(head)[rows] @ self.keys(head).T * self.scaling
        if self.bias is not None:
            scores = scores + self.bias[head if self.bias.shape[0] > 1 else 0, rows]
        visible = self.visible(head, rows)
        return scores if visible is None else scores.masked_fill(~visible, -torch.inf)

    def pattern(
        self, head: int | None = None, rows: Rows = slice(None)
    ) -> Float[Tensor, "*head query_pos key_pos"]:
        """Attention weights after softmax; every row sums to 1, masked cells are exactly 0.

        Args:
            head: One head, or None for all heads of the layer.
            rows: Which query rows; the memory taken is O(rows · keys).

        Raises:
            NotInTraceError: If there is no such head.
            MaskError: If a row may look at no key.
        """
        if head is None:
            return self._all_patterns(rows)
        if self._checked(head) in self.overrides:
            return self.overrides[head][rows].float()
        return self._complete(self.attn_scores(head, rows).softmax(dim=-1))

    def _all_scores(self, rows: Rows) -> Float[Tensor, "head query_pos key_pos"]:
        """Scores of all heads in one product: a short text pays for calls, not for numbers."""
        keys = self.k.float().mT
        if len(keys) < self.n_heads:
            keys = keys[[self._shared(head, self.k) for head in range(self.n_heads)]]
        scores: Tensor = self.q[:, rows].float() @ keys * self.scaling
        if self.bias is not None:
            scores = scores + self.bias[:, rows]
        visible = self._all_visible(rows)
        return scores if visible is None else scores.masked_fill(~visible, -torch.inf)

    def _all_visible(self, rows: Rows) -> Bool[Tensor, "#head query_pos key_pos"] | None:
        if self.mask is None or self.mask.shape[0] == 1:
            visible = self.visible(0, rows)
            return None if visible is None else visible[None]
        return torch.stack([self.visible(head, rows) for head in range(self.n_heads)])  # type: ignore[misc]

    def _all_patterns(self, rows: Rows) -> Float[Tensor, "head query_pos key_pos"]:
        if self.d_head == 0:
            return torch.stack([self.pattern(head, rows) for head in range(self.n_heads)])
        patterns = self._all_scores(rows).softmax(dim=-1)
        for head, imposed in self.overrides.items():
            patterns[head] = imposed[rows].float()
        return self._complete(patterns)

    def _complete(self, pattern: Tensor) -> Tensor:
        # Softmax of nothing but −∞ is NaN: one such cell is enough to know its row.
        if self.mask is not None and pattern.numel() and bool(pattern[..., 0].isnan().any()):
            raise MaskError("A query position may look at no key, so it has no attention pattern.")
        return pattern

    def light(self) -> "AttentionRecord":
        """The same record without values and outputs."""
        return replace(self, v=None, z=None)

    def _checked(self, head: int) -> int:
        if not 0 <= head < self.n_heads:
            raise NotInTraceError(
                f"There is no head {head}; heads run from 0 to {self.n_heads - 1}."
            )
        return head

    def _shared(self, head: int, of: Tensor) -> int:
        return self._checked(head) * of.shape[0] // self.n_heads


@dataclass(frozen=True)
class Details:
    """What a second, fuller forward pass adds to the light capture; keys are sites.

    Attributes:
        attention: Records with values and outputs, by site, in layer order.
        resid: Residual stream, by site: entry 0 enters layer 0, entry i + 1 comes out of layer i.
        ff: Feed-forward activations (after the non-linearity), by site, in layer order.
        out_proj: Output projections W_O by site, in layer order; None in a trace read from a file.
        logits: Scores over the vocabulary or the classes; None for a model without such a head.
    """

    attention: Mapping[str, tuple[AttentionRecord, ...]]
    resid: Mapping[str, tuple[Float[Tensor, "pos d_model"], ...]]
    ff: Mapping[str, tuple[Float[Tensor, "pos d_ff"], ...]]
    out_proj: Mapping[str, tuple[Float[Tensor, "d_model_in d_model"], ...]] | None = None
    logits: Float[Tensor, "*pos vocab"] | None = None
