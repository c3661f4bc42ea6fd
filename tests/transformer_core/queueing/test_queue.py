"""The queue at work, with a model and a clock that tests hold in their hands."""

import threading
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor

import pytest

from transformer_core.errors import (
    InputError,
    QueueFullError,
    QueueTimeoutError,
    SupersededError,
)
from transformer_core.queueing import Ask, InferenceQueue, Limits
from transformer_core.queueing.report import middle_and_tail

PATIENCE = 20.0


class Model:
    """Writes texts in capitals, when it is allowed to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()
        self.begun = threading.Semaphore(0)
        self.may_go_on = threading.Semaphore(0)

    def __call__(self, group: Hashable, texts: list[str]) -> list[str]:
        assert group == "m"
        self.batches.append(texts)
        self.threads.add(threading.current_thread().name)
        self.begun.release()
        assert self.may_go_on.acquire(timeout=PATIENCE)
        if "bad" in texts:
            raise InputError("bad text")
        if "worse" in texts:
            raise SystemExit
        return [text.upper() for text in texts]

    def go_on(self, times: int = 1) -> None:
        self.may_go_on.release(times)

    def is_busy(self) -> None:
        assert self.begun.acquire(timeout=PATIENCE)


def ask(session: Hashable, text: str) -> Ask[str]:
    return Ask(session, "m", text, text)


@pytest.fixture
def model() -> Model:
    return Model()


def queue_of(model: Model, **limits: float) -> InferenceQueue[str, str]:
    return InferenceQueue(model, Limits(**{"window": 0.0, **limits}))  # type: ignore[arg-type]


def test_requests_that_wait_are_computed_together_in_one_thread(model: Model) -> None:
    queue = queue_of(model)
    first = queue.submit(ask(0, "first"))
    model.is_busy()
    others = [queue.submit(ask(i, f"text {i}")) for i in range(1, 4)]
    assert [ticket.place() for ticket in [first, *others]] == [0, 1, 2, 3]
    model.go_on(2)
    assert [t.future.result(PATIENCE) for t in [first, *others]] == [
        "FIRST", "TEXT 1", "TEXT 2", "TEXT 3",
    ]  # fmt: skip
    assert model.batches == [["first"], ["text 1", "text 2", "text 3"]]
    assert len(model.threads) == 1
    queue.close()


def test_one_failing_request_does_not_fail_its_neighbours(model: Model) -> None:
    queue = queue_of(model)
    queue.submit(ask(0, "first"))
    model.is_busy()
    tickets = [queue.submit(ask(i, text)) for i, text in enumerate(["good", "bad", "worse"], 1)]
    model.go_on(5)
    assert tickets[0].future.result(PATIENCE) == "GOOD"
    assert isinstance(tickets[1].future.exception(PATIENCE), InputError)
    assert isinstance(tickets[2].future.exception(PATIENCE), SystemExit)
    assert queue.submit(ask(9, "later")).leave() is None
    model.go_on()
    queue.close()  # the worker is alive still: it ends by itself
    assert queue.report().n_failed == 2


def test_a_model_that_loses_a_result_fails_that_request_only(model: Model) -> None:
    queue = InferenceQueue[str, str](lambda _, texts: [t for t in texts if t != "lost"], Limits())
    lost, found = queue.submit(ask(1, "lost")), queue.submit(ask(2, "found"))
    assert found.future.result(PATIENCE) == "found"
    assert isinstance(lost.future.exception(PATIENCE), RuntimeError)
    queue.close()


def test_fifty_who_ask_for_the_same_at_once_get_one_computation(model: Model) -> None:
    queue = queue_of(model)
    gate = threading.Barrier(50)

    def go(session: int) -> str:
        gate.wait(PATIENCE)
        return queue.result(ask(session, "same"))

    with ThreadPoolExecutor(50) as people:
        answers = [people.submit(go, session) for session in range(50)]
        model.is_busy()
        for _ in range(200):  # until all have asked; they join what is computed
            if len(queue._running[0].waiting) == 50:
                break
            threading.Event().wait(0.02)
        model.go_on(50)
        assert {answer.result(PATIENCE) for answer in answers} == {"SAME"}
    assert model.batches == [["same"]]
    queue.close()


def test_a_superseded_request_raises_and_is_never_computed(model: Model) -> None:
    queue = queue_of(model)
    queue.submit(ask(0, "first"))
    model.is_busy()
    older, newer = queue.submit(ask(1, "older")), queue.submit(ask(1, "newer"))
    with pytest.raises(SupersededError):
        older.result()
    model.go_on(2)
    assert newer.future.result(PATIENCE) == "NEWER"
    assert model.batches == [["first"], ["newer"]]
    assert queue.report().n_superseded == 1
    queue.close()


def test_what_runs_already_is_finished_though_its_session_asks_for_something_newer(
    model: Model,
) -> None:
    queue = queue_of(model)
    running = queue.submit(ask(0, "running"))
    model.is_busy()
    newer = queue.submit(ask(0, "newer"))
    model.go_on(2)
    assert (running.future.result(PATIENCE), newer.future.result(PATIENCE)) == ("RUNNING", "NEWER")
    queue.close()


def test_a_full_queue_says_so_at_once_and_serves_again_later(model: Model) -> None:
    queue = queue_of(model, length=2)
    queue.submit(ask(0, "first"))
    model.is_busy()
    waiting = [queue.submit(ask(session, f"text {session}")) for session in (1, 2)]
    with pytest.raises(QueueFullError):
        queue.submit(ask(3, "text 3"))
    model.go_on(3)
    assert all(ticket.wait(PATIENCE) for ticket in waiting)
    assert queue.result(ask(3, "text 3")) == "TEXT 3"
    assert queue.report().n_refused == 1
    queue.close()


def test_who_waits_too_long_is_told_and_leaves_the_line(model: Model) -> None:
    queue = queue_of(model, patience=0.05)
    queue.submit(ask(0, "first"))
    model.is_busy()
    with pytest.raises(QueueTimeoutError, match=r"0\.05 seconds"):
        queue.result(ask(1, "late"))
    assert queue.report().n_waiting == 0
    model.go_on()
    queue.close()
    assert model.batches == [["first"]]


def test_the_report_says_how_long_people_waited_and_how_batches_were_filled() -> None:
    now = 100.0
    model = Model()

    def compute(group: Hashable, texts: list[str]) -> list[str]:
        nonlocal now
        answers = model(group, texts)
        now += 2.0
        return answers

    queue = InferenceQueue[str, str](compute, Limits(window=0.0), clock=lambda: now)
    queue.submit(ask(0, "first"))
    model.is_busy()
    for session in (1, 2):
        queue.submit(ask(session, f"text {session}"))
    assert (queue.report().n_waiting, queue.report().n_running) == (2, 1)
    model.go_on(2)
    queue.close()
    report = queue.report()
    assert report.batches == {1: 1, 2: 1}
    assert report.waits == (2.0, 2.0)
    assert report.runs == (2.0, 2.0)
    assert (report.n_served, report.n_waiting, report.n_running) == (3, 0, 0)
    now += 600
    assert queue.report().waits is None


def test_a_batch_gathers_while_the_window_is_open(model: Model) -> None:
    slept: list[float] = []
    asleep, wake = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        asleep.set()
        assert wake.wait(PATIENCE)

    queue = InferenceQueue[str, str](model, Limits(window=0.5), clock=lambda: 7.0, sleep=sleep)
    first = queue.submit(ask(0, "one"))
    assert asleep.wait(PATIENCE)
    queue.submit(ask(1, "two"))
    wake.set()
    model.go_on()
    assert first.future.result(PATIENCE) == "ONE"
    assert (slept, model.batches) == ([0.5], [["one", "two"]])
    queue.close()


def test_the_tail_is_the_nearest_rank() -> None:
    assert middle_and_tail([]) is None
    assert middle_and_tail([3.0]) == (3.0, 3.0)
    assert middle_and_tail([float(i) for i in range(100)]) == (50.0, 95.0)
