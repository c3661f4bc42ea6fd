"""Work in the background: seen while it runs, shared by all who want the same, ended with them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from transformer_core.errors import StoppedError, TransformerCoreError

T = TypeVar("T")
ShouldStop = Callable[[], bool]
"""Asked often by work that runs; True: end here."""
Report = Callable[[int, int], None]
"""Is told how many of how many parts are done."""

PATIENCE = 10.0
"""Seconds for which work goes on after somebody last looked at it."""

GRACE = 3.0
"""Seconds for which somebody who has left may come back; a connection breaks and is made again."""

_WAITING = 0.05
_one_at_a_time = threading.Lock()
_log = logging.getLogger(__name__)


@dataclass
class _Watcher:
    """Somebody who waits for a work."""

    seen: float
    there: float
    is_there: Callable[[], bool]


def _nothing(_: ShouldStop) -> Iterator[Any]:
    return iter(())


class Work(Generic[T]):
    """Runs through an iterable in a thread of its own and keeps what it gave last.

    It begins when the first watches, and goes on while somebody does. When nobody does any more it
    is given up, and the next who watches begins it anew; what its function kept is still there.

    Args:
        run: Gives the states to show, the last of them the result; it is handed a question,
            whether to stop, to ask often.
        takes_turns: Whether it waits until no other such work runs: for long ones.
        patience: Seconds without a look after which a watcher counts no more.
        clock: Tells seconds.
    """

    def __init__(
        self,
        run: Callable[[ShouldStop], Iterable[T]],
        *,
        takes_turns: bool = False,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._takes_turns = takes_turns
        self._patience = patience
        self._clock = clock
        self._changed = threading.Condition()
        self._watchers: dict[Hashable, _Watcher] = {}
        self._thread: threading.Thread | None = None
        self._is_running = False
        self._told = threading.Event()
        self._last: T | None = None
        self._share = 0.0
        self._error = ""
        self._is_over = False

    @classmethod
    def once(cls, compute: Callable[[Report], T], *, patience: float = PATIENCE) -> Work[T]:
        """Work with one result and no states before it; long ones take turns.

        Args:
            compute: Computes the result; calls what it is given after each part.
            patience: As above.
        """

        def run(_: ShouldStop) -> Iterator[T]:
            yield compute(work.report)

        work = cls(run, takes_turns=True, patience=patience)
        return work

    # -- what is known of it ----------------------------------------------------------------

    @property
    def last(self) -> T | None:
        """What it gave last; None before the first."""
        return self._last

    @property
    def result(self) -> T | None:
        """What it gave last, once it has come to its end by itself; None before."""
        return self._last if self._is_over and not self.is_stopped and not self._error else None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come: it has ended, was stopped, or broke off."""
        return self._is_over

    @property
    def is_running(self) -> bool:
        """Whether it runs now, or waits for its turn."""
        return self._is_running

    @property
    def is_stopped(self) -> bool:
        """Whether somebody pressed stop."""
        return self._told.is_set()

    @property
    def error(self) -> str:
        """Why it broke off; empty if it did not."""
        return self._error

    @property
    def share(self) -> float:
        """Which share of its parts is done, from 0 to 1, as far as it reports them."""
        return 1.0 if self._is_over else self._share

    # -- watching and stopping --------------------------------------------------------------

    def watch(
        self,
        who: Hashable = None,
        *,
        is_there: Callable[[], bool] = lambda: True,
        wait: float = 0.0,
        until: Callable[[T], bool] = lambda _: False,
    ) -> T | None:
        """See what is there, and say that somebody looks; begins the work where nobody has.

        Args:
            who: Tells watchers apart.
            is_there: Whether the watcher is there still; one who has gone does not count.
            wait: Seconds to wait for the end, so that short work is seen whole at once.
            until: Ends the waiting early, once there is something worth seeing.
        """
        now = self._clock()
        with self._changed:
            self._watchers[who] = _Watcher(now, now, is_there)
            if not self._is_running and not self._is_over:
                self._is_running = True
                # No daemon: one that is cut off inside torch would abort the whole process.
                self._thread = threading.Thread(target=self._go, name="work", daemon=False)
                self._thread.start()
            if wait:
                self._changed.wait_for(
                    lambda: self._is_over or (self._last is not None and until(self._last)),
                    timeout=wait,
                )
        return self._last

    def leave(self, who: Hashable = None) -> None:
        """Say that somebody waits no more; when the last has left, the work is given up."""
        with self._changed:
            self._watchers.pop(who, None)

    def stop(self) -> None:
        """End the work for all, before its next step; returns at once. What it gave stays."""
        with self._changed:
            if not self._is_over:
                self._told.set()
                self._is_over = not self._is_running
                self._forget()
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> None:
        """Wait until its thread has ended."""
        if self._thread is not None:
            self._thread.join(timeout)

    def should_stop(self) -> bool:
        """Whether nobody wants it any more: it was stopped, or all who watched have gone."""
        if self._told.is_set() or not threading.main_thread().is_alive():
            return True
        now = self._clock()
        with self._changed:
            for who, one in [*self._watchers.items()]:
                if one.is_there():
                    one.there = now
                if now - one.seen > self._patience or now - one.there > GRACE:
                    del self._watchers[who]
            return not self._watchers

    def report(self, done: int, total: int) -> None:
        """Say how far it is.

        Raises:
            StoppedError: If nobody wants it any more.
        """
        self._go_on()
        self._share = done / total

    # -- the thread -------------------------------------------------------------------------

    def _go(self) -> None:
        error, has_ended = "", False
        try:
            with self._turn():
                has_ended = self._run_through()
        except StoppedError:
            _log.info("Work was stopped, or nobody waited for it.")
        except TransformerCoreError as raised:
            error = str(raised)
        except BaseException:
            error = "The work broke off; the log says why."
            _log.exception("Work broke off")
            raise
        finally:
            with self._changed:
                self._is_running, self._share, self._error = False, 0.0, error
                self._is_over = has_ended or bool(error) or self._told.is_set()
                self._forget()
                self._changed.notify_all()

    def _forget(self) -> None:
        """Keep nothing alive that only running needs: what is over never runs again."""
        if self._is_over:
            self._run = _nothing

    def _run_through(self) -> bool:
        """Whether it came to its end by itself."""
        for state in self._run(self.should_stop):
            with self._changed:
                self._last = state
                self._changed.notify_all()
            if self.should_stop():
                return False
        return not self.should_stop()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._takes_turns:
            yield
            return
        while not _one_at_a_time.acquire(timeout=_WAITING):
            self._go_on()
        try:
            yield
        finally:
            _one_at_a_time.release()

    def _go_on(self) -> None:
        if self.should_stop():
            raise StoppedError("Nobody waits for this any more.")
