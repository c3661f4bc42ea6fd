"""How often somebody may ask: a bucket of so many requests as a minute has, refilled steadily."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """The pace of one session.

    A minute's requests may come at once; after that they begin one by one as the bucket refills.
    Nothing is refused and nothing lost: who is too quick waits.

    Args:
        per_minute: Requests a minute.
        clock: Tells seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._left = float(per_minute)
        self._then = clock()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Ask for one request.

        Returns:
            0 where it may begin; else the seconds until it may be asked for again, and none was
            taken.
        """
        with self._lock:
            now = self._clock()
            refilled = self._left + (now - self._then) * self.per_minute / 60
            self._left, self._then = min(refilled, float(self.per_minute)), now
            if self._left >= 1:
                self._left -= 1
                return 0.0
            return (1 - self._left) * 60 / self.per_minute
