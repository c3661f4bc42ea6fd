"""A slider of the Positions page in Chromium: `python -m benchmarks.positions`, on a quiet machine.

Times run from the key on the slider, as the page's own clock has it, to the frame after the table
was drawn. They include the server, the socket and the drawing; every length is a new one.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.browser import CLOCK, until_painted
from benchmarks.report import Figure, machine, publish
from tests.support.live_app import browsing, running_app, settle

BAR_MS = 250
MAX_POSITIONS = 2048
PICTURE = ".st-key-picture [data-painted]"
# The clock of the other figures begins with Enter; a slider moves with an arrow.
SLIDER_CLOCK = CLOCK.replace('event.key === "Enter"', 'event.key.startsWith("Arrow")')


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=31)
    args = parser.parse_args()
    where = machine()
    with (
        browsing() as browser,
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder)) as app,
    ):
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.add_init_script(SLIDER_CLOCK)
        figures = [
            Figure.of(
                f"Positions: slider moved → painted, {n} × {n}",
                moved(page, app.url, n, args.runs),
                bar=BAR_MS if n == 512 else None,
                unit="ms",
            )
            for n in (128, 512)
        ]
        figures.append(
            Figure.of(
                "Positions: slider moved → painted, 2,047 × 1,024 (pooled)",
                moved(page, app.url, 2047, args.runs // 2, width=1024),
                unit="ms",
            )
        )
    return publish("positions", figures, where)


def moved(page: Page, url: str, n: int, runs: int, *, width: int | None = None) -> list[float]:
    """Milliseconds from an arrow key on the slider of the length to the painted table."""
    page.goto(f"{url}/positions?length={n}&width={width or n}")
    page.wait_for_selector(PICTURE, timeout=120_000)
    settle(page)
    slider = page.locator(".st-key-positions_length input[type=range]")
    times = []
    key = "ArrowRight" if n < MAX_POSITIONS // 2 else "ArrowLeft"
    for _ in range(runs + 2):
        slider.focus()
        times.append(until_painted(page, lambda: page.keyboard.press(key)))
        settle(page)
        page.wait_for_timeout(100)
    return times[2:]


if __name__ == "__main__":
    sys.exit(main())
