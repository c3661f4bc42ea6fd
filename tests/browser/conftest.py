"""One server for all browser tests, and a page of Chromium for each."""

import os
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as PageTimeoutError

from tests.support.live_app import LiveApp, browsing, find_chromium, rerun, running_app, settle

REQUIRED = os.environ.get("WORKBENCH_BROWSER") == "required"
WIDE, NARROW = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}
TRACED = ".st-key-picture [data-painted]"
FIRST_PICTURE = "[data-painted]"
PATIENCE = 60_000
"""Milliseconds: a busy machine is slow, and that is no failure."""

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip browser tests where there is no Chromium, unless they are required."""
    reason = "Chromium is not installed (or CHROMIUM names none); CI requires these tests."
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            if find_chromium() is None and not REQUIRED:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveApp]:
    with running_app(tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as chromium:
        yield chromium


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def traced(app: LiveApp, page: Page) -> Page:
    """The Attention page with the first sentence traced by the loaded model."""
    return open_traced(page, app.attention)


def open_traced(page: Page, url: str) -> Page:
    page.goto(url)
    page.wait_for_selector(TRACED, timeout=90_000)
    settle(page)
    return page


def wait_until(page: Page, look: Callable[[], bool], *, timeout: float = PATIENCE) -> None:
    """Look at the page again and again until what is looked for is there."""
    end = time.monotonic() + timeout / 1000
    while not look():
        assert time.monotonic() < end, "What was waited for has not come."
        page.wait_for_timeout(50)


def trace_text(page: Page, text: str) -> None:
    """Type a text and wait for what becomes of it."""
    box = page.get_by_role("textbox", name="Text")
    if box.input_value() == text:
        return
    for patience in (PATIENCE / 4, PATIENCE / 2, PATIENCE):
        # A run that is still under way draws the field anew, and what was typed into it is gone.
        try:
            with rerun(page, timeout=patience):
                box.fill(f"{text}…")  # the field sends nothing that it believes sent
                box.fill(text)
                box.press("Enter")
        except PageTimeoutError:
            # A run of a moment may end before the page says that it runs.
            if not page.evaluate("window.hasRun") and box.input_value() != text:
                continue
            settle(page, timeout=PATIENCE)
        return
    raise AssertionError(f"Typing {text[:40]!r} made nothing run.")
