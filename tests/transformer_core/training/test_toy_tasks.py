"""Toy tasks have right answers; pairs of ones own are checked before they are learned from."""

import datetime
import random

import pytest

from transformer_core.errors import ConfigError, DataError
from transformer_core.training.own_pairs import MAX_BYTES, check_size, read_own_pairs, split
from transformer_core.training.toy_tasks import N_UNSEEN, TASKS, make_pairs, task_named


def right(name: str, source: str) -> str:
    """What the answer is, computed in another way."""
    if name == "add":
        first, second = source.split("+")
        return str(int(first) + int(second)).rjust(len(first) + 1, "0")
    if name == "dates":
        forms = ("%d %B %Y", "%B %d, %Y", "%d %b %Y", "%b %d, %Y", "%d.%m.%Y")
        for form in forms:
            try:
                return datetime.datetime.strptime(source, form).date().isoformat()
            except ValueError:
                continue
        raise AssertionError(source)
    letters = list(source)
    if name == "reverse":
        letters.reverse()
    if name == "sort":
        letters.sort()
    return "".join(letters)


@pytest.mark.parametrize("name", list(TASKS))
def test_every_target_is_the_right_answer(name: str) -> None:
    task = task_named(name)
    seen, unseen = make_pairs(task, size=task.sizes[1], n_pairs=500, seed=3)
    assert len(seen) == 500
    assert len(unseen) == N_UNSEEN
    for pair in [*seen, *unseen]:
        assert pair.target == right(name, pair.source)


@pytest.mark.parametrize("name", list(TASKS))
def test_no_unseen_source_is_learned_from(name: str) -> None:
    task = task_named(name)
    seen, unseen = make_pairs(task, size=task.sizes[0], n_pairs=5_000, seed=0)
    assert not {pair.source for pair in seen} & {pair.source for pair in unseen}
    assert len({pair.source for pair in seen}) == len(seen)


def test_the_same_seed_draws_the_same_pairs() -> None:
    task = task_named("copy")
    first = make_pairs(task, size=5, n_pairs=50, seed=1)
    assert first == make_pairs(task, size=5, n_pairs=50, seed=1)
    assert first != make_pairs(task, size=5, n_pairs=50, seed=2)


def test_a_small_space_gives_fewer_pairs_and_keeps_a_fifth() -> None:
    seen, unseen = make_pairs(task_named("copy"), size=2, n_pairs=10_000, seed=0)
    assert len(seen) + len(unseen) == 26**2
    assert len(unseen) == 26**2 // 5


def test_a_size_out_of_range_is_named() -> None:
    with pytest.raises(ConfigError, match="symbols run from 2 to 20, not 21"):
        make_pairs(task_named("copy"), size=21, n_pairs=10, seed=0)
    with pytest.raises(ConfigError, match="no task 'shuffle'"):
        task_named("shuffle")


def rows(n: int) -> bytes:
    return "".join(f"source {i}\ttarget {i}\n" for i in range(n)).encode()


def test_own_pairs_are_read_and_split_by_source() -> None:
    pairs, report = read_own_pairs(rows(300) + b"source 7\tanother target\n", "my.tsv")
    assert report.n_pairs == len(pairs) == 301
    seen, unseen = split(pairs)
    assert len(unseen) == 30
    assert not {pair.source for pair in seen} & {pair.source for pair in unseen}
    shuffled = random.Random(0).sample(pairs, len(pairs))
    assert {pair.source for pair in split(shuffled)[1]} == {pair.source for pair in unseen}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "my.tsv is empty"),
        (b" \n\n", "my.tsv is empty"),
        (b"only one column\n" * 40, r"my.tsv, line 1: wrong number of columns \(1"),
        (b"one\tpair\n", "1 pair with 1 different source; at least 20"),
        (rows(19), "19 pairs with 19 different sources"),
        (b"same\tx\n" * 50, "50 pairs with 1 different source;"),
        (b"\xff\xfe\t\xff\n" * 30, "not UTF-8"),
    ],
)
def test_unusable_pairs_say_why(content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        read_own_pairs(content, "my.tsv")
    assert "/tmp" not in str(caught.value)


def test_a_large_file_is_refused_by_its_size() -> None:
    check_size(MAX_BYTES, "my.tsv")
    with pytest.raises(DataError, match="200 MiB; 20 MiB are read at most"):
        check_size(200 * 2**20, "my.tsv")
