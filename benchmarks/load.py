"""A classroom on the Attention page: `python -m benchmarks.load`, on a quiet machine.

Visitors speak Streamlit's own websocket protocol (see tests/support/websocket_client.py) with the
real app on this machine. A time runs from the click to ``script_finished``, with everything sent.
They share the cores with the app, as they would not in a class.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.report import Figure, machine, publish
from tests.support.live_app import running_app
from tests.support.websocket_client import LostSessionError, Visitor

PAGE = "attention"
LOAD_PATIENCE_S = 180.0
SUBJECTS = ("dog", "cat", "horse", "child", "woman", "man", "teacher", "bird", "king", "cook")
VERBS = ("cross", "see", "like", "find", "miss", "leave", "know", "watch", "want", "reach")
PLACES = ("river", "street", "garden", "house", "road", "bridge", "field", "town", "park", "wall")
STATES = ("tired", "old", "late", "small", "dark", "cold", "far", "wet", "new", "tall")
TOKENS = "16 tokens"
"""Of every sentence, as `minilm` counts and the page says."""


def sentences() -> Iterator[str]:
    """Ten thousand sentences of 16 tokens, none of them twice."""
    words = list(itertools.product(SUBJECTS, VERBS, PLACES, STATES))
    random.Random(0).shuffle(words)
    for subject, verb, place, state in words:
        yield f"The old {subject} did not {verb} the {place} because it was so {state}."


@dataclass
class Tally:
    """What many runs took.

    Attributes:
        seconds: Of each, from click to finished.
        errors: What was wrong on a page, or with a connection.
        n_bytes: Sent to the visitors.
    """

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    n_bytes: int = 0

    @property
    def p95(self) -> float:
        """Milliseconds that one run in twenty takes longer than."""
        return 1000 * statistics.quantiles(self.seconds, n=20)[-1]

    @property
    def median(self) -> float:
        """Milliseconds that every other run takes longer than."""
        return 1000 * statistics.median(self.seconds)

    async def change(self, visitor: Visitor, key: str, value: object) -> None:
        """Let a visitor change something, and note how long it took and what went wrong."""
        try:
            run = await visitor.change(key, value)
        except (LostSessionError, KeyError) as error:
            self.errors.append(repr(error))
            return
        self.seconds.append(run.seconds)
        self.n_bytes += run.n_bytes
        self.errors += visitor.errors()
        if not any(body.body == TOKENS for body in visitor.elements("markdown")):
            self.errors.append(f"No picture of {TOKENS}.")


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40, help="of each of the two loads")
    parser.add_argument("--paced", type=int, default=30, help="sessions that think for 5 s")
    parser.add_argument("--hurried", type=int, default=50, help="sessions that do not think")
    args = parser.parse_args()
    where = machine()
    with tempfile.TemporaryDirectory() as folder, running_app(Path(folder)) as app:
        server = psutil.Process(app.process.pid)
        figures = asyncio.run(_measure(app.url, server, args))
    return publish("load", figures, where)


async def _measure(url: str, server: psutil.Process, args: argparse.Namespace) -> list[Figure]:
    first = await first_visitor(url)
    visitors, kept = await _enter(url, server, max(args.paced, args.hurried))
    figures = [Figure("resident memory of an idle session", kept, 3.0, "MB", n=len(visitors))]
    try:
        await _hurry([first], Tally(), sentences(), seconds=3)
        figures += await paced(server, visitors[: args.paced], args.seconds)
        figures += await hurried(server, visitors[: args.hurried], args.seconds)
    finally:
        for visitor in [first, *visitors]:
            await visitor.disconnect()
    return figures


async def first_visitor(url: str) -> Visitor:
    """The one who waits until the model is there."""
    first = Visitor(url, PAGE)
    await first.open()
    await first.wait_until(lambda page: page.has("head"), patience_s=LOAD_PATIENCE_S)
    return first


async def _enter(url: str, server: psutil.Process, n: int) -> tuple[list[Visitor], float]:
    """Let visitors in; return them and the megabytes that each costs while it does nothing."""
    before = server.memory_info().rss
    visitors = [Visitor(url, PAGE) for _ in range(n)]
    for visitor in visitors:
        await visitor.open()
    await asyncio.sleep(1)
    return visitors, (server.memory_info().rss - before) / n / 1e6


async def paced(
    server: psutil.Process, visitors: list[Visitor], seconds: float, *, think_s: float = 5.0
) -> list[Figure]:
    """A class: each changes its sentence, then a layer, then a head, at a pace of its own."""
    tally, texts, chance = Tally(), sentences(), random.Random(1)
    texts = itertools.islice(texts, 5000, None)

    async def look(visitor: Visitor) -> None:
        await asyncio.sleep(chance.random() * think_s)
        end = time.monotonic() + seconds
        for number in itertools.count():
            if time.monotonic() > end:
                return
            key = ("text", "layer", "head")[number % 3]
            value = next(texts) if key == "text" else f"{key.title()} {chance.randrange(6)}"
            due = time.monotonic() + think_s
            await tally.change(visitor, key, value)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    spent = _cpu(server)
    await asyncio.gather(*map(look, visitors))
    what = f"{len(visitors)} sessions, each a change every {think_s:.0f} s"
    return [
        Figure(f"{what}: click → finished, p95", tally.p95, 500, "ms", n=len(tally.seconds)),
        Figure(f"{what}: median", tally.median, None, "ms", n=len(tally.seconds)),
        Figure(f"{what}: server's processor time a run", _each(server, spent, tally), None, "ms"),
        _errors(what, tally),
    ]


async def hurried(server: psutil.Process, visitors: list[Visitor], seconds: float) -> list[Figure]:
    """As fast as it goes: the next sentence as soon as the last one is shown."""
    tally, spent, began = Tally(), _cpu(server), time.monotonic()
    await _hurry(visitors, tally, sentences(), seconds=seconds)
    rate = len(tally.seconds) / (time.monotonic() - began)
    what = f"{len(visitors)} sessions without a pause, all different sentences"
    n = len(tally.seconds)
    return [
        Figure(f"{what}: a run each", 1000 / rate, 1000 / 60, "ms", n=n),
        Figure(f"{what}: runs a second (bar: ≥ 60)", rate, None, "/s", n=n),
        Figure(f"{what}: p95", tally.p95, 1200, "ms", n=n),
        Figure(f"{what}: median", tally.median, None, "ms", n=n),
        Figure(f"{what}: server's processor time a run", _each(server, spent, tally), None, "ms"),
        Figure(f"{what}: sent a run", tally.n_bytes / n / 1000, None, "kB"),
        _errors(what, tally),
    ]


async def _hurry(
    visitors: list[Visitor], tally: Tally, texts: Iterator[str], *, seconds: float
) -> None:
    end = time.monotonic() + seconds

    async def type_on(visitor: Visitor) -> None:
        while time.monotonic() < end:
            await tally.change(visitor, "text", next(texts))

    await asyncio.gather(*map(type_on, visitors))


def _errors(what: str, tally: Tally) -> Figure:
    for problem in sorted(set(tally.errors))[:5]:
        print(f"error: {problem}", file=sys.stderr)
    return Figure(f"{what}: errors", float(len(tally.errors)), 0, "", n=len(tally.seconds))


def _cpu(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)


def _each(server: psutil.Process, spent: float, tally: Tally) -> float:
    """Milliseconds of all the server's threads for a run: what a busy machine bends least."""
    return 1000 * (_cpu(server) - spent) / len(tally.seconds)


if __name__ == "__main__":
    sys.exit(main())
