"""Work in a thread: seen while it runs, shared, stopped when told, outliving nobody's interest."""

import gc
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable, Iterator

import pytest

from transformer_core.background import GRACE, PATIENCE, Report, ShouldStop, Work
from transformer_core.errors import InputError


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


class Steps:
    """Work that goes on one state at a time, when it is let."""

    def __init__(self, n: int = 1000) -> None:
        self.n, self.begun = n, 0
        self.passes = threading.Semaphore(0)

    def __call__(self, should_stop: ShouldStop) -> Iterator[int]:
        self.begun += 1
        for state in range(1, self.n + 1):
            assert self.passes.acquire(timeout=10)
            yield state

    def let(self, n: int) -> None:
        for _ in range(n):
            self.passes.release()


def test_it_begins_when_somebody_watches_and_runs_once_for_all() -> None:
    steps = Steps(3)
    work = Work(steps)
    assert (work.last, work.is_running, work.is_over, steps.begun) == (None, False, False, 0)
    steps.let(3)
    work.watch("a")
    assert work.watch("b", wait=5) == 3
    assert (work.result, work.is_over, work.is_stopped, work.share) == (3, True, False, 1.0)
    work.watch("c")
    assert steps.begun == 1


def test_states_are_seen_while_it_runs_and_waiting_ends_at_the_first_worth_seeing() -> None:
    steps = Steps()
    work = Work(steps)
    steps.let(2)
    assert work.watch(wait=5, until=lambda state: state >= 2) == 2
    assert not work.is_over
    assert work.result is None
    work.stop()
    steps.let(1)
    work.join(5)
    assert work.is_over


@pytest.mark.parametrize("moment", [None, 0, 1, 5])
def test_a_stop_at_any_moment_ends_it_and_leaves_no_thread(moment: int | None) -> None:
    before = threading.active_count()
    steps = Steps()
    work = Work(steps)
    if moment is not None:
        work.watch()
        steps.let(moment)
        until(lambda: (work.last or 0) == moment)
    work.stop()
    steps.let(1)
    work.join(5)
    until(lambda: threading.active_count() == before)
    assert (work.is_over, work.is_stopped, work.result, work.error) == (True, True, None, "")
    assert (work.last or 0) <= (moment or 0) + 1
    work.watch()  # what was stopped does not begin again
    assert not work.is_running


def test_what_it_gave_is_freed_with_it() -> None:
    class Big:
        def __init__(self) -> None:
            self.content = bytearray(8_000_000)

    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    work = Work(lambda _: iter([Big(), Big()]))
    work.watch(wait=5)
    work.join(5)
    assert tracemalloc.get_traced_memory()[0] - before > 7_000_000
    del work
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 1_000_000


def test_it_is_given_up_when_nobody_looks_and_begun_anew_by_the_next_who_does() -> None:
    now, steps = [0.0], Steps(4)
    work = Work(steps, clock=lambda: now[0])
    work.watch()
    steps.let(1)
    until(lambda: work.last == 1)
    now[0] = PATIENCE + 1
    steps.let(1)
    until(lambda: not work.is_running)
    assert (work.is_over, work.is_stopped, work.result) == (False, False, None)
    steps.let(4)
    assert work.watch(wait=5) == 4
    assert steps.begun == 2


def test_it_goes_on_for_those_who_stay_and_ends_with_the_last() -> None:
    steps = Steps()
    work = Work(steps)
    work.watch("a")
    work.watch("b")
    work.leave("a")
    steps.let(1)
    until(lambda: work.last == 1)
    assert work.is_running
    work.leave("b")
    steps.let(1)
    until(lambda: not work.is_running)
    assert work.last == 2


def test_a_watcher_whose_browser_has_gone_counts_no_more_after_a_grace() -> None:
    now, steps, there = [0.0], Steps(), [True]
    work = Work(steps, clock=lambda: now[0], patience=1000)
    work.watch("a", is_there=lambda: there[0])
    for second in range(1, 5):
        now[0] += GRACE + second
        steps.let(1)
        until(lambda second=second: work.last == second)  # type: ignore[misc]
        assert work.is_running  # a tab in the background is there, though it does not look
    there[0] = False
    now[0] += GRACE - 1
    steps.let(1)
    until(lambda: work.last == 5)
    assert work.is_running
    now[0] += 2
    steps.let(1)
    until(lambda: not work.is_running)


def test_what_goes_wrong_is_said_and_not_tried_again() -> None:
    def work(_: ShouldStop) -> Iterator[int]:
        yield 1
        raise InputError("No such layer.")

    broken = Work(work)
    broken.watch(wait=5)
    assert (broken.error, broken.last, broken.result) == ("No such layer.", 1, None)
    broken.watch()
    assert not broken.is_running


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_shows_and_is_no_result() -> None:
    def compute(_: Report) -> int:
        raise ZeroDivisionError

    job = Work.once(compute)
    job.watch(wait=5)
    job.join(5)
    assert "the log says why" in job.error


def test_one_result_reports_its_parts_and_long_work_takes_turns() -> None:
    running: list[int] = []
    gate = threading.Event()

    def compute(report: Report) -> int:
        running.append(1)
        report(1, 2)
        assert gate.wait(10)
        return 7

    jobs = [Work.once(compute) for _ in range(3)]
    for job in jobs:
        job.watch()
    until(lambda: sum(job.share for job in jobs) == 0.5)
    assert len(running) == 1
    jobs[2 if jobs[0].share else 0].leave()  # one that waits for its turn can be given up
    gate.set()
    until(lambda: not any(job.is_running for job in jobs))
    assert sum(job.result == 7 for job in jobs) == 2


def test_work_that_reports_is_given_up_where_it_reports() -> None:
    reached, go_on = threading.Event(), threading.Event()

    def compute(report: Report) -> int:
        reached.set()
        assert go_on.wait(10)
        report(1, 2)
        raise AssertionError("went on after all had left")

    job = Work.once(compute)
    job.watch("a")
    assert reached.wait(10)
    job.leave("a")
    go_on.set()
    until(lambda: not job.is_running)
    assert (job.error, job.is_over) == ("", False)


def test_a_process_ends_while_work_runs() -> None:
    code = """
import time
from transformer_core.background import Work

def compute(report):
    for i in range(600):
        report(i, 600)
        time.sleep(0.1)

Work.once(compute).watch()
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], timeout=50, check=False)
    assert done.returncode == 0
    assert time.monotonic() - begun < 40


def test_work_that_is_over_keeps_nothing_alive_that_only_running_needs() -> None:
    class Large:
        """What is worked on."""

    large = Large()
    gone = weakref.ref(large)

    def run(_: ShouldStop, large: Large = large) -> Iterator[str]:
        yield type(large).__name__

    work = Work(run)
    del run, large
    assert work.watch(wait=PATIENCE) == "Large"
    work.join(PATIENCE)
    gc.collect()
    assert gone() is None
    assert work.result == "Large"
