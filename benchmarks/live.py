"""What a person waits for until the first words: `python -m benchmarks.live`, on a quiet machine.

Times run from the Enter key, as the page's own clock has it, to the frame after the first words of
the new text were drawn. They include the server, the model, the socket and the drawing. Each text
is new, so nothing is remembered.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.browser import WORDS
from benchmarks.report import Figure, machine, publish
from pages.components.task_examples import EXAMPLES
from tests.support.live_app import browsing, running_app, settle

CLOCK = """
window.began = 0; window.painted = 0; window.before = "";
const shown = () => [...document.querySelectorAll(".st-key-growing, .st-key-written")]
  .map((node) => node.innerText.replace("▍", "").trim()).join(" ").trim();
addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  Object.assign(window, { began: event.timeStamp, before: shown(), painted: 0 });
}, true);
new MutationObserver(() => {
  if (!window.began || window.painted) return;
  const now = shown();
  if (!now || now === window.before) return;
  window.painted = -1;
  requestAnimationFrame(() => requestAnimationFrame(() => { window.painted = performance.now(); }));
}).observe(document, { subtree: true, childList: true, characterData: true });
"""
STOP = "document.querySelector('[class*=-stop] button')?.click()"
YEARS = ("five", "six", "seven", "eight", "nine", "eleven", "twelve", "fifteen", "twenty", "thirty")


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--summaries", type=int, default=7)
    args = parser.parse_args()
    where = machine()
    with (
        browsing() as browser,
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder)) as app,
    ):
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.add_init_script(CLOCK)
        figures = [translated(page, app.url, search, args.runs) for search in ("Beam", "Greedy")]
        figures.append(summarised(page, app.url, args.summaries))
    return publish("live", figures, where)


def translated(page: Page, url: str, search: str, runs: int) -> Figure:
    """Until the first words of a sentence's translation."""
    page.goto(f"{url}/translate")
    page.locator(".st-key-written").wait_for(timeout=120_000)
    page.get_by_role("radio", name=search, exact=True).click()
    settle(page)
    what = f"Enter → first words of a translation painted, {search.lower()} search"
    times = waits(page, itertools.islice(sentences(), runs + 2))
    return Figure.of(what, times, bar=250, unit="ms")


def summarised(page: Page, url: str, runs: int) -> Figure:
    """Until the first words of a paragraph's summary."""
    page.goto(f"{url}/translate?task=Summarise")
    page.locator(".st-key-growing").wait_for(timeout=120_000)
    what = f"Enter → first words of a summary painted, {len(EXAMPLES['Summarise'])} characters"
    times = waits(page, itertools.islice(paragraphs(), runs + 2))
    return Figure.of(what, [time / 1000 for time in times], bar=2.5, unit="s")


def sentences() -> Iterable[str]:
    """Sentences as long as the page's example, each another."""
    for one, other in itertools.permutations(WORDS[:10], 2):
        yield f"The {one} model has revolutionized the natural {other} processing."


def paragraphs() -> Iterable[str]:
    """The page's paragraph, about another number of years."""
    for years in YEARS:
        yield EXAMPLES["Summarise"].replace("next ten years", f"next {years} years")


def waits(page: Page, texts: Iterable[str]) -> list[float]:
    """Milliseconds from Enter to the first words, the two first runs left out."""
    times = []
    box = page.get_by_role("textbox", name="Text")
    for text in texts:
        page.evaluate(STOP)  # a click at once: the button may go away by itself
        page.wait_for_function("!document.querySelector('.st-key-growing')", timeout=120_000)
        settle(page)
        page.wait_for_timeout(300)
        box.fill(text)
        page.wait_for_timeout(150)
        box.press("Enter")
        page.wait_for_function("window.painted > 0", timeout=60_000)
        times.append(page.evaluate("window.painted - window.began"))
    return times[2:]


if __name__ == "__main__":
    sys.exit(main())
