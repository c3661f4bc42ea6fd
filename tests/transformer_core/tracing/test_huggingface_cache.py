"""The cache with room to grow holds what Transformers' own holds."""

import pytest
import torch
from transformers import DynamicCache

from transformer_core.tracing.huggingface_cache import nbytes, new_cache, shortened


def states(n_pos: int, seed: int, *, rows: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, 2, n_pos, 4, generator=generator),
        torch.randn(rows, 2, n_pos, 4, generator=generator),
    )


@pytest.mark.parametrize("lengths", [[5, *[1] * 90], [1, 1, 40, 1, 1], [70, 1]])
def test_it_holds_what_was_put_in(lengths: list[int]) -> None:
    ours, theirs = new_cache(is_pair=False), DynamicCache()
    for step, length in enumerate(lengths):
        for layer in range(2):
            pair = states(length, seed=10 * step + layer)
            mine, expected = ours.update(*pair, layer), theirs.update(*pair, layer)
            assert all(map(torch.equal, mine, expected))
        assert ours.get_seq_length() == theirs.get_seq_length() == sum(lengths[: step + 1])
    assert nbytes(ours) == sum(lengths) * 2 * 2 * 2 * 4 * 4


def test_a_step_leaves_the_others_where_they_are() -> None:
    cache = new_cache(is_pair=False)
    cache.update(*states(3, 0), 0)
    first, _ = cache.update(*states(1, 1), 0)
    second, _ = cache.update(*states(1, 2), 0)
    assert first.data_ptr() == second.data_ptr()


def test_rows_change_places() -> None:
    ours, theirs = new_cache(is_pair=False), DynamicCache()
    n_rows = 1
    for seed, rows in enumerate([[0, 0, 0], [2, 0, 1], [1, 1], [0, 1, 1, 0]]):
        pair, n_rows = states(1, seed, rows=n_rows), len(rows)
        ours.update(*pair, 0)
        theirs.update(*pair, 0)
        ours.reorder_cache(torch.tensor(rows))
        theirs.reorder_cache(torch.tensor(rows))
    mine, expected = ours.update(*states(1, 9, rows=4), 0), theirs.update(*states(1, 9, rows=4), 0)
    assert all(map(torch.equal, mine, expected))


def test_a_shortened_cache_and_its_origin_grow_apart() -> None:
    cache = new_cache(is_pair=True)
    own, cross = cache.self_attention_cache, cache.cross_attention_cache
    cross.update(*states(6, 5), 0)
    cache.is_updated[0] = True
    for seed in range(4):
        own.update(*states(1, seed), 0)
    fork = shortened(cache, 2)
    kept, _ = own.update(*states(1, 7), 0)
    mine, _ = fork.self_attention_cache.update(*states(1, 8), 0)
    assert mine.shape[2] == 3 and kept.shape[2] == 5
    assert torch.equal(mine[:, :, :2], kept[:, :, :2])
    assert torch.equal(kept[:, :, 2:3], states(1, 2)[0])
    assert fork.is_updated[0]
    assert torch.equal(fork.cross_attention_cache.layers[0].keys, states(6, 5)[0])
