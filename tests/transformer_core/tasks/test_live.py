"""Work in a thread is seen while it runs, stops when told, and outlives nobody's interest."""

import threading
from collections.abc import Callable, Iterator

from transformer_core.errors import InputError
from transformer_core.tasks.live import Live


def test_the_last_state_is_seen_when_it_is_over() -> None:
    live = Live(lambda _: iter([1, 2, 3]))
    assert live.look(wait=5) == 3
    assert live.is_over
    assert not live.is_stopped


def test_it_is_seen_while_it_runs_and_stops_when_told() -> None:
    first, go_on = threading.Event(), threading.Event()

    def work(should_stop: Callable[[], bool]) -> Iterator[int]:
        yield 1
        first.set()
        go_on.wait(5)
        assert should_stop()
        yield 2
        raise AssertionError("went on after it was told to stop")

    live = Live(work)
    first.wait(5)
    assert live.look() == 1
    assert not live.is_over
    live.stop()
    go_on.set()
    live.join(5)
    assert live.is_over
    assert live.last == 2
    assert live.error == ""


def test_it_stops_when_nobody_looks() -> None:
    now = [0.0]

    def work(should_stop: Callable[[], bool]) -> Iterator[int]:
        for i in range(1000):
            now[0] = float(i)
            yield i

    live = Live(work, patience=5, clock=lambda: now[0])
    live.join(5)
    assert live.is_stopped
    assert live.last == 6


def test_what_goes_wrong_is_said() -> None:
    def work(_: Callable[[], bool]) -> Iterator[int]:
        yield 1
        raise InputError("No.")

    live = Live(work)
    assert live.look(wait=5) == 1
    assert live.error == "No."


def test_no_thread_is_left() -> None:
    live = Live(lambda _: iter(()))
    live.join(5)
    assert live._thread not in threading.enumerate()
