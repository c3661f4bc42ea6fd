"""What a person waits for on Home, in Chromium: `python -m benchmarks.home`, on a quiet machine.

From the Enter key, as the page's own clock has it, to the frame after both pictures of the new
sentence, the translation and the map, were drawn.
"""

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.browser import CLOCK
from benchmarks.report import Figure, machine, publish
from tests.support.live_app import browsing, running_app, settle

BAR_MS = 500
SUBJECTS = ("dog", "cat", "horse", "child", "woman", "man", "teacher", "bird")
PLACES = ("river", "street", "garden", "house", "road")
BOTH = """
(before) => {
  const ids = [...document.querySelectorAll(".st-key-picture, .st-key-map")]
    .flatMap((node) => [...node.querySelectorAll("[data-painted]")])
    .map((node) => node.dataset.painted);
  return ids.length >= 2 && ids.every((id) => !before.includes(id));
}
"""
IDS = """
() => [...document.querySelectorAll("[data-painted]")].map((node) => node.dataset.painted)
"""


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    args = parser.parse_args()
    where = machine()
    with (
        browsing() as browser,
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder)) as app,
    ):
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.add_init_script(CLOCK)
        page.goto(app.url)
        page.wait_for_selector("[data-painted]", timeout=60_000)
        page.wait_for_selector("text=is loading", state="detached", timeout=120_000)
        settle(page)
        times = typed(page, args.runs)
    what = "Home: Enter → translation and map painted, warm, a sentence of 12 words"
    return publish("home", [Figure.of(what, times, bar=BAR_MS, unit="ms")], where)


def typed(page: Page, runs: int) -> list[float]:
    """Milliseconds for each of many sentences, none of them seen before."""
    box = page.get_by_role("textbox", name="Text")
    times = []
    for subject, place in itertools.islice(itertools.product(SUBJECTS, PLACES), runs + 2):
        box.fill(f"The old {subject} did not cross the {place} because it was too tired.")
        page.wait_for_timeout(100)
        before = page.evaluate(IDS)
        box.press("Enter")
        page.wait_for_function(BOTH, arg=before, timeout=30_000)
        # The observer notes the frame after the last of the two pictures.
        page.wait_for_timeout(120)
        times.append(float(page.evaluate("window.painted - window.began")))
        settle(page)
    return times[2:]


if __name__ == "__main__":
    sys.exit(main())
