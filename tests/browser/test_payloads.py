"""Texts that would run, fetch or draw stay texts: in every field, and wherever tokens are shown."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Error as PageError
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, TRACED, open_traced, trace_text
from tests.support.hostile import Watched, watch_for_harm
from tests.support.live_app import LiveApp, settle
from tests.support.payloads import (
    ESSENTIAL,
    FORMULAS,
    HALVES,
    HANDLERS,
    PAYLOADS,
    SCRIPTS,
    TYPED,
    batches,
)
from tests.support.tiny_models import make_tiny
from transformer_core.figures import export, static
from transformer_core.figures.readings import Place, Reading
from transformer_core.figures.views import heat_map
from transformer_core.tracing.imports import read_matrix

IMG = "<img src=x onerror=window.__pwned=1>"
MARKUP = """text => document.body.replaceChildren(
  document.createRange().createContextualFragment(text))"""


@pytest.fixture
def watched(page: Page) -> Iterator[Watched]:
    """A page that is watched, and looked at once more at the end."""
    watching = watch_for_harm(page)
    yield watching
    watching.check("at the end")


def open_file(page: Page, file: Path | dict[str, object]) -> None:
    """Open an own matrix."""
    page.get_by_role("button", name="Open a matrix").click()
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    expect(page.get_by_text("are not used.")).to_be_visible()
    page.keyboard.press("Escape")
    settle(page)


def views(page: Page) -> Iterator[str]:
    """Each view in turn, shown."""
    radios = page.get_by_role("radiogroup").first.get_by_role("radio")
    for index in range(radios.count()):
        radios.nth(index).click()
        page.wait_for_timeout(150)
        settle(page)
        yield str(radios.nth(index).text_content())


def test_the_corpus_is_large_and_would_be_noticed(page: Page) -> None:
    """Where the same texts are taken for markup, what watches them finds them."""
    assert len(set(PAYLOADS)) >= 200
    watching = watch_for_harm(page)
    page.route("http://localhost/blank", lambda route: route.fulfill(body="<p></p>"))
    missed = []
    for payload in [*HANDLERS, *SCRIPTS[:4]]:
        watching.events.clear()
        try:
            page.goto("http://localhost/blank")
            page.evaluate(MARKUP, payload)
            page.wait_for_timeout(10)
            is_noticed = bool(watching.findings())
        except PageError:  # it led elsewhere
            is_noticed = True
        if not is_noticed:
            missed.append(payload)
    assert len(missed) <= 10, missed


def test_every_payload_as_a_token(app: LiveApp, watched: Watched, tmp_path: Path) -> None:
    """All of them in one matrix of one's own, in every view that shows it; in JSON and NPZ."""
    page = open_traced(watched.page, app.attention)
    tokens = [*PAYLOADS, *HALVES]
    even = [[1 / len(tokens)] * len(tokens)] * len(tokens)
    fields = {"tokens": tokens, "pattern": even, "model": IMG}
    name = f"{IMG} **pwned** :red[pwned].json"
    open_file(page, _file(name, json.dumps(fields).encode()))
    expect(page.get_by_text(f"Showing {name}")).to_be_visible()
    for view in views(page):
        watched.check(f"JSON, {view}")
    page.get_by_role("button", name="Close it").click()
    settle(page)
    out = io.BytesIO()
    n_tokens = len(PAYLOADS)
    np.savez(out, tokens=np.array(PAYLOADS), pattern=np.full((n_tokens, n_tokens), 1 / n_tokens))
    open_file(page, _file("$pwned$ ![pwned](http://pwned.invalid/a.png).npz", out.getvalue()))
    watched.check("NPZ")


def test_every_payload_in_a_typed_text(app: LiveApp, watched: Watched) -> None:
    page = open_traced(watched.page, app.attention)
    for text in batches(700):
        one_line = " ".join(text.split()).replace("\x00", "")
        trace_text(page, one_line)
        expect(page.locator(TRACED).last).to_be_visible()
        watched.check(one_line[:60])


def test_every_view_of_a_hostile_sentence(app: LiveApp, watched: Watched) -> None:
    page = open_traced(watched.page, app.attention)
    trace_text(page, TYPED)
    for view in views(page):
        if view == "Compare":
            field = page.get_by_role("textbox", name="Second text")
            field.fill(f"{TYPED} too")
            field.press("Enter")
            settle(page)
        watched.check(view)
        for more in ("Explain", "Code", "Export", "Link"):
            button = page.get_by_role("button", name=more, exact=True)
            if button.count():
                button.first.click()
                page.wait_for_timeout(100)
                watched.check(f"{view}, {more}")
                page.keyboard.press("Escape")


