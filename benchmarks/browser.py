"""What a person waits for, in Chromium: `python -m benchmarks.browser`, on a quiet machine.

Times run from the key or click, as the page's own clock has it, to the frame after the picture was
drawn. They include the server, the socket and the drawing.
"""

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.report import Figure, machine, publish
from tests.support.live_app import Traffic, browsing, running_app, settle, watch

CLOCK = """
window.began = 0; window.painted = 0;
for (const type of ["keydown", "pointerup"]) {
  const begin = (event) => {
    if (event.type === "pointerup" || event.key === "Enter") window.began = event.timeStamp;
  };
  addEventListener(type, begin, true);
}
const nextFrame = (action) => requestAnimationFrame(() => requestAnimationFrame(action));
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.name !== "attention-painted") continue;
    nextFrame(() => { window.painted = performance.now(); });
  }
}).observe({ entryTypes: ["mark"] });
"""
TRACED = ".st-key-picture [data-painted]"
# One token each.
WORDS = (
    *("cat", "dog", "bird", "horse", "child", "tree", "house", "river", "stone", "cloud"),
    *("old", "new", "red", "small", "warm", "open", "went", "saw", "found", "took"),
    *("over", "under", "with", "because", "and", "but", "he", "she", "they", "it"),
)


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    args = parser.parse_args()
    where = machine()
    with browsing() as browser:
        figures = [first_paint(browser, max(3, args.runs // 4))]
        with tempfile.TemporaryDirectory() as folder, running_app(Path(folder)) as app:
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.add_init_script(CLOCK)
            traffic = watch(page)
            page.goto(app.attention)
            page.wait_for_selector(TRACED, timeout=120_000)
            settle(page)
            figures += in_use(page, traffic, args.runs)
    return publish("browser", figures, where)


def first_paint(browser: Browser, runs: int) -> Figure:
    """From starting the server, no model loaded, to the first picture in a fresh browser."""
    seconds = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            with running_app(Path(folder)) as app:
                context = browser.new_context(viewport={"width": 1440, "height": 1000})
                page = context.new_page()
                page.goto(app.url)
                page.wait_for_selector("[data-painted]", timeout=60_000)
                seconds.append(time.perf_counter() - start)
                context.close()
    return Figure.of("make run to first page painted, no model loaded", seconds, bar=6, unit="s")


def in_use(page: Page, traffic: Traffic, runs: int) -> list[Figure]:
    """Typing, choosing heads, hovering."""
    figures = [Figure.of(*typed_16(page, runs), bar=250, unit="ms")]
    box = page.get_by_role("textbox", name="Text")
    box.fill(" ".join(random.Random(0).choices(WORDS, k=510)))
    box.press("Enter")
    page.wait_for_selector("text=512 tokens", timeout=60_000)
    settle(page)
    times, sizes = heads_512(page, traffic, runs)
    what = "layer or head changed → painted, 512 tokens"
    figures.append(Figure.of(what, times, bar=250, unit="ms"))
    what = "bytes over the socket for one 512 × 512 head"
    figures.append(Figure.of(what, [size / 1000 for size in sizes], bar=360, unit="kB"))
    figures.append(Figure("messages to the server while hovering", hovered(page, traffic), 0, ""))
    return figures


def typed_16(page: Page, runs: int) -> tuple[str, list[float]]:
    """Enter → map painted, 16 tokens, each text new."""
    box = page.get_by_role("textbox", name="Text")
    times = []
    for words in itertools.islice(itertools.permutations(WORDS, 7), runs + 2):
        box.fill(f"the {' '.join(words)} and " + "so " * 5)
        page.wait_for_timeout(100)
        times.append(until_painted(page, lambda: box.press("Enter")))
    assert "16 tokens" in page.locator("[data-testid=stMain]").inner_text()
    return "Enter → map painted, minilm loaded, 16 tokens", times[2:]


def heads_512(page: Page, traffic: Traffic, runs: int) -> tuple[list[float], list[int]]:
    """Layer or head changed → painted, 512 tokens, each head new; and what the socket brought."""
    times, sizes = [], []
    heads = [(layer, head) for layer in range(6) for head in range(12)]
    names = itertools.islice(itertools.cycle(("Head", "Layer")), runs + 2)
    for number, name in enumerate(names):
        value = heads[(number * 13 + 5) % len(heads)][1 if name == "Head" else 0]
        page.get_by_role("combobox", name=name).click()
        option = page.get_by_role("option", name=f"{name} {value}", exact=True)
        if option.get_attribute("aria-selected") == "true":
            option = page.get_by_role("option").first
        option.hover()
        page.wait_for_timeout(150)
        traffic.clear()
        times.append(until_painted(page, lambda chosen=option: chosen.click()))
        settle(page)
        sizes.append(sum(traffic.received))
    return times[2:], sizes[2:]


def until_painted(page: Page, act: Callable[[], Any]) -> float:
    """Milliseconds from the key or click to the frame after the picture."""
    page.evaluate("window.painted = 0")
    act()
    page.wait_for_function("window.painted > 0", timeout=30_000)
    milliseconds: float = page.evaluate("window.painted - window.began")
    return milliseconds


def hovered(page: Page, traffic: Traffic) -> int:
    """Messages sent while the pointer crosses the map."""
    stage = page.locator(".st-key-picture [role=application]").first.bounding_box()
    assert stage is not None
    page.wait_for_timeout(1000)
    traffic.clear()
    for step in range(100):
        page.mouse.move(stage["x"] + 100 + 4 * step, stage["y"] + 100 + 4 * step)
    page.wait_for_timeout(1000)
    return len(traffic.sent)


if __name__ == "__main__":
    sys.exit(main())
