"""The Train page in a browser: a run survives a reload, a head forms under the slider."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import NARROW, WIDE, wait_until
from tests.browser.test_accessibility import findings
from tests.support.live_app import LiveApp, settle

SMALL = "size=4&d_model=16&n_heads=2&n_layers=1&batch=8&max_steps=4000"
STEP = re.compile(r"step ([\d,]+) of")


def step_of(page: Page) -> int:
    found = STEP.search(page.locator("[data-testid=stMain]").inner_text())
    return int(found.group(1).replace(",", "")) if found else 0


def started(page: Page, url: str) -> Page:
    page.goto(f"{url}/train?{SMALL}")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text(STEP)).to_be_visible()
    return page


def test_a_run_goes_on_through_a_reload_and_loses_no_point(app: LiveApp, page: Page) -> None:
    started(page, app.url)
    expect(page).to_have_url(re.compile(r"run=[0-9a-f]{16}"))
    wait_until(page, lambda: step_of(page) >= 1)
    before = step_of(page)
    page.reload()
    expect(page.get_by_text(STEP)).to_be_visible()
    wait_until(page, lambda: step_of(page) >= before)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("was stopped")).to_be_visible()
    wait_until(page, lambda: step_of(page) >= before)
    expect(page.get_by_role("button", name="Keep the model")).to_be_visible()


def test_the_slider_moves_a_head_through_its_training_without_the_server(
    app: LiveApp, page: Page
) -> None:
    page.goto(f"{app.url}/train?train_mode=Watch+it+learn")
    page.wait_for_selector("[data-painted]")
    settle(page)
    slider = page.get_by_label("Step of the training")
    expect(page.locator(".film-step")).to_have_text(re.compile("step [1-9]"))
    last = page.locator(".readout .number").inner_text()
    slider.focus()
    slider.press("Home")
    expect(page.locator(".film-step")).to_have_text("step 0")
    expect(page.locator(".readout .number")).not_to_have_text(last)
    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.locator(".film-step")).to_have_text("step 50")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Next", exact=True)).to_be_disabled()
    expect(page.locator(".readout .number")).to_have_text(last)


@pytest.mark.parametrize(("viewport", "scheme"), [(WIDE, "dark"), (NARROW, "light")])
def test_a_run_and_the_record_are_accessible(
    app: LiveApp, browser: Browser, viewport: Any, scheme: Any
) -> None:
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    page = started(context.new_page(), app.url)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("was stopped")).to_be_visible()
    found = findings(page)
    page.goto(f"{app.url}/train?train_mode=Watch+it+learn")
    page.wait_for_selector("[data-painted]")
    found += findings(page)
    context.close()
    assert found == []
