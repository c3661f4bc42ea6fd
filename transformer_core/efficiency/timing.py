"""How long things take, fairly: turn about in one process, with the spread."""

from __future__ import annotations

import statistics
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GoOn = Callable[[], None]


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of some measurements.

    Attributes:
        median: The middle one.
        low: A quarter is below.
        high: A quarter is above.
        n: How many there were.
    """

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(statistics.median(values), low, high, len(values))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def take_turns(
    works: Mapping[str, Callable[[], object]], *, rounds: int = 5, go_on: GoOn = lambda: None
) -> dict[str, list[float]]:
    """Run works turn about, so that a busy moment of the machine hits all of them alike.

    A first round, in which caches warm up, is not counted; every second round runs backwards.

    Returns:
        Seconds of each run, by name, in the order of rounds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        order = [*works.items()]
        for name, work in order if number % 2 else reversed(order):
            go_on()
            started = time.perf_counter()
            work()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratios(seconds: Sequence[float], plain: Sequence[float]) -> Spread:
    """How many times as long as the plain one, round by round."""
    return Spread.of([one / other for one, other in zip(seconds, plain, strict=True)])


def peak_bytes(work: Callable[[], object]) -> int:
    """Bytes of the tensors that a work makes and holds at once, at most.

    Every operation is intercepted and what it returns counted while it is alive. What a kernel uses
    inside itself and gives back is not seen; that is what makes fused attention small.
    """
    counter = _Alive()
    with counter:
        work()
    return counter.peak


class _Alive(TorchDispatchMode):
    """Counts the bytes of storages between their making and their end."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._seen: dict[int, int] = {}
        self._now = 0
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = {_key(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and (key := _key(leaf)) not in known | self._seen.keys():
                storage = leaf.untyped_storage()
                self._seen[key] = storage.nbytes()
                self._now += storage.nbytes()
                weakref.finalize(storage, self._gone, key)
        self.peak = max(self.peak, self._now)
        return result

    def _gone(self, key: int) -> None:
        self._now -= self._seen.pop(key, 0)


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def n_threads() -> int:
    """Threads that torch computes with here."""
    return torch.get_num_threads()
