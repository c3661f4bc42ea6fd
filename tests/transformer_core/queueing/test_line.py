"""The policy alone: fair, bounded, the newest of a session, and batches that waste little."""

from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transformer_core.errors import QueueFullError, SupersededError
from transformer_core.queueing.line import MAX_TOKENS, NEAR, RATIO, Ask, Entry, Limits, Line


def ask(
    session: Hashable, item: str = "", *, group: str = "m", size: int = 10, alone: bool = False
) -> Ask[str]:
    name = item or f"text of {session}"
    return Ask(session, group, (group, name), name, size, alone)


def line(**limits: int) -> Line[str, str]:
    return Line(Limits(**limits))  # type: ignore[arg-type]


def items(batch: list[Entry[str, str]]) -> list[str]:
    return [entry.ask.item for entry in batch]


def test_those_who_came_first_go_first_and_together() -> None:
    one = line(batch_size=2)
    for session in "abc":
        one.add(ask(session), 0.0)
    assert items(one.take()) == ["text of a", "text of b"]
    assert items(one.take()) == ["text of c"]
    assert one.take() == []


def test_the_newest_request_of_a_session_takes_the_place_of_its_older_one() -> None:
    one = line(batch_size=1)
    older = one.add(ask("a", "old"), 0.0)
    future = older.join("a")
    one.add(ask("b"), 0.1)
    newer = one.add(ask("a", "new"), 0.2)
    assert isinstance(future.exception(0), SupersededError)
    assert (one.place_of(older), one.place_of(newer), len(one)) == (0, 1, 2)
    assert items(one.take()) == ["new"]
    assert one.n_superseded == 1


def test_two_who_ask_for_the_same_wait_for_one_computation() -> None:
    one = line()
    first, second = one.add(ask("a", "same"), 0.0), one.add(ask("b", "same"), 0.1)
    assert first is second
    assert set(first.waiting) == {"a", "b"}


def test_what_another_waits_for_still_is_not_given_up_with_its_first_asker() -> None:
    one = line()
    shared = one.add(ask("a", "same"), 0.0)
    theirs = shared.join("b")
    mine = shared.waiting["a"]
    one.add(ask("a", "other"), 0.1)
    assert isinstance(mine.exception(0), SupersededError)
    assert not theirs.done()
    assert items(one.take()) == ["same", "other"]


def test_asking_again_for_the_same_changes_nothing() -> None:
    one = line()
    first = one.add(ask("a"), 0.0)
    future = first.waiting["a"]
    assert one.add(ask("a"), 0.1) is first
    assert first.waiting["a"] is future
    assert not future.done()


def test_a_full_line_refuses_newcomers_but_not_a_session_that_stands_in_it() -> None:
    one = line(length=2)
    one.add(ask("a"), 0.0)
    one.add(ask("b"), 0.0)
    with pytest.raises(QueueFullError, match="2 people wait already"):
        one.add(ask("c"), 0.0)
    one.add(ask("b", "newer"), 0.0)
    one.add(ask("c", "newer"), 0.0)  # what waits already costs nothing more
    assert (len(one), one.n_refused) == (2, 1)


def test_who_leaves_is_not_computed() -> None:
    one = line()
    entry = one.add(ask("a"), 0.0)
    entry.join("b")
    one.leave(entry, "a")
    assert one.place_of(entry) == 1
    one.leave(entry, "b")
    one.leave(entry, "b")
    assert len(one) == 0


def test_only_texts_of_one_model_and_of_similar_length_go_together() -> None:
    one = line()
    one.add(ask("a", size=100), 0.0)
    one.add(ask("b", group="other", size=100), 0.0)
    one.add(ask("c", size=151), 0.0)
    one.add(ask("d", size=150), 0.0)
    one.add(ask("e", size=100, alone=True), 0.0)
    assert items(one.take()) == ["text of a", "text of d"]
    assert items(one.take()) == ["text of b"]
    assert items(one.take()) == ["text of c"]
    assert items(one.take()) == ["text of e"]


def test_a_batch_has_a_bounded_number_of_tokens() -> None:
    one = line()
    for session in range(5):
        one.add(ask(session, size=MAX_TOKENS // 3), 0.0)
    assert [len(one.take()) for _ in range(3)] == [3, 2, 0]


def test_a_batch_gathers_for_the_window_and_no_longer_than_it_is_full() -> None:
    one = Line[str, str](Limits(window=0.25, batch_size=2))
    one.add(ask("a"), 1.0)
    assert one.ready_in(1.0) == 0.25
    assert one.ready_in(2.0) == 0.0
    one.add(ask("b"), 1.0)
    assert one.ready_in(1.0) == 0.0


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 5), st.integers(0, 3), st.integers(1, 60)),
        st.tuples(st.just("take"), st.just(0), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(events=EVENTS, batch_size=st.integers(1, 4))
def test_with_n_ahead_a_request_waits_for_n_batches_at_most(
    events: list[tuple[str, int, int, int]], batch_size: int
) -> None:
    """Whatever the others ask for, and however often: nobody is passed over without end."""
    one = line(batch_size=batch_size, length=4)
    bound: dict[int, int] = {}  # batches that a session may still have to wait for
    for kind, session, model, size in events:
        if kind == "ask":
            before = len(one)
            try:
                entry = one.add(ask(session, f"{session} {size}", group=str(model), size=size), 0.0)
            except QueueFullError:
                assert before == 4
                continue
            assert one.place_of(entry) <= bound.setdefault(session, one.place_of(entry))
        else:
            batch = one.take()
            assert len(batch) <= batch_size
            assert len({entry.ask.group for entry in batch}) <= 1
            sizes = [entry.ask.size for entry in batch]
            for size_ in sizes:
                short, long = sorted((size_, sizes[0]))
                assert long - short <= NEAR or long <= RATIO * short
            for served in {who for entry in batch for who in entry.waiting}:
                del bound[served]
            bound = {who: left - 1 for who, left in bound.items()}
            assert min(bound.values(), default=1) >= 1, "waited longer than all who stood before"
        assert len(one) == len(bound) <= 4  # every session stands in line once


@settings(max_examples=100, deadline=None)
@given(n_greedy=st.integers(1, 20), n_others=st.integers(1, 10))
def test_a_session_that_asks_without_end_gets_one_turn_a_round(
    n_greedy: int, n_others: int
) -> None:
    one = line(batch_size=1)
    served: list[Hashable] = []
    for i in range(n_greedy):
        one.add(ask("greedy", str(i)), 0.0)
    for i in range(n_others):
        one.add(ask(i), 0.0)
    while len(one):
        served.append(one.take()[0].ask.session)
        if served.count("greedy") < 3:
            one.add(ask("greedy", f"again {len(served)}"), 0.0)
    assert served[: n_others + 2] == ["greedy", *range(n_others), "greedy"]
