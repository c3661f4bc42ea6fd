"""Translate & summarise in a browser: hovering, choosing, and what a closed tab leaves."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_accessibility import findings
from tests.support.live_app import LiveApp, settle
from tests.support.tiny_translator import make_translator
from transformer_core.analysis.word_alignment import AlignmentChoice, word_weights
from transformer_core.decoding.strategies import Greedy
from transformer_core.figures.html import to_html
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Picture, TokenStrip
from transformer_core.figures.translation import WrittenToken, translation
from transformer_core.figures.wire import quantise
from transformer_core.models.loading import load

WRITTEN = ("First thing.", "Second thing.")
SOURCE = ("One is here.", "Two, a long one, is there.", "Three.")
WEIGHTS = [[0.2, 0.5, 0.3], [0.004, 0.096, 0.9]]
WEIGHT = ".source .weight"
Show = Callable[[Payload], Page]


@pytest.fixture
def show(page: Page, tmp_path: Path) -> Show:
    """Open a picture as a file; an error in its script fails the test."""
    errors: list[str] = []

    def open_picture(payload: Payload) -> Page:
        path = tmp_path / "picture.html"
        path.write_text(to_html(payload), encoding="utf-8")
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        page.wait_for_selector("[data-painted]")
        assert errors == []
        return page

    return open_picture


def summary() -> Payload:
    picture = Picture(
        title="Which sentences did the summary draw on?",
        subtitle="",
        queries=TokenStrip(WRITTEN),
        keys=TokenStrip(SOURCE),
        model="tiny",
        revision="1",
        text=" ".join(SOURCE),
        site="decoder",
        notes=("summed",),
        caption="2 over 3.",
    )
    return make_payload("sources", picture, {"lengths": [4, 8, 2]}, {"weights": quantise(WEIGHTS)})


def test_a_sentence_of_a_summary_shades_the_sentences_that_it_read(show: Show) -> None:
    page = show(summary())
    expect(page.locator(WEIGHT)).to_have_text(["20 %", "50 %", "30 %"])
    page.get_by_role("button", name="Second thing.").hover()
    expect(page.locator(WEIGHT)).to_have_text(["< 1 %", "10 %", "90 %"])
    page.mouse.move(0, 0)
    expect(page.locator(WEIGHT)).to_have_text(["20 %", "50 %", "30 %"])
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Second thing.").focus()
    page.keyboard.press("Enter")
    page.mouse.move(0, 0)
    expect(page.locator(WEIGHT)).to_have_text(["< 1 %", "10 %", "90 %"])
    expect(page.locator(".readout")).to_contain_text("3 (90 %)")
    # 0.9 over 2 of 14 tokens: 0.9 × 14 ÷ 2 times what even reading would give.
    page.get_by_role("button", name="Per token").click()
    expect(page.locator(WEIGHT).nth(2)).to_have_text("6.3 ×")
    page.get_by_role("button", name="Matrix").click()
    expect(page.locator(".sources-matrix tbody tr").nth(1).locator("td").nth(2)).to_have_text(
        "6.3 ×"
    )


def test_a_target_word_shows_its_sources_at_any_head_and_a_click_forks(
    show: Show, tmp_path: Path
) -> None:
    model: Any = load(make_translator(tmp_path / "model"))
    steps = [*model.decode("The cat sat.", Greedy(max_new_tokens=6))]
    trace = steps[-1].trace
    tokens = [WrittenToken.of(step) for step in steps if step.ended != "eos"]
    page = show(translation(trace, tokens, AlignmentChoice(1)))
    picker = page.get_by_label("Layer and head that are read")
    names = picker.locator("option").all_inner_texts()
    for name, choice in (("L1 mean", AlignmentChoice(1)), ("L0 H1", AlignmentChoice(0, 1))):
        picker.select_option(index=[text.startswith(name) for text in names].index(True))
        page.locator(".target .word").first.hover()
        row = word_weights(trace, choice)[0]
        shown = page.locator(".readout").inner_text()
        weight = float(re.findall(r" ([01]\.\d+|1)", shown)[0])
        assert weight == pytest.approx(float(row.max()), abs=0.006), shown
        page.mouse.move(0, 0)
    page.get_by_role("button", name="Matrix").click()
    expect(page.get_by_role("application")).to_be_visible()
    page.get_by_role("button", name="Words").click()
    other = page.locator(".options button:not(.own)").first
    other.evaluate("node => { node.disabled = false; node.click(); }")
    ((name, (step, token_id)),) = page.evaluate("attentionCalls")
    assert name == "fork"
    assert token_id != tokens[step].id


PLACES = """() => {
  window.places = [];
  const top = (selector) => document.querySelector(selector)?.getBoundingClientRect().top;
  const note = () => {
    const text = top(".st-key-growing") ?? top(".st-key-written");
    places.push([text, top(".st-key-translation-picture"), top(".st-key-translate-footer")]);
    requestAnimationFrame(note);
  };
  note();
}"""


def test_nothing_jumps_while_a_translation_arrives(app: LiveApp, page: Page) -> None:
    page.goto(f"{app.url}/translate")
    page.locator("[data-painted]").first.wait_for(timeout=180_000)
    settle(page)
    model = page.get_by_role("combobox", name="Model")
    assert model.evaluate("node => node.scrollWidth <= node.clientWidth"), "its name is cut"
    box = page.get_by_role("textbox", name="Text")
    box.fill("The cats sleep in the sun.")
    page.evaluate(PLACES)
    box.press("Enter")
    expect(page.locator(".st-key-written")).to_contain_text("chats", timeout=60_000)
    page.locator("[data-painted]").first.wait_for()
    settle(page)
    places = page.evaluate("places")
    assert {text for text, *_ in places if text is not None} == {places[-1][0]}
    # Between two texts there is an instant without one; below it the room stays.
    feet = [foot - picture for text, picture, foot in places if text is not None]
    assert max(feet) - min(feet) <= 1
    assert min(feet) > 300


def test_a_summary_is_opened_in_decoding_as_the_message_that_it_answers(
    app: LiveApp, page: Page
) -> None:
    text = "The cat sat on the mat. Nobody came to the house that day."
    page.goto(f"{app.url}/translate?task=Summarise&text={text}")
    page.locator(".st-key-written [data-painted]").first.wait_for(timeout=180_000)
    page.get_by_role("button", name="Open in Decoding").click()
    page.wait_for_url("**/decoding**", timeout=60_000)
    page.locator(".prefix button").first.wait_for(timeout=60_000)
    expect(page.get_by_role("radio", name="Message")).to_be_checked()
    expect(page.get_by_text("not to end before 20 tokens")).to_be_visible()
    expect(page.get_by_role("textbox", name="Text")).to_have_value(
        re.compile(f"{re.escape(text)}$")
    )


def seconds_of(app: LiveApp) -> float:
    """Processor time that the server has used."""
    fields = (
        Path(f"/proc/{app.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    )
    return (int(fields[11]) + int(fields[12])) / 100


def threads_of(app: LiveApp) -> int:
    """Threads that the server has."""
    status = Path(f"/proc/{app.process.pid}/status").read_text(encoding="ascii")
    return int(re.findall(r"Threads:\s+(\d+)", status)[0])


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the processor time from /proc")
def test_a_tab_that_is_closed_in_mid_work_leaves_no_computation(
    app: LiveApp, browser: Browser
) -> None:
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{app.url}/translate?input=Document")
    lines = "\n".join(f"The cat sat on the mat number {i}." for i in range(4000))
    file = {"name": "long.txt", "mimeType": "text/plain", "buffer": lines.encode()}
    page.locator("input[type=file]").set_input_files(file, timeout=60_000)  # type: ignore[arg-type]
    page.get_by_role("button", name="Translate 4,000 texts").click(timeout=90_000)
    page.get_by_role("button", name="Stop").wait_for(timeout=60_000)
    page.wait_for_timeout(2000)
    began, threads = seconds_of(app), threads_of(app)
    page.wait_for_timeout(1500)
    assert seconds_of(app) > began
    context.close()
    end = time.monotonic() + 30
    while True:
        before = seconds_of(app)
        time.sleep(2)
        if seconds_of(app) - before < 0.1 and threads_of(app) < threads:
            return
        assert time.monotonic() < end


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_translation_is_accessible(
    app: LiveApp, browser: Browser, scheme: Any, viewport: Any
) -> None:
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{app.url}/translate")
    page.locator("[data-painted]").first.wait_for(timeout=180_000)
    found = {"words": findings(page)}
    page.get_by_role("button", name="Matrix").click()
    found["matrix"] = findings(page)
    page.get_by_role("radio", name="Document", exact=True).click()
    settle(page)
    found["document"] = findings(page)
    context.close()
    assert found == {"words": [], "matrix": [], "document": []}
