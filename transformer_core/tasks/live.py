"""Work that can be looked at while it runs: texts appear as they are written."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from transformer_core.errors import TransformerCoreError

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds for which work goes on after somebody last looked at it."""

_log = logging.getLogger(__name__)


class Live(Generic[T]):
    """Runs through an iterable in a thread of its own and keeps what it gave last.

    It ends by itself when nobody has looked for a while, so that no work outlives its reader.

    Args:
        work: Gives the states to show; it is handed a question, whether to stop, to ask often.
        patience: Seconds without a look after which it stops.
        clock: Tells seconds.
    """

    def __init__(
        self,
        work: Callable[[Callable[[], bool]], Iterable[T]],
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._patience = patience
        self._clock = clock
        self._seen = clock()
        self._told = threading.Event()
        self._changed = threading.Condition()
        self._last: T | None = None

        self._is_over = False
        self._error = ""
        # No daemon: one that is cut off inside torch would abort the whole process.
        self._thread = threading.Thread(target=self._run, name="live", daemon=False)
        self._thread.start()

    @property
    def last(self) -> T | None:
        """What the work gave last; None before the first."""
        return self._last

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self._is_over

    @property
    def is_stopped(self) -> bool:
        """Whether somebody, or nobody's interest, ended it."""
        return self._told.is_set()

    @property
    def error(self) -> str:
        """Why it broke off; empty if it did not."""
        return self._error

    def look(self, *, wait: float = 0.0) -> T | None:
        """See what is there, and say that somebody looks.

        Args:
            wait: Seconds to wait for the end, so that short work is seen whole at once.
        """
        self._seen = self._clock()
        if wait and not self._is_over:
            with self._changed:
                self._changed.wait_for(lambda: self._is_over, timeout=wait)
        return self._last

    def stop(self) -> None:
        """End the work before its next step; returns at once."""
        self._told.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended."""
        self._thread.join(timeout)

    def _should_stop(self) -> bool:
        is_left = self._clock() - self._seen > self._patience
        if is_left or not threading.main_thread().is_alive():
            self._told.set()
        return self._told.is_set()

    def _run(self) -> None:
        error = ""
        try:
            for state in self._work(self._should_stop):
                self._last = state
                if self._should_stop():
                    break
        except TransformerCoreError as raised:
            error = str(raised)
        except BaseException:
            error = "The work broke off; the log says why."
            _log.exception("Live work broke off")
            raise
        finally:
            with self._changed:
                self._error = error
                self._is_over = True
                self._changed.notify_all()
