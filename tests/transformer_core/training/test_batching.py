"""Batches: every pair once, next to no padding, the same order for the same seed."""

import numpy as np
import pytest
import torch

from transformer_core.training.batching import SpecialIds, collate, plan_epoch
from transformer_core.training.corpus import EncodedPairs, Ragged


def make_pairs(n: int, *, weight: float = 1.0, seed: int = 0) -> EncodedPairs:
    rng = np.random.default_rng(seed)

    def rows() -> Ragged:
        return Ragged.from_rows(
            [rng.integers(3, 50, rng.integers(1, 30)).tolist() for _ in range(n)]
        )

    return EncodedPairs(rows(), rows(), np.full(n, weight))


def test_every_pair_is_in_an_epoch_once() -> None:
    plan = plan_epoch(make_pairs(500), max_tokens=200, seed=1, epoch=0)
    assert sorted(np.concatenate(plan).tolist()) == list(range(500))


def test_weights_say_how_often() -> None:
    pairs = make_pairs(400, weight=1.5)
    counts = np.bincount(np.concatenate(plan_epoch(pairs, max_tokens=200, seed=1, epoch=0)))
    assert set(counts.tolist()) == {1, 2}
    assert 520 < counts.sum() < 680
    again = np.bincount(np.concatenate(plan_epoch(pairs, max_tokens=200, seed=1, epoch=1)))
    assert (again != counts).any()


def test_no_batch_is_larger_than_it_may_be() -> None:
    pairs = make_pairs(500)
    for rows in plan_epoch(pairs, max_tokens=200, seed=1, epoch=0):
        batch = collate(pairs, rows, SpecialIds())
        assert max(batch.src.numel(), batch.tgt.numel()) <= 200


def test_a_pair_longer_than_a_batch_is_a_batch_of_its_own() -> None:
    pairs = make_pairs(50)
    plan = plan_epoch(pairs, max_tokens=5, seed=1, epoch=0)
    assert sorted(np.concatenate(plan).tolist()) == list(range(50))


def test_lengths_are_alike_so_little_is_padding() -> None:
    pairs = make_pairs(5_000)
    n_cells = n_padding = 0
    for rows in plan_epoch(pairs, max_tokens=400, seed=1, epoch=0):
        batch = collate(pairs, rows, SpecialIds())
        n_cells += batch.tgt.numel()
        n_padding += int((batch.tgt == 0).sum())
    assert n_padding < 0.02 * n_cells


def test_the_order_is_the_seeds_and_the_epochs() -> None:
    pairs = make_pairs(300)

    def order(seed: int, epoch: int) -> list[list[int]]:
        return [r.tolist() for r in plan_epoch(pairs, max_tokens=100, seed=seed, epoch=epoch)]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_a_batch_by_hand() -> None:
    pairs = EncodedPairs(
        Ragged.from_rows([[5, 6], [7]]), Ragged.from_rows([[8], [9, 10]]), np.ones(2)
    )
    batch = collate(pairs, np.array([0, 1]), SpecialIds(pad=0, bos=1, eos=2))
    assert batch.src.tolist() == [[5, 6, 2], [7, 2, 0]]
    assert batch.tgt.tolist() == [[1, 8, 0], [1, 9, 10]]
    assert batch.labels.tolist() == [[8, 2, 0], [9, 10, 2]]
    assert batch.src_mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.n_labels == 5


@pytest.mark.parametrize("n_processes", [2, 3])
def test_processes_share_a_batch_without_gap_or_overlap(n_processes: int) -> None:
    pairs = make_pairs(10)
    rows = np.arange(7)
    whole = collate(pairs, rows, SpecialIds())
    parts = [
        collate(pairs, rows, SpecialIds(), rank=rank, n_processes=n_processes)
        for rank in range(n_processes)
    ]
    assert {part.n_labels for part in parts} == {whole.n_labels}
    assert sum(int((part.labels != 0).sum()) for part in parts) == whole.n_labels
    assert sum(len(part.src) for part in parts) == 7


def test_a_process_without_a_row_has_nothing_to_learn() -> None:
    pairs = make_pairs(3)
    batch = collate(pairs, np.array([2]), SpecialIds(), rank=1, n_processes=2)
    assert batch.src_mask.any(dim=1).all()
    assert (batch.labels == 0).all()
    assert batch.n_labels == len(pairs.target[2]) + 1


def test_rows_of_ids_come_back_as_they_went_in() -> None:
    ragged = Ragged.from_rows([[1, 2, 3], [], [4]])
    assert [ragged[i].tolist() for i in range(3)] == [[1, 2, 3], [], [4]]
    assert ragged.lengths.tolist() == [3, 0, 1]
    assert torch.from_numpy(ragged.flat).dtype == torch.int32
