"""Inside a layer in a real browser: keys walk, a tensor opens, a layer's slider moves it."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import TRACED
from tests.support.live_app import LiveApp, settle


def open_layer(page: Page, app: LiveApp, **query: str) -> None:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    page.goto(f"{app.url}/layer?model=minilm&{asked}")
    page.wait_for_selector(TRACED, timeout=90_000)
    settle(page)


def test_keys_walk_and_open_a_tensor_and_a_head(app: LiveApp, page: Page) -> None:
    open_layer(page, app, layer="3", head="1")
    walk = page.get_by_role("application").first
    walk.focus()
    page.keyboard.press("End")
    expect(page.locator(".readout").first).to_contain_text("resid_post: LayerNorm of the sum")
    page.keyboard.press("Enter")
    expect(page.locator(".open .title")).to_have_text("resid_post")
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    expect(page.locator(".readout").first).to_contain_text("Head 0 writes")
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Head")).to_have_value("Head 0")


def test_the_slider_moves_the_layer_and_the_open_tensor_stays(app: LiveApp, page: Page) -> None:
    open_layer(page, app, layer="0")
    sheet = page.get_by_role("application").nth(1)
    sheet.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".open .readout")).to_contain_text("dimension 1:")
    before = page.locator(".open .readout").inner_text()
    page.get_by_role("slider", name="Layer").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="What does layer 1 of the encoder")).to_be_visible()
    expect(page.locator(".open .title")).to_have_text("resid_mid")
    expect(page.locator(".open .readout")).to_contain_text("dimension 1:")
    expect(page.locator(".open .readout")).not_to_have_text(before)


def test_pictures_are_saved_with_title_and_words(app: LiveApp, page: Page, tmp_path: Path) -> None:
    open_layer(page, app, layer="2", view="The+sum")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save this picture as SVG").click()
    saved.value.save_as(tmp_path / "sum.svg")
    text = (tmp_path / "sum.svg").read_text(encoding="utf-8")
    assert "resid_mid = LayerNorm(resid_pre + attn_out)" in text
    assert ">attn_out<" in text
