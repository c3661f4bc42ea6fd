"""What many people look at, kept once and within a budget of bytes."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

V = TypeVar("V")
Parts = Mapping[Hashable, int]
"""Blocks of memory, by what tells them apart, and their bytes."""


@dataclass(frozen=True)
class Usage:
    """How full a cache is, and what it has done since the start."""

    n_bytes: int
    budget: int
    n_entries: int
    n_hits: int
    n_misses: int
    n_evicted: int
    n_released: int


@dataclass(frozen=True)
class Kept:
    """One thing that is kept: its key, its bytes, and by how many sessions it is used."""

    key: Hashable
    n_bytes: int
    n_users: int


@dataclass
class _Entry(Generic[V]):
    value: V
    parts: Parts
    mark: object
    users: set[Hashable] = field(default_factory=set)


class ByteCache(Generic[V]):
    """Keeps values until their memory exceeds a budget; the least recently used goes first.

    Memory that several values share counts once. The newest value always stays, also where it
    alone is larger than the budget: whoever has just asked for it is looking at it.

    Args:
        budget: Bytes.
        weigh: The blocks of memory that a value keeps alive.
        mark: Changes whenever a value may have grown, and is cheap to read: then it is weighed
            again.
        on_drop: Told the key of each value that was evicted or released, without any lock held.
    """

    def __init__(
        self,
        budget: int,
        weigh: Callable[[V], Parts],
        *,
        mark: Callable[[V], object] = lambda _: None,
        on_drop: Callable[[Hashable], None] = lambda _: None,
    ) -> None:
        self.budget = budget
        self._weigh = weigh
        self._mark = mark
        self._on_drop = on_drop
        self._entries: OrderedDict[Hashable, _Entry[V]] = OrderedDict()
        self._held: Counter[Hashable] = Counter()  # entries that keep a block alive
        self._n_bytes = 0
        self._making: dict[Hashable, Future[V]] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.RLock()

    # -- getting ----------------------------------------------------------------------------

    def get(self, key: Hashable, user: Hashable = None) -> V | None:
        """The value, None if it is not there.

        Args:
            key: What tells it from others.
            user: Who looks at it; None for nobody in particular.
        """
        with self._lock:
            entry = self._entries.get(key)
            self._counts["misses" if entry is None else "hits"] += 1
            if entry is None:
                return None
            self._entries.move_to_end(key)
            if user is not None:
                entry.users.add(user)
            return entry.value

    def peek(self, key: Hashable) -> V | None:
        """The value, None if it is not there; nobody is counted as having looked."""
        with self._lock:
            entry = self._entries.get(key)
            return None if entry is None else entry.value

    def use(self, key: Hashable, user: Hashable) -> None:
        """Note that somebody looks at what they were given otherwise than by :meth:`get`."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and user is not None:
                entry.users.add(user)

    def put(self, key: Hashable, value: V, user: Hashable = None) -> None:
        """Keep a value, and let go of others until the budget is met."""
        mark = self._mark(value)  # before weighing: growth in between is then noticed later
        entry = _Entry(value, self._weigh(value), mark)
        with self._lock:
            old = self._remove(key)
            entry.users = old.users if old is not None else set()
            if user is not None:
                entry.users.add(user)
            self._entries[key] = entry
            self._add(entry.parts)
            dropped = self._shrink()
        self._tell(dropped)

    def of(self, key: Hashable, make: Callable[[], V], user: Hashable = None) -> V:
        """The value, made if it is not there; those who ask meanwhile wait for the same making.

        A making that fails fails for all who wait; one that was interrupted (a script that ends)
        is begun anew by the next of them.
        """
        while True:
            found = self.get(key, user)
            if found is not None:
                return found
            with self._lock:
                made = self._making.get(key)
                mine = made is None
                if made is None:
                    made = self._making[key] = Future()
            if mine:
                return self._made(key, make, made, user)
            error = made.exception()
            if error is None:
                self.use(key, user)
                return made.result()
            if isinstance(error, Exception):
                raise error

    def _made(self, key: Hashable, make: Callable[[], V], made: Future[V], user: Hashable) -> V:
        try:
            value = self.peek(key)  # made by another between our look and our claim
            if value is None:
                value = make()
                self.put(key, value)
            self.use(key, user)
        except BaseException as error:
            with self._lock:
                del self._making[key]
            made.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
        made.set_result(value)
        return value

    # -- letting go -------------------------------------------------------------------------

    def release(self, user: Hashable) -> None:
        """Forget a user; what was used by nobody else is let go of."""
        with self._lock:
            ours = [key for key, entry in self._entries.items() if user in entry.users]
            for key in ours:
                self._entries[key].users.discard(user)
            dropped = [key for key in ours if not self._entries[key].users]
            for key in dropped:
                self._remove(key)
            self._counts["released"] += len(dropped)
        self._tell(dropped)

    def drop(self, is_to_go: Callable[[Hashable], bool] = lambda _: True) -> None:
        """Let go of all values whose key is so; on_drop is not told."""
        with self._lock:
            for key in [key for key in self._entries if is_to_go(key)]:
                self._remove(key)

    # -- seeing -----------------------------------------------------------------------------

    def holds(self, block: Hashable) -> bool:
        """Whether something that is kept keeps this block of memory alive."""
        return bool(self._held[block])  # a Counter adds nothing where it is only asked

    def usage(self) -> Usage:
        """How full it is."""
        with self._lock:
            self._weigh_again()
            return Usage(
                self._n_bytes,
                self.budget,
                len(self._entries),
                *(self._counts[name] for name in ("hits", "misses", "evicted", "released")),
            )

    def entries(self) -> list[Kept]:
        """What is kept, the least recently used first."""
        with self._lock:
            self._weigh_again()
            return [
                Kept(key, sum(entry.parts.values()), len(entry.users))
                for key, entry in self._entries.items()
            ]

    # -- under the lock ---------------------------------------------------------------------

    def _shrink(self) -> list[Hashable]:
        self._weigh_again()
        dropped = []
        while self._n_bytes > self.budget and len(self._entries) > 1:
            key = next(iter(self._entries))
            self._remove(key)
            dropped.append(key)
        self._counts["evicted"] += len(dropped)
        return dropped

    def _weigh_again(self) -> None:
        for entry in self._entries.values():
            mark = self._mark(entry.value)
            if mark != entry.mark:
                self._subtract(entry.parts)
                entry.parts, entry.mark = self._weigh(entry.value), mark
                self._add(entry.parts)

    def _remove(self, key: Hashable) -> _Entry[V] | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._subtract(entry.parts)
        return entry

    def _add(self, parts: Parts) -> None:
        for block, n_bytes in parts.items():
            self._n_bytes += 0 if self._held[block] else n_bytes
            self._held[block] += 1

    def _subtract(self, parts: Parts) -> None:
        for block, n_bytes in parts.items():
            self._held[block] -= 1
            if not self._held[block]:
                del self._held[block]
                self._n_bytes -= n_bytes

    def _tell(self, dropped: list[Hashable]) -> None:
        for key in dropped:
            self._on_drop(key)
