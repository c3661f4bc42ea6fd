"""Every page as a person sees it, light and dark, wide and narrow: `make screenshots`.

Of the Attention page, every view. They lie in screenshots/, which git ignores. With --readme: only
the one that the README shows, which lies in assets/.
"""

import argparse
import itertools
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page

from pages.components.navigation import PAGES
from pages.components.views import VIEWS
from tests.support.live_app import PAINTED, ROOT, browsing, running_app, settle

FOLDER = ROOT / "screenshots"
README_PICTURE = ROOT / "assets" / "screenshot.png"
SCHEMES = ("light", "dark")
SIZES = {1440: 900, 390: 844}
LOAD_TIMEOUT = 120_000


def main() -> int:
    """Take all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", action="store_true", help="renew the README's picture only")
    parser.add_argument("--page", help="only this page, such as attention")
    args = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder)) as app,
        browsing() as browser,
    ):
        if args.readme:
            picture_for_readme(browser, app.attention)
            return 0
        for look in itertools.product(SCHEMES, SIZES):
            every_page(browser, app.url, look, only=args.page)
    return 0


def every_page(browser: Browser, url: str, look: tuple[str, int], *, only: str | None) -> None:
    """All pages in one theme and width."""
    page = opened(browser, look)
    for entry in (entry for group in PAGES.values() for entry in group):
        name = Path(entry.path).stem
        if only not in (None, name):
            continue
        page.goto(url if entry.is_default else f"{url}/{name}")
        wait_until_loaded(page)
        if name != "attention":
            take(page, name, look)
            continue
        for view in VIEWS:
            page.get_by_role("radio", name=view, exact=True).click()
            page.wait_for_timeout(300)
            wait_until_loaded(page)
            take(page, f"{name}-{view}", look)
    page.context.close()


def opened(browser: Browser, look: tuple[str, int], *, scale: float = 1) -> Page:
    """An empty page of a width, in a theme."""
    scheme, width = look
    options: dict[str, Any] = {
        "viewport": {"width": width, "height": SIZES[width]},
        "color_scheme": scheme,
        "device_scale_factor": scale,
    }
    return browser.new_context(**options).new_page()


def wait_until_loaded(page: Page) -> None:
    """Wait for the model, the script and the pictures."""
    settle(page, timeout=LOAD_TIMEOUT)
    page.wait_for_selector("text=is loading", state="detached", timeout=LOAD_TIMEOUT)
    settle(page, timeout=LOAD_TIMEOUT)
    page.mouse.move(0, 0)
    page.wait_for_timeout(700)


def take(page: Page, name: str, look: tuple[str, int]) -> None:
    """Save the whole page. Streamlit scrolls inside the window, so the window grows first."""
    scheme, width = look
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(SIZES[width], int(height))})
    page.wait_for_timeout(300)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    path = FOLDER / f"{slug}-{scheme}-{width}.png"
    page.screenshot(path=path)
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def picture_for_readme(browser: Browser, url: str) -> None:
    """The Attention page as it opens."""
    page = opened(browser, ("light", 1440))
    page.goto(url)
    page.wait_for_selector(PAINTED, timeout=LOAD_TIMEOUT)
    wait_until_loaded(page)
    page.screenshot(path=README_PICTURE)
    with Image.open(README_PICTURE) as picture:
        few = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(README_PICTURE, optimize=True)
    sys.stdout.write(f"{README_PICTURE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    sys.exit(main())
