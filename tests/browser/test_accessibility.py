"""axe-core on every page: nothing serious or critical but what Streamlit's navigation brings."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from pages.components.navigation import PAGES, PageEntry
from pages.components.views import VIEWS
from tests.browser.conftest import NARROW, PATIENCE, TRACED, WIDE, open_traced
from tests.support.live_app import LiveApp, settle

GRAVE = {"serious", "critical"}
ENTRIES = [entry for group in PAGES.values() for entry in group]


def findings(page: Page) -> list[str]:
    # Between two runs a stale element is faded, which is no contrast of ours.
    page.mouse.move(0, 0)
    settle(page)
    page.wait_for_timeout(400)
    violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{violation['id']} ({violation['impact']}): {node['html'][:120]}"
        for violation in violations
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
        if "stSidebarNav" not in str(node["target"]) + node["html"]
    ]


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_attention_page_is_accessible_in_every_view(
    app: LiveApp, browser: Browser, scheme: Any, viewport: Any
) -> None:
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    page = open_traced(context.new_page(), app.attention)
    found = {}
    for view in VIEWS:
        page.get_by_role("radio", name=view, exact=True).click()
        page.wait_for_timeout(150)
        page.wait_for_selector(f"{TRACED}, [data-testid=stPlotlyChart]", state="attached")
        if here := findings(page):
            found[view] = here
    context.close()
    assert found == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_every_page_is_accessible(
    app: LiveApp, browser: Browser, entry: PageEntry, scheme: Any
) -> None:
    assert grave_at(browser, app.at(entry), WIDE, scheme) == []


@pytest.mark.parametrize(("viewport", "scheme"), [(WIDE, "dark"), (NARROW, "light")])
def test_the_tour_is_accessible(app: LiveApp, browser: Browser, viewport: Any, scheme: Any) -> None:
    assert grave_at(browser, f"{app.url}/?tour=2", viewport, scheme) == []


def grave_at(browser: Browser, url: str, viewport: Any, scheme: Any) -> list[str]:
    """What is found at an address once its model is loaded."""
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    page.goto(url)
    page.wait_for_timeout(500)
    settle(page)
    page.wait_for_selector("text=is loading", state="detached", timeout=PATIENCE)
    found = findings(page)
    context.close()
    return found
