"""The policy of the queue, without threads and clocks: who stands in line, and who goes together.

Every session stands in line once, wherever it asks from: a newer request takes the place of its
older one. The session at the head goes next, always; whoever fits to it goes with it. So nobody
is overtaken by more than those who would have gone in the meantime anyway, and with n sessions
ahead a request waits for n batches at most, whatever the others ask for and however often.
"""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from transformer_core.errors import QueueFullError, SupersededError

Item = TypeVar("Item")
Result = TypeVar("Result")

NEAR = 8
"""Tokens by which texts of a batch may always differ in length."""

RATIO = 1.5
"""How many times as long as another a text of the same batch may be."""

MAX_TOKENS = 1024
"""Tokens of a batch, padding included: beyond that, batching gains nothing and delays all."""


@dataclass(frozen=True)
class Limits:
    """How many may wait, and how they are put together.

    Attributes:
        length: Requests that may wait; more are refused.
        window: Seconds in which a batch gathers, from its first request on.
        batch_size: Requests of a batch.
        patience: Seconds after which a request that was not served is given up.
    """

    length: int = 64
    window: float = 0.003
    batch_size: int = 16
    patience: float = 60.0


@dataclass(frozen=True)
class Ask(Generic[Item]):
    """A request.

    Attributes:
        session: Who asks.
        group: Requests of one group may be computed together: the same model.
        key: What is asked for; requests with an equal key are one computation.
        item: What is computed on.
        size: Tokens, for bounding the padding.
        is_alone: Whether it is never put into a batch with others.
    """

    session: Hashable
    group: Hashable
    key: Hashable
    item: Item
    size: int = 1
    is_alone: bool = False


@dataclass(eq=False)
class Entry(Generic[Item, Result]):
    """One computation that stands in line, and all who wait for it."""

    ask: Ask[Item]
    since: float
    waiting: dict[Hashable, Future[Result]] = field(default_factory=dict)

    def join(self, session: Hashable) -> Future[Result]:
        """Wait for it, too."""
        return self.waiting.setdefault(session, Future())

    def fits(self, first: Entry[Item, Result], others: int, longest: int) -> bool:
        """Whether it may be computed with those whose batch ``first`` leads."""
        one, lead = self.ask, first.ask
        if one.is_alone or lead.is_alone or one.group != lead.group:
            return False
        short, long = sorted((one.size, lead.size))
        is_near = long - short <= NEAR or long <= short * RATIO
        return is_near and (others + 1) * max(longest, one.size) <= MAX_TOKENS


class Line(Generic[Item, Result]):
    """Who waits, in their order; not safe for threads by itself."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.n_refused = 0
        self.n_superseded = 0
        self._entries: list[Entry[Item, Result]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, ask: Ask[Item], now: float) -> Entry[Item, Result]:
        """Stand in line; where the session stands already, its new request takes that place.

        Raises:
            QueueFullError: If too many wait.
        """
        same = next((e for e in self._entries if e.ask.key == ask.key), None)
        place = self._give_up(ask.session, but=same)
        if same is not None:
            same.join(ask.session)
            return same
        if len(self._entries) >= self.limits.length:
            self.n_refused += 1
            raise QueueFullError(len(self._entries))
        entry = Entry[Item, Result](ask, now)
        entry.join(ask.session)
        self._entries.insert(len(self._entries) if place is None else place, entry)
        return entry

    def leave(self, entry: Entry[Item, Result], session: Hashable) -> None:
        """Wait no more; what nobody waits for is not computed."""
        entry.waiting.pop(session, None)
        if not entry.waiting and entry in self._entries:
            self._entries.remove(entry)

    def place_of(self, entry: Entry[Item, Result]) -> int:
        """Its place, counted from 1; 0 once it is computed or gone."""
        return self._entries.index(entry) + 1 if entry in self._entries else 0

    def ready_in(self, now: float) -> float:
        """Seconds until the next batch is to begin, so that others may still join it."""
        if len(self._entries) >= self.limits.batch_size:
            return 0.0
        oldest = min(entry.since for entry in self._entries)
        return max(0.0, oldest + self.limits.window - now)

    def take(self) -> list[Entry[Item, Result]]:
        """Take the next batch out of the line: its head, and those behind who fit to it."""
        if not self._entries:
            return []
        first, *others = self._entries
        batch, longest = [first], first.ask.size
        for entry in others:
            if len(batch) == self.limits.batch_size:
                break
            if entry.fits(first, len(batch), longest):
                batch.append(entry)
                longest = max(longest, entry.ask.size)
        self._entries = [entry for entry in self._entries if entry not in batch]
        return batch

    def _give_up(self, session: Hashable, *, but: Entry[Item, Result] | None) -> int | None:
        """Give up what a session waits for; the place that becomes free, None if none does."""
        for place, entry in enumerate(self._entries):
            if session not in entry.waiting or entry is but:
                continue
            self.n_superseded += 1
            entry.waiting.pop(session).set_exception(
                SupersededError("The session has asked for something newer.")
            )
            if entry.waiting:
                return None  # others wait for it still: the session goes to the end
            del self._entries[place]
            return place
        return None
