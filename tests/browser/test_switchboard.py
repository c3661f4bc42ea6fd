"""Switchboard and comparison in a real browser: keyboard, quick switching, linked hovering."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NARROW, wait_until
from tests.support.live_app import LiveApp, settle, watch

SWITCH = ".st-key-picture [role=switch]"
FRESH = ".st-key-picture .effect[aria-busy=false]"


def open_view(page: Page, app: LiveApp, view: str, wanted: str) -> None:
    page.goto(f"{app.attention}?view={view}")
    page.locator(wanted).first.wait_for(timeout=90_000)
    settle(page)


def effect(page: Page) -> Locator:
    """The number beside the board, once it belongs to the switches."""
    page.locator(FRESH).wait_for()
    return page.locator(".st-key-picture .effect-size")


def off(page: Page) -> list[str]:
    heads: list[str] = page.locator(f"{SWITCH}[aria-checked=false]").evaluate_all(
        "nodes => nodes.map((node) => node.dataset.at)"
    )
    return heads


def test_heads_are_switched_by_keyboard_alone(app: LiveApp, page: Page) -> None:
    open_view(page, app, "Switchboard", SWITCH)
    board = page.locator(".st-key-picture [role=grid]")
    expect(board.locator("button[tabindex='0']")).to_have_count(1)
    expect(effect(page)).to_have_text("–")
    board.locator("button[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    wait_until(page, lambda: off(page) == ["1,2"])
    expect(page.locator(f"{SWITCH}[data-at='1,2']")).to_be_focused()
    expect(effect(page)).not_to_have_text("–")
    expect(page.locator(".st-key-picture .effect")).to_contain_text("1 head off")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")  # the layer's own button
    wait_until(page, lambda: off(page) == [f"1,{head}" for head in range(12)])


def test_quick_switches_are_all_counted(app: LiveApp, page: Page) -> None:
    open_view(page, app, "Switchboard", SWITCH)
    for at in ("0,0", "3,1", "5,11", "0,0"):
        page.locator(f"{SWITCH}[data-at='{at}']").click()
    effect(page)
    settle(page)
    wait_until(page, lambda: off(page) == ["3,1", "5,11"])
    expect(page.locator(".st-key-picture .effect")).to_contain_text("2 heads off")
    page.get_by_role("button", name="Invert").click()
    expect(page.locator(".st-key-picture .effect")).to_contain_text("70 heads off")
    page.get_by_role("button", name="All on").click()
    expect(effect(page)).to_have_text("–")


def test_switches_stay_while_other_views_are_looked_at(app: LiveApp, page: Page) -> None:
    open_view(page, app, "Switchboard", SWITCH)
    page.locator(f"{SWITCH}[data-at='3,1']").click()
    effect(page)
    settle(page)
    page.get_by_role("radio", name="Links").or_(page.get_by_text("Links", exact=True)).first.click()
    page.locator(SWITCH).first.wait_for(state="detached")
    settle(page)
    page.get_by_text("Switchboard", exact=True).click()
    page.locator(SWITCH).first.wait_for()
    wait_until(page, lambda: off(page) == ["3,1"])
    expect(page.locator(".st-key-picture .effect")).to_contain_text("1 head off")


def test_hovering_a_pair_is_linked_and_sends_nothing(app: LiveApp, page: Page) -> None:
    traffic = watch(page)
    open_view(page, app, "Compare", ".pair-maps")
    box = page.locator(".pair-0 .stage").bounding_box()
    assert box is not None
    before = over_canvas(page, 1)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)
    traffic.clear()
    page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2 + 30)
    expect(page.locator(".st-key-picture .tip.shown")).to_contain_text("→")
    page.wait_for_timeout(300)
    wait_until(page, lambda: over_canvas(page, 1) != before)
    assert traffic.sent == []


def over_canvas(page: Page, index: int) -> str:
    """What is painted over a map: selection and hover."""
    image: str = page.locator(f".pair-{index} canvas.over").evaluate("node => node.toDataURL()")
    return image


def test_arrow_keys_move_the_cell_in_all_three_maps(app: LiveApp, page: Page) -> None:
    open_view(page, app, "Compare", ".pair-maps")
    stage = page.locator(".pair-2 .stage")
    readout = page.locator(".st-key-picture .card.main .readout")
    stage.focus()
    stage.press("Home")
    stage.press("ArrowRight")
    stage.press("ArrowRight")
    expect(readout).to_contain_text("animal")
    painted = [over_canvas(page, index) for index in range(3)]
    stage.press("ArrowRight")
    expect(readout).to_contain_text("didn")
    wait_until(page, lambda: all(over_canvas(page, i) != painted[i] for i in range(3)))


def test_a_ranked_head_opens_in_both_maps(app: LiveApp, page: Page) -> None:
    open_view(page, app, "Compare", ".ranked button")
    first = page.locator(".ranked button").first
    name = first.locator(".tok").inner_text()
    first.click()
    for index in range(2):
        expect(page.locator(f".pair-{index} .pair-title")).to_contain_text(f"· {name}")
    expect(page.locator(".ranked-heads [aria-current=true]").first).to_be_visible()


def test_board_and_pair_fit_a_phone(app: LiveApp, page: Page) -> None:
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    for view, wanted in (("Switchboard", SWITCH), ("Compare", ".pair-maps")):
        open_view(page, app, view, wanted)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        for board in page.locator(".board").all():
            assert board.evaluate("node => node.scrollWidth <= node.clientWidth")