@pytest.mark.parametrize(
    "path", ["", "positions", "layer", "families", "decoding", "translate", "efficiency"]
)
def test_a_hostile_sentence_on_every_page(app: LiveApp, watched: Watched, path: str) -> None:
    page = watched.page
    query = _query(text=TYPED)
    page.goto(f"{app.url}/{path}?{query}")
    settle(page, timeout=PATIENCE)
    box = page.get_by_role("textbox", name="Text")
    if box.count():
        expect(box.first).to_have_value(TYPED)
    page.wait_for_timeout(1_500)  # what is written and loaded behind the first paint
    settle(page, timeout=PATIENCE)
    watched.check(path)
    if path == "families":
        second = page.get_by_role("textbox", name="How alike is a second sentence?")
        second.fill(TYPED)
        second.press("Enter")
        settle(page)
        watched.check("a second sentence")


def test_hostile_names_in_the_address_and_the_dialog(
    app: LiveApp, watched: Watched, tmp_path: Path
) -> None:
    page = watched.page
    names = (
        "model",
        "layer",
        "head",
        "view",
        "site",
        "run",
        "tour",
        "task",
        "input",
        "image",
        "at",
    )
    page.goto(f"{app.attention}?{_query(**dict.fromkeys(names, TYPED))}")
    settle(page)
    watched.check("the address")
    folder = make_tiny("bert", tmp_path / "<img src=x onerror=window.__pwned=1> **pwned** :bomb:")
    page.goto(f"{app.attention}?{_query(model=str(folder))}")
    page.wait_for_selector(TRACED, timeout=90_000)
    watched.check("a folder's name")
    page.locator(".st-key-model input").click()
    page.get_by_role("option", name="Other: hub id or folder…").click()
    dialog = page.get_by_role("dialog", name="Open another model")
    field = dialog.get_by_label("Hub id, or folder on this machine")
    field.fill(TYPED)
    field.press("Enter")
    expect(dialog.get_by_role("alert")).to_be_visible()
    watched.check("the dialog")


def test_exported_pictures_run_nothing(watched: Watched, tmp_path: Path) -> None:
    tokens = [*PAYLOADS[:80], *HALVES]
    even = [[1 / len(tokens)] * len(tokens)] * len(tokens)
    fields = {"tokens": tokens, "pattern": even, "model": IMG}
    trace = read_matrix(json.dumps(fields).encode(), f"{IMG}</title>.json")
    place = Place("encoder", 0, 0)
    (tmp_path / "a.html").write_text(export.to_html_page(trace, place, Reading()), encoding="utf-8")
    (tmp_path / "a.svg").write_text(static.to_svg(heat_map(trace, place)), encoding="utf-8")
    watched.page.goto((tmp_path / "a.html").as_uri())
    watched.page.wait_for_selector("[data-painted]")
    watched.check("HTML")
    watched.page.goto((tmp_path / "a.svg").as_uri())
    watched.check("SVG")


def test_hostile_columns_and_cells_of_a_document(app: LiveApp, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{app.url}/translate?input=Document")
    settle(page)
    header = ",".join('"' + text.replace('"', '""') + '"' for text in [*ESSENTIAL, *FORMULAS])
    content = f"{header}\n{header}\n".encode()
    field = page.locator("[data-testid=stFileUploader] input[type=file]")
    field.set_input_files(_file(f"{IMG}**pwned**.csv", content))  # type: ignore[arg-type]
    settle(page)
    expect(page.get_by_role("button", name="Translate")).to_be_visible()
    watched.check("a CSV")


def test_hostile_pairs_to_learn_from(app: LiveApp, watched: Watched) -> None:
    page = watched.page
    page.goto(f"{app.url}/train?task=own")
    settle(page)
    lines = [" ".join(text.split()) for text in ESSENTIAL] * 3
    pairs = "\n".join(f"{number} {line}\t{line} {number}" for number, line in enumerate(lines))
    area = page.get_by_role("textbox").last
    area.fill(pairs)
    area.press("Control+Enter")
    settle(page)
    watched.check("pairs")
    page.get_by_role("button", name="Start", exact=True).click()
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_visible()
    page.wait_for_timeout(3_000)  # its pictures and predictions
    watched.check("a run")
    stop.click()
    settle(page)


def _file(name: str, content: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def _query(**values: str) -> str:
    return urlencode(values)
