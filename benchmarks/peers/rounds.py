"""Contenders that run in turn, so that a machine that slows down slows all of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

from benchmarks.report import Figure

Action = Callable[[], object]
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
PEERS = ("bertviz", "transformer_lens", "nnsight", "ctranslate2")


@dataclass(frozen=True)
class Rounds:
    """How often, and by which clock.

    Attributes:
        n: Rounds; in each every contender runs once, in an order drawn anew.
        clock: ``wall``; or ``cpu``, the seconds of all cores, where others use the machine too.
    """

    n: int = 9
    clock: str = "wall"

    def run(self, contenders: Mapping[str, Action]) -> dict[str, list[float]]:
        """Seconds of each contender in each round; one more before them warms up."""
        now, order = CLOCKS[self.clock], random.Random(0)
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(-1, self.n):
            names = list(contenders)
            order.shuffle(names)
            for name in names:
                began = now()
                result = contenders[name]()
                taken = now() - began
                del result
                if turn >= 0:
                    times[name].append(taken)
        return times


def beside(
    what: str, theirs: Sequence[float], ours: Sequence[float], *, bar: float | None = None
) -> Figure:
    """Theirs ÷ ours, round by round, with both medians in its name."""
    ratios = [one / other for one, other in zip(theirs, ours, strict=True)]
    told = f"{what} ({seconds(median(theirs))} ÷ {seconds(median(ours))})"
    return Figure.of(told, ratios, bar=bar, is_floor=True)


def seconds(value: float) -> str:
    """A time as people read it."""
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def mebibytes(n_bytes: float) -> str:
    """A size as people read it."""
    return f"{n_bytes / 2**20:.3g} MiB"


def peer(name: str) -> Any:
    """A peer's module; None if it is not installed, or does not import here."""
    return None if name in absent((name,)) else import_module(name)


def absent(names: Sequence[str] = PEERS) -> dict[str, str]:
    """Which peers cannot be measured, and why."""
    reasons = {}
    for name in names:
        try:
            import_module(name)
        except (ImportError, RuntimeError, AttributeError, OSError) as error:
            reasons[name] = f"{type(error).__name__}: {error}"
    return reasons


def versions() -> dict[str, str]:
    """The peers that are there."""
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
