"""Work in the background: once for all, shared, given up when nobody looks."""

import subprocess
import sys
import threading
import time

import pytest

from transformer_core.analysis.background import PATIENCE, Job, Report
from transformer_core.errors import InputError


def wait_for(job: Job[int]) -> None:
    end = time.monotonic() + 10
    while not job.is_over and time.monotonic() < end:
        time.sleep(0.005)
    assert job.is_over


def test_work_begins_when_somebody_watches_and_is_done_once() -> None:
    begun: list[int] = []

    def work(report: Report) -> int:
        begun.append(1)
        report(1, 2)
        return 7

    job = Job(work)
    assert (job.result, job.is_over, begun) == (None, False, [])
    for _ in range(3):
        job.watch()
    wait_for(job)
    job.watch()
    assert (job.result, job.share, len(begun)) == (7, 1.0, 1)


def test_an_error_is_kept_as_words() -> None:
    def work(report: Report) -> int:
        raise InputError("No such layer.")

    job = Job(work)
    job.watch()
    wait_for(job)
    assert (job.error, job.result) == ("No such layer.", None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_shows_and_is_no_result() -> None:
    def work(report: Report) -> int:
        raise ZeroDivisionError

    job = Job(work)
    job.watch()
    wait_for(job)
    assert "the log says why" in job.error


def test_work_that_nobody_watches_is_given_up_and_begun_anew() -> None:
    now, go_on, begun = [0.0], threading.Event(), []

    def work(report: Report) -> int:
        begun.append(1)
        go_on.wait(10)
        report(1, 2)
        return 7

    job = Job(work, clock=lambda: now[0])
    job.watch()
    now[0] = PATIENCE + 1
    go_on.set()
    end = time.monotonic() + 10
    while threading.active_count() > 1 and job._thread and time.monotonic() < end:
        time.sleep(0.005)
    assert (job.result, job.error) == (None, "")
    job.watch()
    wait_for(job)
    assert (job.result, len(begun)) == (7, 2)


def test_a_process_ends_while_a_job_runs() -> None:
    code = """
import time
from transformer_core.analysis.background import Job

def work(report):
    for i in range(600):
        report(i, 600)
        time.sleep(0.1)

Job(work).watch()
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], timeout=50, check=False)
    assert done.returncode == 0
    assert time.monotonic() - begun < 40
