"""Inside a layer, in Chromium: `python -m benchmarks.layer`, on a quiet machine.

From the key that moves the layer's slider, as the page's own clock has it, to the frame after the
walk was drawn; `minilm`, 64 tokens, each layer of each text new to the server.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.browser import CLOCK, TRACED, WORDS
from benchmarks.report import Figure, machine, publish
from tests.support.live_app import Traffic, browsing, running_app, settle, watch

N_WORDS = 62
"""With [CLS] and [SEP] 64 tokens: every word is one."""

STARTED = """
addEventListener("keydown", (event) => {
  if (event.key.startsWith("Arrow")) window.began = event.timeStamp;
}, true);
"""


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--url", help="an app that is running already")
    args = parser.parse_args()
    where = machine()
    with browsing() as browser, tempfile.TemporaryDirectory() as folder:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.add_init_script(CLOCK + STARTED)
        if args.url:
            figures = measured(page, args.url, args.runs)
        else:
            with running_app(Path(folder)) as app:
                figures = measured(page, app.url, args.runs)
    return publish("layer", figures, where)


def measured(page: Page, url: str, runs: int) -> list[Figure]:
    """Layer changed → painted, and what it sends."""
    traffic = watch(page)
    page.goto(f"{url}/layer?model=minilm&layer=0&head=0")
    page.wait_for_selector(TRACED, timeout=120_000)
    settle(page)
    times: list[float] = []
    sizes: list[float] = []
    for number in range(-(-(runs + 1) // 5)):
        type_text(page, number)
        steps = ["ArrowRight"] * 5 if number % 2 == 0 else ["ArrowLeft"] * 5
        for step in steps:
            time, size = moved(page, traffic, step)
            times.append(time)
            sizes.append(size)
    what = "layer changed → walk painted, minilm, 64 tokens"
    return [
        Figure.of(what, times[1 : runs + 1], bar=300, unit="ms"),
        Figure.of("bytes over the socket for it", [size / 1000 for size in sizes[1:]], unit="kB"),
    ]


def type_text(page: Page, number: int) -> None:
    """Another 64 tokens."""
    box = page.get_by_role("textbox", name="Text")
    box.fill(" ".join(WORDS[(number + 7 * i) % len(WORDS)] for i in range(N_WORDS)))
    page.evaluate("window.painted = 0")
    box.press("Enter")
    page.wait_for_function("window.painted > 0", timeout=60_000)
    settle(page)
    page.wait_for_selector("text=64 tokens", timeout=60_000)


def moved(page: Page, traffic: Traffic, key: str) -> tuple[float, int]:
    """Milliseconds until the next layer is painted, and the bytes that came."""
    page.get_by_role("slider", name="Layer").focus()
    page.wait_for_timeout(200)
    traffic.clear()
    page.evaluate("window.painted = 0")
    page.keyboard.press(key)
    page.wait_for_function("window.painted > 0", timeout=30_000)
    milliseconds: float = page.evaluate("window.painted - window.began")
    settle(page)
    return milliseconds, sum(traffic.received)


if __name__ == "__main__":
    sys.exit(main())
