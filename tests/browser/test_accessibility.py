"""axe-core on every page: nothing serious or critical but what Streamlit's navigation brings."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from pages.components.navigation import PAGES, PageEntry
from pages.components.views import VIEWS
from tests.browser.conftest import NARROW, TRACED, WIDE, open_traced
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


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.title)
def test_every_page_is_accessible(app: LiveApp, page: Page, entry: PageEntry) -> None:
    page.goto(app.at(entry))
    page.wait_for_timeout(500)
    assert findings(page) == []
