"""Work in the background: done once for all who ask, stopped when nobody looks any more."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import torch

from transformer_core.errors import StoppedError, TransformerCoreError

T = TypeVar("T")
Report = Callable[[int, int], None]
"""Is told how many of how many parts are done."""

PATIENCE = 10.0
"""Seconds for which work goes on after somebody last looked at it."""

_one_at_a_time = threading.Lock()
_log = logging.getLogger(__name__)


class Job(Generic[T]):
    """One piece of work whose result many may wait for.

    It begins when the first watches and goes on while somebody does; jobs run one after the other.
    One that nobody watched is given up, and begins again with the next who does.

    Args:
        work: Computes the result; calls what it is given after each part.
        clock: Tells seconds.
    """

    def __init__(
        self, work: Callable[[Report], T], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._work = work
        self._clock = clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._seen = clock()
        self._share = 0.0
        self._result: T | None = None
        self._error = ""

    @property
    def result(self) -> T | None:
        """What was computed; None until it is."""
        return self._result

    @property
    def error(self) -> str:
        """Why it could not be computed; empty if nothing went wrong."""
        return self._error

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for any more."""
        return self._result is not None or bool(self._error)

    @property
    def share(self) -> float:
        """Which share of the parts is done, from 0 to 1."""
        return 1.0 if self._result is not None else self._share

    def watch(self) -> None:
        """Say that somebody waits for the result; begins the work where nobody has."""
        with self._lock:
            self._seen = self._clock()
            if self._thread is None and not self.is_over:
                # No daemon: one that is cut off inside torch would abort the whole process.
                self._thread = threading.Thread(target=self._run, name="job", daemon=False)
                self._thread.start()

    def _run(self) -> None:
        error = ""
        try:
            with _one_at_a_time:
                torch.set_num_threads(1)
                self._report(0, 1)
                self._result = self._work(self._report)
        except StoppedError:
            _log.info("A job was given up: nobody waited for it.")
        except TransformerCoreError as raised:
            error = str(raised)
        except BaseException:
            error = "The work broke off; the log says why."
            raise
        finally:
            with self._lock:
                self._thread, self._share, self._error = None, 0.0, error

    def _report(self, done: int, total: int) -> None:
        is_left = self._clock() - self._seen > PATIENCE or not threading.main_thread().is_alive()
        if is_left:
            raise StoppedError("Nobody waits for this any more.")
        self._share = done / total
