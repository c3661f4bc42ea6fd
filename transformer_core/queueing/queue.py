"""The bounded queue before the models: one worker computes, whoever asks waits for a future.

One thread runs all forward passes of a process: several would share the same cores and slow each
other down, while texts that are computed together share the reading of the weights.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent import futures
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from transformer_core.errors import QueueTimeoutError
from transformer_core.queueing.line import Ask, Entry, Limits, Line
from transformer_core.queueing.report import (
    MINUTES,
    Batch,
    Log,
    QueueReport,
    middle_and_tail,
    sizes,
)

Item = TypeVar("Item")
Result = TypeVar("Result")
Compute = Callable[[Hashable, list[Item]], Sequence[Result]]
"""Computes a batch: the group, and its items; one result an item, in order."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ticket(Generic[Result]):
    """A session's request; give it back with :meth:`leave` when nobody waits any more."""

    future: Future[Result]
    place: Callable[[], int]
    """Its place in line, counted from 1; 0 while it is computed and after."""
    leave: Callable[[], None]

    @property
    def is_done(self) -> bool:
        """Whether the result, or an error, is there."""
        return self.future.done()

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; whether it is done."""
        return bool(futures.wait([self.future], seconds).done)

    def result(self) -> Result:
        """The result.

        Raises:
            SupersededError: If the session has asked for something newer.
            QueueTimeoutError: If it was not served in time.
        """
        return self.future.result()


class InferenceQueue(Generic[Item, Result]):
    """Requests of many sessions, computed in fair order and in batches.

    Args:
        compute: Computes a batch. Where it fails for several, each is tried alone, so that one
            request cannot fail another's.
        limits: How many may wait, and how they are put together.
        clock: Tells seconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        compute: Compute[Item, Result],
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._compute = compute
        self._clock = clock
        self._sleep = sleep
        self._line = Line[Item, Result](limits)
        self._running: list[Entry[Item, Result]] = []
        self._lock = threading.RLock()
        self._log = Log()
        self._is_turning = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="inference")

    def submit(self, ask: Ask[Item]) -> Ticket[Result]:
        """Stand in line; returns at once.

        A request for what is being computed or waited for already joins that. The session's older
        request, if it waits still, is given up, and this one takes its place.

        Raises:
            QueueFullError: If too many wait.
        """
        with self._lock:
            entry = next((e for e in self._running if e.ask.key == ask.key), None)
            if entry is None:
                entry = self._line.add(ask, self._clock())
            future = entry.join(ask.session)
            if not self._is_turning:
                self._is_turning = True
                self._worker.submit(self._turn)
        return Ticket(future, lambda: self._place(entry), lambda: self._leave(entry, ask.session))

    def result(self, ask: Ask[Item]) -> Result:
        """Stand in line and wait for the result, as long as the limits allow.

        Raises:
            QueueFullError: If too many wait.
            QueueTimeoutError: If it was not served in time.
            SupersededError: If the session has asked for something newer.
        """
        ticket = self.submit(ask)
        if not ticket.wait(self.patience):
            ticket.leave()
            raise QueueTimeoutError(self.patience)
        return ticket.result()

    @property
    def patience(self) -> float:
        """Seconds after which a request is given up."""
        return self._line.limits.patience

    def report(self, minutes: float = MINUTES) -> QueueReport:
        """The queue now and in the last minutes."""
        with self._lock:
            n_waiting, n_running = len(self._line), len(self._running)
        batches = self._log.since(self._clock() - 60 * minutes)
        waits = [wait for batch in batches for wait in batch.waits]
        return QueueReport(
            n_waiting=n_waiting,
            n_running=n_running,
            length=self._line.limits.length,
            n_served=len(waits),
            n_failed=sum(batch.n_failed for batch in batches),
            n_refused=self._line.n_refused,
            n_superseded=self._line.n_superseded,
            batches=sizes(batches),
            waits=middle_and_tail(waits),
            runs=middle_and_tail([batch.took for batch in batches]),
        )

    def close(self, *, wait: bool = True) -> None:
        """Compute what is in line and end the worker; nothing more is taken."""
        self._worker.shutdown(wait=wait)

    # -- of one request ---------------------------------------------------------------------

    def _place(self, entry: Entry[Item, Result]) -> int:
        with self._lock:
            return self._line.place_of(entry)

    def _leave(self, entry: Entry[Item, Result], session: Hashable) -> None:
        with self._lock:
            self._line.leave(entry, session)

    # -- the worker -------------------------------------------------------------------------

    def _turn(self) -> None:
        """Serve until nobody waits."""
        while True:
            with self._lock:
                if not len(self._line):
                    self._is_turning = False
                    return
                delay = self._line.ready_in(self._clock())
            if delay > 0:
                self._sleep(delay)
            with self._lock:
                self._running = self._line.take()
            if self._running:
                self._serve(self._running)

    def _serve(self, batch: list[Entry[Item, Result]]) -> None:
        began = self._clock()
        results = self._computed(batch)
        ended = self._clock()
        n_failed = sum(isinstance(result, _Failed) for result in results)
        waits = tuple(began - entry.since for entry in batch)
        self._log.batches.append(Batch(ended, waits, ended - began, n_failed))
        with self._lock:
            self._running = []
            answers = [
                (future, result)
                for entry, result in zip(batch, results, strict=True)
                for future in entry.waiting.values()
            ]
        for future, result in answers:
            _answer(future, result)

    def _computed(self, batch: list[Entry[Item, Result]]) -> list[Result | _Failed]:
        try:
            found = self._compute(batch[0].ask.group, [entry.ask.item for entry in batch])
            if len(found) != len(batch):
                raise RuntimeError(f"{len(found)} results for {len(batch)} requests")
        except BaseException as error:  # noqa: BLE001 (whatever it is, those who wait are told)
            if len(batch) == 1:
                return [_Failed(error)]
            _log.info("A batch of %d failed (%s); each is tried alone.", len(batch), error)
            return [result for entry in batch for result in self._computed([entry])]
        return list(found)


@dataclass(frozen=True)
class _Failed:
    """Why a request has no result."""

    error: BaseException


def _answer(future: Future[Result], result: Result | _Failed) -> None:
    with suppress(InvalidStateError):  # superseded meanwhile
        if isinstance(result, _Failed):
            future.set_exception(result.error)
        else:
            future.set_result(result)
