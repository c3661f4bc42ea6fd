"""The Families page in a browser: a digit drawn by pointer and by keys, patches that are asked."""

from playwright.sync_api import Page, expect

from tests.support.live_app import LiveApp, settle

PATCHES = ".st-key-patches [data-painted]"
CARDS = "[class*=st-key-masks-] [data-painted]"


def draw(page: Page, *points: tuple[float, float]) -> None:
    """Draw one stroke; places are shares of the pad."""
    box = page.locator(".pad canvas").bounding_box()
    assert box is not None
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def test_a_drawn_seven_is_read_and_its_patches_answer(app: LiveApp, page: Page) -> None:
    page.goto(f"{app.url}/families?show=Vision&image=Draw")
    page.wait_for_selector(".pad canvas")
    settle(page)
    draw(page, (0.28, 0.16), (0.72, 0.16), (0.58, 0.5), (0.46, 0.9))
    page.wait_for_selector(PATCHES)
    settle(page)
    draw(page, (0.4, 0.52), (0.7, 0.52))  # the sevens of the data have a bar
    settle(page)
    expect(page.get_by_text("Read as 7")).to_be_visible()
    readout = page.locator(".st-key-patches .readout")
    expect(readout).to_contain_text("[CLS] reads most of")
    stage = page.locator(".st-key-patches .stage")
    stage.click(position={"x": 40, "y": 60})
    expect(readout).to_contain_text("r0c0 reads most of")
    stage.press("ArrowDown")
    expect(readout).to_contain_text("r1c0 reads most of")
    stage.press("Home")
    expect(readout).to_contain_text("[CLS] reads most of")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Draw a digit or choose a picture")).to_be_visible()


def test_a_one_can_be_drawn_by_keys_alone(app: LiveApp, page: Page) -> None:
    page.goto(f"{app.url}/families?show=Vision&image=Draw")
    page.wait_for_selector(".pad canvas")
    settle(page)
    pad = page.locator(".pad canvas")
    pad.focus()
    for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 16 + [" "]:
        pad.press(key)
    page.wait_for_selector(PATCHES)
    expect(page.get_by_text("Read as 1")).to_be_visible()


def test_all_four_cards_are_painted_and_sites_change_in_the_browser(
    app: LiveApp, page: Page
) -> None:
    page.goto(f"{app.url}/families")
    page.wait_for_function(f"document.querySelectorAll('{CARDS}').length >= 4", timeout=180_000)
    settle(page)
    card = page.locator(".st-key-masks-both")
    expect(card.get_by_text("May read: all to all")).to_be_visible()
    card.get_by_role("button", name="Decoder", exact=True).click()
    expect(card.get_by_text("May read: causal")).to_be_visible()
    stages = card.locator(".stage")
    stages.nth(0).press("Home")
    stages.nth(0).press("End")
    expect(card.locator(".readout")).to_contain_text("may not read")
