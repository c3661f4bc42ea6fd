"""Any settings of decoding: refused in plain words, or a text whose numbers hold together."""

from __future__ import annotations

import functools
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example
from hypothesis import strategies as st

from tests.fuzz.strategies import texts
from tests.fuzz.trying import check_words, tried
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.filters import Bans, Cut, filtered
from transformer_core.decoding.strategies import Beam, Greedy, Sample, Strategy
from transformer_core.errors import ConfigError, InputError, TransformerCoreError
from transformer_core.models.loading import load

ODD = [0, -1, 1, 2, 10**9, 1e-9, 1e9, 1e308, float("nan"), float("inf"), -float("inf"), 0.5, 1.0]
NUMBER = st.sampled_from(ODD) | st.floats(allow_nan=True)
MAYBE = st.none() | NUMBER
COUNT = st.none() | st.integers(-2, 12) | st.sampled_from([10**12])
SANE_T = st.floats(0.05, 20)


@functools.cache
def model() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return load(make_translator(Path(folder) / "model", n_ctx=24))


def valid(*, most: int = 6) -> st.SearchStrategy[Strategy]:
    """Settings in their ranges, the ends of the ranges among them."""
    share = st.sampled_from([0.01, 0.5, 1.0]) | st.floats(0.01, 1)
    length, penalty = st.integers(1, most), st.sampled_from([0.5, 1.0, 1.3])
    return st.one_of(
        st.builds(Greedy, length, penalty),
        st.builds(
            Beam, st.integers(1, 5), st.floats(-3, 3), length, penalty,
            st.sampled_from([True, False, "never"]),
        ),
        st.builds(
            Sample, SANE_T, st.none() | st.integers(1, 400), st.none() | share,
            st.none() | st.sampled_from([0.0, 1.0]) | share, st.integers(0, 2**32), length, penalty,
        ),
    )  # fmt: skip


@tried(
    kind=st.sampled_from(["greedy", "beam", "sample"]),
    numbers=st.lists(NUMBER, min_size=3, max_size=3),
    maybe=st.lists(MAYBE, min_size=3, max_size=3),
    count=COUNT,
    times=150,
)
def test_settings_out_of_range_are_refused_where_they_are_made(
    kind: str, numbers: list[float], maybe: list[Any], count: int | None
) -> None:
    first, second, third = numbers
    try:
        if kind == "greedy":
            Greedy(count, first)
        elif kind == "beam":
            Beam(count or 0, first, count, second)
        else:
            Sample(first, count, maybe[0], maybe[1], 0, count, third)
    except ConfigError as error:
        check_words(error)


@tried(
    times=100,
    logits=st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=40),
    strategy=valid(),
    previous=st.lists(st.integers(0, 60), max_size=8),
    banned=st.sets(st.integers(0, 60), max_size=4),
    only=st.none() | st.integers(0, 60),
)
def test_a_distribution_sums_to_one_over_what_was_kept(
    logits: list[float],
    strategy: Strategy,
    previous: list[int],
    banned: set[int],
    only: int | None,
) -> None:
    n = len(logits)
    forced = () if only is None or only >= n else (only,)
    if not forced and set(range(n)) <= banned:
        return  # nothing may be written: there is no distribution
    bans = Bans({Cut.BANNED: sorted(banned)}, forced)
    result = filtered(torch.tensor(logits), strategy, previous=previous, bans=bans)
    kept, chances = result.kept, result.probabilities
    assert bool(kept.any())
    assert float(chances.sum()) == pytest.approx(1, abs=1e-5)
    assert bool((chances[~kept] == 0).all())
    if forced:
        assert kept.nonzero().flatten().tolist() == [only]
        return
    assert not any(bool(kept[i]) for i in banned if i < n)
    if isinstance(strategy, Sample):
        _check_filters(result, strategy)


def _check_filters(result: Any, strategy: Sample) -> None:
    """What was kept is what the papers keep, computed here in the plainest way."""
    before = {int(i): float(result.scaled[i]) for i in (result.cut != Cut.BANNED).nonzero()}
    order = sorted(before, key=before.__getitem__, reverse=True)
    assert bool(result.kept[order[0]]) or before[order[0]] == before[order[1]]
    if strategy.top_k is not None:
        above = [i for i in before if bool(result.kept[i])]
        worst = min(before[i] for i in above)
        assert sum(value > worst for value in before.values()) < strategy.top_k
    kept = [before[i] for i in before if bool(result.kept[i])]
    cut = [before[i] for i in before if not bool(result.kept[i])]
    assert not cut or min(kept) >= max(cut)


@tried(times=12, strategy=valid(), text=texts(max_size=4))
def test_a_text_follows_its_settings(strategy: Strategy, text: str) -> None:
    try:
        steps = [*(decoding := model().decode(text, strategy))]
    except InputError as error:
        check_words(error)
        return
    again = [step.token_id for step in model().decode(text, strategy)]
    assert [step.token_id for step in steps] == again
    limit = strategy.max_new_tokens
    assert limit is not None
    assert 1 <= len(steps) <= limit
    assert decoding.ended in {"eos", "limit"}
    total = 0.0
    for step in steps:
        distribution = step.distribution()
        assert bool(distribution.filtered.kept[step.token_id])
        assert float(distribution.filtered.probabilities.sum()) == pytest.approx(1, abs=1e-4)
        assert step.log_prob <= 1e-5
        total += step.log_prob
        assert step.cumulative_log_prob == pytest.approx(total, abs=1e-3)
    if isinstance(strategy, Beam):
        tree = decoding.tree
        scores = [tree.score(found) for found in tree.ranked]
        assert tree.best is not None
        assert scores == sorted(scores, reverse=True)
        assert all(math.isfinite(score) for score in scores)


@tried(
    times=12,
    prefix=st.lists(st.integers(3, 290) | st.sampled_from([0, 1, 2]), max_size=5),
    strategy=valid(most=3),
)
@example(prefix=[10**9], strategy=Greedy(2))
@example(prefix=[-1], strategy=Greedy(2))
@example(prefix=[5] * 40, strategy=Beam(2, max_new_tokens=2))
def test_what_a_text_is_to_begin_with_stands_there(prefix: list[int], strategy: Strategy) -> None:
    try:
        steps = [*model().decode("The cat", strategy, target_prefix=prefix)]
    except TransformerCoreError as error:
        check_words(error)
        return
    written = [step.token_id for step in steps]
    shared = min(len(prefix), len(written))
    assert written[:shared] == prefix[:shared]
