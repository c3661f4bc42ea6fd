"""Home in a real browser: the translation and the map, their blocks by hand and key, the tour."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, PATIENCE, trace_text, wait_until
from tests.support.live_app import LiveApp, settle, watch
from tests.support.tiny_translator import make_translator
from transformer_core.figures import home
from transformer_core.figures.html import to_html
from transformer_core.models.loading import load

PICTURE, MAP = ".st-key-picture", ".st-key-map"


@pytest.fixture
def start(app: LiveApp, page: Page) -> Page:
    """Home with the first sentence translated by the loaded model."""
    page.goto(app.url)
    return ready(page)


def ready(page: Page) -> Page:
    page.wait_for_selector("[data-painted]", timeout=PATIENCE)
    page.wait_for_selector("text=is loading", state="detached", timeout=120_000)
    settle(page)
    return page


def spot(page: Page, name: str, where: str = MAP) -> Any:
    return page.locator(f"{where} button[data-spot='{name}']")


def test_a_sentence_is_translated_and_opened_in_another_page(start: Page) -> None:
    trace_text(start, "The dog sleeps.")
    expect(start.locator(f"{PICTURE} table").first).to_contain_text("dort")
    traffic = watch(start)
    spot(start, "target-1", PICTURE).hover()
    expect(start.locator(f"{PICTURE} .readout")).to_contain_text("reads dog")
    spot(start, "encoder.ff.block").hover()
    expect(start.locator(f"{MAP} .block-card .equation")).to_contain_text("max(0, x W₁ + b₁)")
    numbers = start.locator(f"{MAP} .block-card .number")
    before = numbers.all_inner_texts()
    start.locator(f"{MAP} .choice[aria-label='Encoder layer'] button").nth(2).click()
    wait_until(start, lambda: numbers.all_inner_texts() not in ([], before))
    assert traffic.sent == []
    spot(start, "decoder.cross.block").focus()
    start.keyboard.press("Enter")
    start.wait_for_url("**/attention?**")
    settle(start)
    expect(start.get_by_role("radio", name="Cross")).to_be_checked()
    expect(start.get_by_role("textbox", name="Text")).to_have_value("The dog sleeps.")


def test_keys_lead_through_the_tour_and_leave_fields_alone(app: LiveApp, page: Page) -> None:
    page.goto(f"{app.url}/?tour=1")
    ready(page)
    head = page.locator(".st-key-tour-head")
    expect(head).to_contain_text("stop 1 of 10")
    box = page.get_by_role("textbox", name="Text")
    box.press("n")
    page.wait_for_timeout(300)
    expect(head).to_contain_text("stop 1 of 10")
    trace_text(page, "The dog sleeps.")
    spot(page, "encoder.tokens").focus()
    page.keyboard.press("n")
    expect(head).to_contain_text("stop 2 of 10")
    page.wait_for_url("**tour=2**")
    expect(spot(page, "encoder.embedding")).to_have_class("spot picked at")
    page.keyboard.press("p")
    expect(head).to_contain_text("stop 1 of 10")
    expect(box).to_have_value("The dog sleeps.")


def test_a_link_to_a_stop_opens_its_page_and_can_be_left(app: LiveApp, page: Page) -> None:
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.goto(f"{app.url}/?tour=5&text=The+dog+sleeps.")
    page.wait_for_url("**/attention?**tour=5**")
    ready(page)
    expect(page.locator(".st-key-tour-head")).to_contain_text("Heads · stop 5 of 10")
    expect(page.get_by_role("radio", name="All heads")).to_be_checked()
    expect(page.get_by_role("textbox", name="Text")).to_have_value("The dog sleeps.")
    wide = page.evaluate("document.scrollingElement.scrollWidth > innerWidth")
    assert not wide
    page.get_by_role("button", name="Leave").click()
    expect(page.locator(".st-key-tour")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("tour"))


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_map_is_drawn_as_the_model_is(page: Page, tmp_path: Path, norm: Any) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    folder = make_translator(tmp_path / "model", norm=norm)
    pictures = home.pictures_of(load(folder), "The cat sat.")
    file = tmp_path / "map.html"
    file.write_text(to_html(pictures.architecture), encoding="utf-8")
    page.goto(file.as_uri())
    page.wait_for_selector("[data-painted]", timeout=PATIENCE)
    assert errors == []
    names = page.locator("button[data-spot^='encoder.self']").evaluate_all(
        "nodes => nodes.map((node) => node.dataset.spot.split('.').pop())"
    )
    assert names == (["norm", "block", "add"] if norm == "pre" else ["block", "add", "norm"])
    assert page.locator("button[data-spot='encoder.norm']").count() == (norm == "pre")
    assert page.locator(".choice[aria-label='Decoder layer'] button").count() == 2
    heights = [
        page.locator(f"button[data-spot='encoder.self.{name}']").bounding_box() for name in names
    ]
    ys = [box["y"] for box in heights if box is not None]
    assert ys == sorted(ys, reverse=True), "the stream runs upwards"
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save this picture as SVG").click()
    svg = Path(saving.value.path()).read_text(encoding="utf-8")
    assert "Cross-attention" in svg
    assert "The cat sat." in svg
