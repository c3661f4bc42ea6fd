"""Whether the app holds out: `python -m benchmarks.soak --minutes 30 --sessions 20`.

Visitors wander over all pages through Streamlit's own websocket protocol: they type, change what
can be changed, turn to another page, lose their connection and come back, leave for good and make
room for another. Meanwhile the server's resident memory is sampled. After the warm-up it must not
grow, no session may be lost, and no page may fail.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from streamlit.proto.Element_pb2 import Element

from benchmarks.load import first_visitor, sentences
from benchmarks.report import Figure, machine, publish
from tests.support.live_app import running_app
from tests.support.websocket_client import LostSessionError, Visitor

SAMPLE_S = 2.0
WARM_UP_MINUTES = 5.0
THINK_S = (2.0, 8.0)
ENDED = 0.05
"""How often a visitor leaves for good, of all that is done."""

_AWAY = ("…", "download", "not installed")
"""In names of models that are not on this machine."""


@dataclass
class Diary:
    """What happened.

    Attributes:
        done: How often each thing was done.
        seconds: What each run took.
        lost: Sessions that were lost, and how.
        problems: Pages that failed.
        memory: Seconds since the beginning, and megabytes resident.
    """

    began: float = field(default_factory=time.monotonic)
    done: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def resident(self, start: float, end: float) -> float:
        """Median megabytes between two moments."""
        return statistics.median(mb for at, mb in self.memory if start <= at <= end)


class Wanderer:
    """One visitor's way; who leaves for good is followed by another."""

    def __init__(
        self,
        url: str,
        texts: Iterator[str],
        chance: random.Random,
        diary: Diary,
        *,
        think_s: tuple[float, float] = THINK_S,
    ) -> None:
        self._url, self._texts, self._chance, self._diary = url, texts, chance, diary
        self._think_s = think_s
        self._visitor = Visitor(url)

    async def wander(self, end_s: float) -> None:
        """Go about until the time is over."""
        await asyncio.sleep(self._chance.uniform(0, self._think_s[1]))
        is_there = False
        while self._diary.now < end_s:
            try:
                if is_there:
                    await self._act()
                else:
                    self._visitor = Visitor(self._url, self._chance.choice(("", "attention")))
                    await self._note("arrive", self._visitor.open())
                    is_there = True
            except LostSessionError as error:
                self._diary.lost.append(f"{self._visitor.page}: {error}")
                is_there = False
            self._diary.problems += [
                f"{self._visitor.title}: {problem}" for problem in self._visitor.exceptions()
            ]
            if is_there and self._chance.random() < ENDED:
                self._diary.done["leave"] += 1
                await self._visitor.disconnect()
                is_there = False
            await asyncio.sleep(self._chance.uniform(*self._think_s))
        await self._visitor.disconnect()

    async def _act(self) -> None:
        visitor, chance = self._visitor, self._chance
        what = chance.choices(("type", "change", "turn", "reconnect"), (4, 4, 3, 1))[0]
        changes = self._changes()
        if what == "type" and visitor.has("text"):
            await self._note("type", visitor.change("text", next(self._texts)))
        elif what == "change" and changes:
            await self._note("change", visitor.change(*chance.choice(changes)))
        elif what == "reconnect":
            await visitor.disconnect()
            await asyncio.sleep(chance.uniform(0, self._think_s[0]))
            await self._note("reconnect", visitor.open())
        else:
            await self._note("turn", visitor.go(chance.choice(visitor.pages)))

    async def _note(self, what: str, run: Any) -> None:
        self._diary.done[what] += 1
        self._diary.seconds.append((await run).seconds)

    def _changes(self) -> list[tuple[str, object]]:
        """A new value for each widget that a person could change without starting anything long."""
        changes = []
        for element in self._visitor.drawn():
            value = _other_value(element, self._chance)
            if value is not None:
                widget = getattr(element, str(element.WhichOneof("type")))
                changes.append((str(widget.id), value))
        return changes


