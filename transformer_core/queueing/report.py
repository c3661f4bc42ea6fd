"""What the queue did in the last minutes, in numbers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MINUTES = 5.0
"""How far back a report looks."""

_MOST = 4096


@dataclass(frozen=True)
class Batch:
    """One batch that was computed.

    Attributes:
        ended: When, by the queue's clock.
        waits: Seconds that each member had waited.
        took: Seconds that it took.
        n_failed: Members that have no result.
    """

    ended: float
    waits: tuple[float, ...]
    took: float
    n_failed: int = 0


@dataclass(frozen=True)
class QueueReport:
    """The queue now and in the last minutes; times in seconds, None where there was nothing.

    Attributes:
        n_waiting: Requests in line.
        n_running: Requests in the batch that is computed now.
        length: Requests that may wait.
        n_served: Requests that were computed.
        n_failed: Of these, those that failed.
        n_refused: Requests that found the queue full, since the start.
        n_superseded: Requests that a newer one of the same session replaced, since the start.
        batches: How many batches had how many members.
        waits: Median and 95th percentile of the time in line.
        runs: The same of the time that a batch took.
    """

    n_waiting: int
    n_running: int
    length: int
    n_served: int
    n_failed: int
    n_refused: int
    n_superseded: int
    batches: Mapping[int, int]
    waits: tuple[float, float] | None
    runs: tuple[float, float] | None


@dataclass
class Log:
    """The last batches."""

    batches: deque[Batch] = field(default_factory=lambda: deque(maxlen=_MOST))

    def since(self, moment: float) -> list[Batch]:
        """Those that ended after a moment."""
        return [batch for batch in list(self.batches) if batch.ended >= moment]


def sizes(batches: Sequence[Batch]) -> dict[int, int]:
    """How many batches had how many members, by number of members."""
    counts = Counter(len(batch.waits) for batch in batches)
    return dict(sorted(counts.items()))


def middle_and_tail(values: Sequence[float]) -> tuple[float, float] | None:
    """Median and 95th percentile (nearest rank); None of nothing."""
    if not values:
        return None
    ordered = sorted(values)

    def rank(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return rank(0.5), rank(0.95)
