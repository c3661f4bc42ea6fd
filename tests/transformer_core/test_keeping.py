"""A cache that is bounded in bytes: what goes, what stays, and what is made once for all."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transformer_core.errors import InputError
from transformer_core.keeping import ByteCache, Parts


@dataclass(eq=False)
class Thing:
    """Blocks of memory, and whether it has grown by one."""

    blocks: dict[str, int] = field(default_factory=dict)
    has_grown: bool = False


def weigh(thing: Thing) -> Parts:
    grown = {("more", id(thing)): 50} if thing.has_grown else {}
    return {**thing.blocks, **grown}


def cache(budget: int = 100, **options: object) -> ByteCache[Thing]:
    return ByteCache(budget, weigh, mark=lambda thing: thing.has_grown, **options)  # type: ignore[arg-type]


def of(name: str, n_bytes: int) -> Thing:
    return Thing({name: n_bytes})


def test_the_least_recently_used_goes_first() -> None:
    gone: list[object] = []
    one = cache(on_drop=gone.append)
    for name in "abc":
        one.put(name, of(name, 30))
    assert one.get("a") is not None
    one.put("d", of("d", 30))
    assert (one.peek("b"), gone) == (None, ["b"])
    assert [kept.key for kept in one.entries()] == ["c", "a", "d"]
    usage = one.usage()
    assert (usage.n_bytes, usage.n_entries, usage.n_evicted) == (90, 3, 1)


def test_memory_that_values_share_counts_once() -> None:
    one = cache()
    one.put("a", Thing({"shared": 60, "a": 10}))
    one.put("b", Thing({"shared": 60, "b": 10}))
    assert one.usage().n_bytes == 80
    one.drop(lambda key: key == "a")
    assert one.usage().n_bytes == 70
    one.drop()
    assert one.usage().n_bytes == 0


def test_what_grows_is_weighed_again() -> None:
    one = cache()
    for name in "ab":
        one.put(name, of(name, 30))
    first = one.peek("a")
    assert first is not None
    first.has_grown = True
    assert one.usage().n_bytes == 110
    one.put("c", of("c", 10))
    assert [kept.key for kept in one.entries()] == ["b", "c"]


def test_what_is_larger_than_the_budget_stays_until_something_newer_comes() -> None:
    one = cache()
    one.put("a", of("a", 10))
    one.put("huge", of("huge", 1000))
    assert [kept.key for kept in one.entries()] == ["huge"]
    one.put("b", of("b", 10))
    assert [kept.key for kept in one.entries()] == ["b"]


def test_a_value_put_again_replaces_the_old_one_and_keeps_its_users() -> None:
    one = cache()
    one.put("a", of("old", 40), user="session")
    one.put("a", of("new", 50))
    assert one.usage().n_bytes == 50
    assert one.entries()[0].n_users == 1


def test_what_only_the_leaving_session_used_is_released() -> None:
    gone: list[object] = []
    one = cache(on_drop=gone.append)
    one.put("mine", of("mine", 10), user="me")
    one.put("ours", of("ours", 10), user="me")
    one.put("nobody's", of("nobody's", 10))
    one.get("ours", "you")
    one.use("mine", None)
    one.release("me")
    assert [kept.key for kept in one.entries()] == ["nobody's", "ours"]
    one.release("me")
    one.release("you")
    assert gone == ["mine", "ours"]
    assert one.usage().n_released == 2


def test_fifty_who_ask_at_once_get_one_making() -> None:
    one, gate, made = cache(), threading.Barrier(50), []

    def make() -> Thing:
        made.append(threading.get_ident())
        threading.Event().wait(0.2)
        return of("a", 1)

    def go(i: int) -> Thing:
        gate.wait(20)
        return one.of("a", make, i)

    with ThreadPoolExecutor(50) as people:
        found = set(people.map(go, range(50)))
    assert (len(found), len(made)) == (1, 1)
    assert one.entries()[0].n_users == 50


def test_a_making_that_fails_is_not_kept() -> None:
    one = cache()

    def fail() -> Thing:
        raise InputError("no")

    with pytest.raises(InputError):
        one.of("a", fail)
    assert one.of("a", lambda: of("a", 1)).blocks == {"a": 1}


def test_who_waits_for_an_interrupted_making_makes_it() -> None:
    one, begun, stop = cache(), threading.Event(), threading.Event()

    def interrupted() -> Thing:
        begun.set()
        assert stop.wait(20)
        raise KeyboardInterrupt  # as Streamlit ends a script: no Exception

    def first() -> str:
        try:
            one.of("a", interrupted)
        except KeyboardInterrupt:
            return "ended"
        return "made"

    with ThreadPoolExecutor(2) as people:
        ended = people.submit(first)
        assert begun.wait(20)
        made = people.submit(lambda: one.of("a", lambda: of("a", 7)))
        stop.set()
        assert (ended.result(20), made.result(20).blocks) == ("ended", {"a": 7})


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abcde"), st.sets(st.sampled_from("xyz"), max_size=3)),
        max_size=30,
    )
)
def test_the_bytes_are_those_of_what_is_kept_and_within_the_budget(
    steps: list[tuple[str, set[str]]],
) -> None:
    one = cache(budget=100)
    values: dict[object, Thing] = {}
    for key, shared in steps:
        values[key] = Thing({key: 20} | dict.fromkeys(shared, 15))
        one.put(key, values[key])
        kept = [entry.key for entry in one.entries()]
        blocks = {name: size for k in kept for name, size in values[k].blocks.items()}
        assert one.usage().n_bytes == sum(blocks.values()) <= 100
