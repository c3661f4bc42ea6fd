"""The Attention page in a real browser: it paints, traces, moves by keyboard, and stays quiet."""

import random

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FIRST_PICTURE, TRACED, open_traced, trace_text
from tests.support.live_app import LiveApp, settle, watch

MAX_BYTES = 360_000
STAGE = ".st-key-picture [role=application][aria-roledescription='heat map']"


def message_of(page: Page) -> str:
    """What the page says is wrong; fails if it shows a traceback."""
    expect(page.get_by_test_id("stException")).to_have_count(0)
    return " ".join(page.get_by_test_id("stAlert").all_inner_texts())


def test_the_first_picture_is_painted(app: LiveApp, page: Page) -> None:
    page.goto(app.attention)
    page.wait_for_selector(FIRST_PICTURE, timeout=30_000)
    assert message_of(page) == ""


def test_a_typed_sentence_is_traced_and_painted(traced: Page) -> None:
    before = traced.get_attribute(TRACED, "data-painted")
    trace_text(traced, "Colourless green ideas sleep furiously")
    expect(traced.locator(TRACED).first).not_to_have_attribute("data-painted", str(before))
    table = traced.locator(".st-key-picture table").first
    expect(table).to_contain_text("furiously")
    assert message_of(traced) == ""


def test_the_numbers_are_a_table_for_a_screen_reader(traced: Page) -> None:
    table = traced.locator(".st-key-picture table").first
    expect(table.locator("caption")).not_to_be_empty()
    expect(table.locator("tbody tr")).to_have_count(16)
    row = table.locator("tbody tr").nth(10)
    expect(row.locator("th")).to_have_text("it")
    expect(row.locator("td").nth(2)).to_contain_text("0.677")


def test_hovering_sends_nothing_to_the_server(app: LiveApp, page: Page) -> None:
    traffic = watch(page)
    open_traced(page, app.attention)
    box = page.locator(STAGE).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 150, box["y"] + 150)
    page.wait_for_timeout(300)
    assert traffic.sent, "the counter must have seen the page load"
    traffic.clear()
    tips = set()
    for step in range(40):
        page.mouse.move(box["x"] + 100 + 8 * step, box["y"] + 100 + 7 * step)
        tips.add(page.locator(".st-key-picture .tip").inner_text())
    page.wait_for_timeout(500)
    assert len(tips) > 5, "the tip must follow the pointer"
    assert traffic.sent == []
    assert traffic.received == []
    assert traffic.requests == []


def test_arrow_keys_move_the_cell_without_the_server(app: LiveApp, page: Page) -> None:
    traffic = watch(page)
    open_traced(page, app.attention)
    stage = page.locator(STAGE)
    readout = page.locator(".st-key-picture .readout")
    expect(readout).to_contain_text("positions 10, 2")
    stage.focus()
    traffic.clear()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        stage.press(key)
    expect(readout).to_contain_text("positions 12, 3")
    stage.press("Home")
    expect(readout).to_contain_text("positions 12, 0")
    assert traffic.sent == []


def test_one_head_over_512_tokens_is_small_on_the_wire(app: LiveApp, page: Page) -> None:
    traffic = watch(page)
    open_traced(page, app.attention)
    words = (
        "cat dog bird river stone old red small went saw found over under because and but she it"
    )
    trace_text(page, " ".join(random.Random(0).choices(words.split(), k=510)))
    expect(page.get_by_text("512 tokens")).to_be_visible()
    before = page.get_attribute(TRACED, "data-painted")
    traffic.clear()
    page.get_by_role("combobox", name="Head").click()
    page.get_by_role("option", name="Head 7").click()
    page.wait_for_function(
        "([selector, before]) => [...document.querySelectorAll('.st-key-picture *')]"
        ".some(n => n.dataset?.painted && n.dataset.painted !== before)",
        arg=[TRACED, before],
    )
    settle(page)
    assert max(traffic.received) > 50_000, "the map itself must have been counted"
    assert sum(traffic.received) <= MAX_BYTES


def test_markup_in_a_text_stays_text(app: LiveApp, page: Page) -> None:
    traffic = watch(page)
    open_traced(page, app.attention)
    payload = "<img src=x onerror=window.hacked=1> <script>window.hacked=1</script> <b>bold</b>"
    for view in ("Heat map", "All heads", "Links"):
        page.get_by_role("radio", name=view).click()
        page.wait_for_timeout(150)
        settle(page)
        trace_text(page, payload)
        page.wait_for_timeout(300)
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src=x]").count() == 0
        assert not [url for url in traffic.requests if url.endswith("/x")]
    page.get_by_role("radio", name="Heat map").click()
    expect(page.locator(".st-key-picture table").first).to_contain_text("hacked")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("layer=99&head=-1", ["There is no layer '99'", "There is no head '-1'", "from 0 to"]),
        ("model=nope", ["There is no model 'nope'"]),
        ("layer=%00&head=1e3", ["There is no head '1e3'"]),
        ("view=nothing", []),
    ],
)
def test_a_wrong_address_is_explained(
    app: LiveApp, page: Page, query: str, said: list[str]
) -> None:
    open_traced(page, f"{app.attention}?{query}")
    for words in said:
        expect(page.get_by_test_id("stMain")).to_contain_text(words)
    message_of(page)


@pytest.mark.parametrize("text", ["", "   ", "word " * 10_000], ids=["empty", "spaces", "long"])
def test_a_text_that_cannot_be_traced_is_explained_and_kept(traced: Page, text: str) -> None:
    trace_text(traced, text)
    expect(traced.get_by_test_id("stAlert").first).not_to_be_empty()
    assert message_of(traced)
    expect(traced.get_by_role("textbox", name="Text")).to_have_value(text)


def test_the_text_and_the_head_survive_an_error(traced: Page) -> None:
    trace_text(traced, " ")
    assert message_of(traced)
    trace_text(traced, "The cat sat")
    assert message_of(traced) == ""
    expect(traced.locator(".st-key-picture table").first).to_contain_text("cat")
