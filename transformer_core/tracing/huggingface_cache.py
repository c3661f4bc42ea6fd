"""Keys and values that a Hugging Face model need not compute twice, with room to grow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer

_LEAST_ROOM = 32
"""Positions that a layer makes room for when it is full, or half of what it has if that is more."""


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer: a step writes its own and leaves the others where they are.

    (The class above copies all of them at every step: O(n²) over a text of n tokens.) Layers with a
    sliding window keep all positions, too: their masks hide the far ones, and so any row can be
    drawn later and a text forked at any step.
    """

    _room: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **options: Any
    ) -> tuple[Tensor, Tensor]:
        """Add new positions and return all of them."""
        if not self.is_initialized:
            held: tuple[Tensor, Tensor] = super().update(key_states, value_states, *args, **options)
            return held
        start = self.get_seq_length()
        end = start + key_states.shape[2]
        if self._room is None or end > self._room[0].shape[2]:
            n_room = end + max(_LEAST_ROOM, end // 2)
            self._room = _with_room(self.keys, n_room), _with_room(self.values, n_room)
        keys, values = self._room
        keys[:, :, start:end] = key_states
        values[:, :, start:end] = value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Any) -> None:
        """Let each row go on from another."""
        super().reorder_cache(beam_idx)
        self._room = None


def new_cache(*, is_pair: bool) -> Any:
    """An empty cache: of a decoder, or of a decoder and what it reads from its encoder."""
    return EncoderDecoderCache(_roomy(), _roomy()) if is_pair else _roomy()


@torch.inference_mode()
def shortened(cache: Any, n_pos: int) -> Any:
    """A cache of the first positions of another; both grow on by themselves."""
    if isinstance(cache, EncoderDecoderCache):
        own = shortened(cache.self_attention_cache, n_pos)
        return EncoderDecoderCache(own, cache.cross_attention_cache)
    fork = _roomy()
    for index, layer in enumerate(cache.layers):
        fork.update(layer.keys[:, :, :n_pos], layer.values[:, :, :n_pos], index)
    return fork


def nbytes(cache: Any) -> int:
    """Bytes of the keys and values held."""
    return sum(
        tensor.numel() * tensor.element_size()
        for layer in cache.layers
        for tensor in (layer.keys, layer.values)
    )


def _roomy() -> DynamicCache:
    cache = DynamicCache()
    cache.layer_class_to_replicate = RoomyLayer
    return cache


def _with_room(held: Any, n_room: int) -> Tensor:
    rows, heads, n_pos, width = held.shape
    room: Tensor = held.new_empty(rows, heads, n_room, width)
    room[:, :, :n_pos] = held
    return room