def _other_value(element: Element, chance: random.Random) -> Any:
    """Another value of a widget; None for what holds none."""
    kind = str(element.WhichOneof("type"))
    widget: Any = getattr(element, kind)
    if getattr(widget, "disabled", False):
        return None
    if kind in {"selectbox", "radio"}:
        here = [name for name in widget.options if not any(word in name for word in _AWAY)]
        return chance.choice(here) if here else None
    if kind == "button_group":
        return chance.choice([option.content for option in widget.options])
    if kind == "checkbox":
        return chance.random() < 0.5
    if kind == "slider" and widget.options:
        return [chance.choice(list(widget.options)) for _ in widget.default]
    if kind == "slider" and len(widget.default) == 1 and widget.step:
        n_steps = int((widget.max - widget.min) / widget.step)
        return [widget.min + widget.step * chance.randint(0, n_steps)]
    return None


def main() -> int:
    """Run, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    where = machine()
    # A visitor may then see which error it was.
    os.environ["STREAMLIT_CLIENT_SHOW_ERROR_DETAILS"] = "full"
    with tempfile.TemporaryDirectory() as folder, running_app(Path(folder)) as app:
        server = psutil.Process(app.process.pid)
        diary = asyncio.run(soak(app.url, server, args.minutes, args.sessions, args.seed))
        log = app.log.read_text()
    figures = figures_of(diary, args.minutes, args.sessions, log)
    for problem, times in Counter(diary.lost + diary.problems).most_common(20):
        print(f"{times} × {problem}", file=sys.stderr)
    return publish("soak", figures, where)


async def soak(
    url: str, server: psutil.Process, minutes: float, n_sessions: int, seed: int = 0
) -> Diary:
    """Let visitors wander for some minutes; return what happened."""
    first = await first_visitor(url)
    diary, texts, chance = Diary(), sentences(), random.Random(seed)

    async def sample() -> None:
        while True:
            diary.memory.append((diary.now, server.memory_info().rss / 1e6))
            await asyncio.sleep(SAMPLE_S)

    sampling = asyncio.create_task(sample())
    wanderers = [
        Wanderer(url, texts, random.Random(chance.random()), diary) for _ in range(n_sessions)
    ]
    await asyncio.gather(*(wanderer.wander(60 * minutes) for wanderer in wanderers))
    sampling.cancel()
    await first.disconnect()
    return diary


def figures_of(diary: Diary, minutes: float, n_sessions: int, log: str) -> list[Figure]:
    """What is to be told of it; in a short run the warm-up is its first half."""
    end, warm = 60 * minutes, 60 * min(WARM_UP_MINUTES, minutes / 2)
    last = min(120.0, (end - warm) / 2)
    before, after = (
        diary.resident(warm - last / 2, warm + last / 2),
        diary.resident(end - last, 1e9),
    )
    what = f"{n_sessions} sessions over all pages for {minutes:g} minutes"
    done = ", ".join(f"{name} {times}" for name, times in sorted(diary.done.items()))
    seconds = sorted(diary.seconds)
    return [
        Figure(
            f"{what}: resident memory at the end ÷ after {warm / 60:g} minutes",
            after / before,
            1.05,
        ),
        Figure(f"{what}: resident after {warm / 60:g} minutes", before, None, "MB"),
        Figure(f"{what}: resident at the end", after, None, "MB"),
        Figure(f"{what}: lost sessions", float(len(diary.lost)), 0, ""),
        Figure(f"{what}: pages that failed", float(len(diary.problems)), 0, ""),
        Figure(f"{what}: tracebacks in the server's log", float(log.count("Traceback")), 0, ""),
        Figure(f"{what}: runs ({done})", float(len(seconds)), None, ""),
        Figure(f"{what}: a run, median", 1000 * statistics.median(seconds), None, "ms"),
        Figure(f"{what}: a run, p95", 1000 * seconds[int(0.95 * len(seconds))], None, "ms"),
    ]


if __name__ == "__main__":
    sys.exit(main())
