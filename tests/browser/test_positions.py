"""Positions in a real browser: the same numbers as Python, motion, keys, and the live page."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import NARROW
from tests.browser.test_accessibility import findings
from tests.support.live_app import LiveApp, settle
from transformer_core.figures import positions_alibi, positions_rotary, positions_sinusoidal
from transformer_core.figures.html import to_html
from transformer_core.figures.numbers import written
from transformer_core.figures.positions_drawn import Drawn

Show = Callable[[Drawn], Page]
STAGE = "[role=application]"
PICTURE = ".st-key-picture [data-painted]"
WATCH_PICTURE = f"""() => {{
  const first = document.querySelector("{PICTURE}");
  let isKept = true;
  new MutationObserver(() => {{ isKept &&= first.isConnected; }})
    .observe(document.body, {{ childList: true, subtree: true }});
  window.isKept = () => isKept;
}}"""
"""From now on ``isKept()`` says whether the picture has been in the page all the time."""
LOOKED_AT = (
    ("Sinusoidal", "Matrix"),
    ("Rotary", "Rotation"),
    ("ALiBi", "Beyond training"),
    ("On your sentence", "Words reordered"),
)
"""One view of each make: table, dials, lines, bars."""


@pytest.fixture
def show(page: Page, tmp_path: Path) -> Show:
    """Open a picture; an error in its script fails the test."""
    errors: list[str] = []

    def open_picture(drawn: Drawn) -> Page:
        path = tmp_path / "picture.html"
        path.write_text(to_html(drawn.picture), encoding="utf-8")  # type: ignore[arg-type]
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        page.wait_for_selector("[data-painted]")
        assert errors == []
        return page

    return open_picture


def readout(page: Page) -> str:
    return page.locator(".readout").inner_text()


TABLES = {
    "sinusoidal": lambda: positions_sinusoidal.matrix(60, 24),
    "tutorial": lambda: positions_sinusoidal.tutorial(60, 24, shown="Tutorials'"),
    "difference": lambda: positions_sinusoidal.tutorial(60, 24),
    "rotary": lambda: positions_rotary.matrix(60, 16, base=100_000),
    "alibi": lambda: positions_alibi.matrix(60, 12, head=9),
    "pooled": lambda: positions_sinusoidal.matrix(700, 640),
}


@pytest.mark.parametrize("kind", TABLES)
def test_the_browser_computes_pythons_numbers(kind: str, show: Show) -> None:
    drawn = TABLES[kind]()
    table = next(iter(drawn.arrays.values()))
    page = show(drawn)
    stage = page.locator(STAGE)
    stage.focus()
    stage.press("Control+Home")
    for keys in (("PageDown", "ArrowDown"), ("PageDown", "ArrowRight"), ("End",)):
        for key in keys:
            stage.press(key)
        text = readout(page)
        at = re.match(r"\w+ (\d+), \w+ ((?:cos |sin )?\d+)", text)
        assert at is not None, text
        header = drawn.picture.header  # type: ignore[union-attr]
        column = (header["keys"] or header["queries"])["display"].index(at[2])
        if "does not see" in text:
            continue
        value = float(table[int(at[1]), column])
        shown = text.split(" value ")[-1] if " value " in text else text
        expected = {written(value), written(value + 1e-7), written(value - 1e-7)}
        assert any(number in shown for number in expected), (text, value)


def test_query_and_key_turn_and_their_angle_stays(show: Show) -> None:
    page = show(positions_rotary.motion(32, 16, pair=1, distance=3))
    angle = "Between them 3 × 0.316 = 0.949 rad"
    shown = page.locator(".readout")
    expect(shown).to_contain_text("Key: 0 × 0.316 = 0 rad. Query: 3 × 0.316 = 0.949 rad.")
    expect(shown).to_contain_text(angle)
    score = readout(page).split("over all pairs ")[1]
    stage = page.locator(STAGE)
    stage.focus()
    stage.press("PageDown")
    expect(shown).to_contain_text("Key: 10 × 0.316 = 3.16 rad. Query: 13 × 0.316 = 4.11 rad.")
    expect(shown).to_contain_text(angle)
    expect(shown).to_contain_text(f"over all pairs {score}")
    stage.press("End")
    expect(page.locator(".readout")).to_contain_text("Key: 28 ×")
    stage.press("ArrowDown")
    expect(shown).to_contain_text("Between them 3 × 0.100 = 0.300 rad")
    page.get_by_role("button", name="Back").click()
    expect(page.locator(".readout")).to_contain_text("Key: 27 ×")


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_moves_on_with_motion_and_in_whole_steps_without(
    motion: Any, page: Page, show: Show
) -> None:
    page.emulate_media(reduced_motion=motion)
    show(positions_rotary.motion(512, 8, distance=2))
    scrub = page.get_by_label("Position of the key")
    page.get_by_role("button", name="Play").click()
    seen = set()
    for _ in range(40):
        seen.add(float(scrub.input_value()))
        page.wait_for_timeout(40)
    page.wait_for_function("Number(document.querySelector('input[type=range]').value) > 0")
    seen.add(float(scrub.input_value()))
    assert len(seen) > 1
    assert all(value == int(value) for value in seen) == (motion == "reduce")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_the_page_is_used_by_slider_keyboard_and_double_click(app: LiveApp, page: Page) -> None:
    page.goto(f"{app.url}/positions?length=48&width=64")
    page.wait_for_selector(PICTURE, timeout=90_000)
    settle(page)
    before = page.locator(PICTURE).first.get_attribute("data-painted")
    slider = page.locator(".st-key-positions_length input[type=range]")
    slider.press("ArrowRight")
    expect(page.locator(PICTURE).first).not_to_have_attribute("data-painted", str(before))
    expect(page.get_by_label("seq_length, typed")).to_have_value("49")
    page.evaluate(WATCH_PICTURE)
    page.get_by_label("d_model, typed").fill("33")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("d_model is 33; it must be even")
    assert page.evaluate("isKept()"), "the picture was taken away for a moment"
    expect(page.locator(PICTURE).first).to_be_visible()
    page.get_by_label("d_model, typed").fill("32")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_count(0)
    stage = page.locator(f".st-key-picture {STAGE}")
    stage.focus()
    stage.press("Control+Home")
    stage.press("ArrowRight")
    stage.press("Enter")
    expect(page.get_by_text("Dimension 1 comes back after 6.28 positions")).to_be_visible()
    expect(page).to_have_url(re.compile(r"view=Waves.*dim=1"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_make_of_picture_is_accessible(app: LiveApp, browser: Browser, scheme: Any) -> None:
    context = browser.new_context(viewport=NARROW, color_scheme=scheme)  # type: ignore[arg-type]
    page, found = context.new_page(), {}
    page.set_default_timeout(60_000)
    for kind, view in LOOKED_AT:
        page.goto(f"{app.url}/positions?kind={kind}&view={view}")
        page.wait_for_selector(".st-key-positions-footer", timeout=90_000)
        if here := findings(page):
            found[kind, view] = here
    context.close()
    assert found == {}
