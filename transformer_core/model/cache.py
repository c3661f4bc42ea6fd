"""What a decoder need not compute twice: the keys and values of positions that it has read.

Without it, writing n tokens costs O(n²) forward positions; with it, O(n). The numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

_FIRST_ROOM = 8
"""Positions that a growing cache makes room for at first; it doubles whenever it is full."""


class GrowingKeyValues:
    """Keys and values of masked self-attention: every step appends its own.

    Attributes:
        n_pos: Positions held.
    """

    def __init__(self) -> None:
        self.n_pos = 0
        self._k: Tensor | None = None
        self._v: Tensor | None = None

    def append(
        self,
        k: Float[Tensor, "batch head new_pos d_head"],
        v: Float[Tensor, "batch head new_pos d_head"],
    ) -> tuple[Float[Tensor, "batch head pos d_head"], Float[Tensor, "batch head pos d_head"]]:
        """Add new positions and return all of them."""
        start, self.n_pos = self.n_pos, self.n_pos + k.shape[2]
        self._k = _with_room(self._k, start, self.n_pos, like=k)
        self._v = _with_room(self._v, start, self.n_pos, like=v)
        self._k[:, :, start : self.n_pos] = k
        self._v[:, :, start : self.n_pos] = v
        return self._k[:, :, : self.n_pos], self._v[:, :, : self.n_pos]

    def shortened(self, n_pos: int) -> GrowingKeyValues:
        """A cache of the first positions, which grows on by itself."""
        other = GrowingKeyValues()
        if self._k is not None and self._v is not None:
            other.append(self._k[:, :, :n_pos], self._v[:, :, :n_pos])
        return other

    @property
    def held(self) -> tuple[Tensor, ...]:
        """Keys and values of the positions held; nothing if there are none."""
        if self._k is None or self._v is None:
            return ()
        return self._k[:, :, : self.n_pos], self._v[:, :, : self.n_pos]

    def select(self, rows: Int[Tensor, " rows"]) -> None:
        """Keep these rows of the batch, in this order; a row may be taken several times."""
        if self._k is not None and self._v is not None:
            self._k = self._k.index_select(0, rows)
            self._v = self._v.index_select(0, rows)


class FixedKeyValues:
    """Keys and values of cross-attention: computed from the memory once, read at every step."""

    def __init__(self) -> None:
        self._pair: tuple[Tensor, Tensor] | None = None

    def once(
        self, compute: Callable[[], tuple[Tensor, Tensor]]
    ) -> tuple[
        Float[Tensor, "batch head src_pos d_head"], Float[Tensor, "batch head src_pos d_head"]
    ]:
        """What is held, computed first where nothing is."""
        if self._pair is None:
            k, v = compute()
            self._pair = k.contiguous(), v.contiguous()
        return self._pair

    def shared(self) -> FixedKeyValues:
        """A cache of the same source, for another text."""
        other = FixedKeyValues()
        other._pair = self._pair
        return other

    @property
    def held(self) -> tuple[Tensor, ...]:
        """The memory's keys and values; nothing before they are computed."""
        return () if self._pair is None else self._pair

    def select(self, rows: Int[Tensor, " rows"]) -> None:
        """Keep these rows of the batch, in this order; a row may be taken several times."""
        if self._pair is not None:
            k, v = self._pair
            self._pair = k.index_select(0, rows), v.index_select(0, rows)


class LayerCache:
    """The two caches of one decoder layer."""

    def __init__(self) -> None:
        self.self_attention = GrowingKeyValues()
        self.cross_attention = FixedKeyValues()

    @property
    def held(self) -> tuple[Tensor, ...]:
        """All keys and values."""
        return self.self_attention.held + self.cross_attention.held


class KeyValueCache:
    """The caches of all decoder layers, for one batch that is being written.

    Args:
        n_layers: Decoder layers.
    """

    def __init__(self, n_layers: int) -> None:
        self.layers = [LayerCache() for _ in range(n_layers)]

    @property
    def n_pos(self) -> int:
        """Positions read so far; the next token stands at this one."""
        return self.layers[0].self_attention.n_pos

    @property
    def n_rows(self) -> int:
        """Rows of the batch; 0 before anything was read."""
        held = self.layers[0].self_attention.held
        return held[0].shape[0] if held else 0

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values held, room that is not used yet left out."""
        held = (tensor for layer in self.layers for tensor in layer.held)
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def shortened(self, n_pos: int) -> KeyValueCache:
        """A cache of the first positions, from which another text goes on; this one stays."""
        other = KeyValueCache(0)
        for layer in self.layers:
            shorter = LayerCache()
            shorter.self_attention = layer.self_attention.shortened(n_pos)
            shorter.cross_attention = layer.cross_attention.shared()
            other.layers.append(shorter)
        return other

    def select(self, rows: Int[Tensor, " rows"], *, same_sources: bool = False) -> None:
        """Keep these rows of the batch, in this order: beams that go on, texts not yet finished.

        Args:
            rows: Row numbers; one may occur several times.
            same_sources: Each new row belongs to the source that the old row in its place belonged
                to (beams of one sentence change places), so what was read from the source stays.
        """
        for layer in self.layers:
            layer.self_attention.select(rows)
            if not same_sources:
                layer.cross_attention.select(rows)


def _with_room(held: Tensor | None, n_held: int, n_wanted: int, *, like: Tensor) -> Tensor:
    """A buffer for at least ``n_wanted`` positions whose first ``n_held`` are those held."""
    if held is not None and n_wanted <= held.shape[2]:
        return held
    batch, heads, _, d_head = like.shape
    room = max(_FIRST_ROOM, 2 * n_held, n_wanted)
    buffer = torch.empty(batch, heads, room, d_head, dtype=like.dtype, device=like.device)
    if held is not None:
        buffer[:, :, :n_held] = held[:, :, :n_held]
    return buffer
