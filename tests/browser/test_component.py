"""The attention component by itself, in the page that is exported: no server, no model."""

import dataclasses
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from tests.support.live_app import settle
from tests.support.traces import random_record, tokens_of, trace_of
from transformer_core.figures import views
from transformer_core.figures.html import to_html
from transformer_core.figures.payload import Payload
from transformer_core.figures.readings import Place
from transformer_core.tracing.records import AttentionRecord
from transformer_core.tracing.trace import Trace

HERE = Place("encoder", 0, 1)
STAGE = "[role=application]"
SVG = "{http://www.w3.org/2000/svg}"
Show = Callable[[Payload], Page]


@pytest.fixture
def show(page: Page, tmp_path: Path) -> Show:
    """Open a picture; an error in its script fails the test."""
    errors: list[str] = []

    def open_picture(payload: Payload) -> Page:
        path = tmp_path / "picture.html"
        path.write_text(to_html(payload), encoding="utf-8")
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        try:
            page.wait_for_selector("[data-painted]", timeout=10_000)
        finally:
            assert errors == []
        return page

    return open_picture


def number(text: str) -> float:
    """Read a number as the page writes it."""
    text = text.replace("≈", "").replace("−", "-").replace(",", "").strip()
    if "∞" in text:
        return float(text.replace("∞", "inf"))
    mantissa, _, exponent = text.partition(" × 10")
    raised = exponent.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
    return float(mantissa) * 10 ** int(raised or 0)


def table_of(page: Page) -> dict[str, list[float]]:
    """The steps' table by column; the keys' names come under ``key``."""
    heads = page.locator("table thead th").all_inner_texts()
    columns: dict[str, list[float]] = {name: [] for name in heads}
    for row in page.locator("table tbody tr").all():
        cells = row.locator("th, td").all_text_contents()
        if len(cells) != len(heads):
            continue
        columns["key"].append(float(cells[0].split()[0]))
        for name, cell in zip(heads[1:], cells[1:], strict=True):
            columns[name].append(number(cell))
    return columns


def output_of(page: Page) -> list[float]:
    """The output z as the page computed it."""
    text = page.locator(".sr p").inner_text().removeprefix("Output z: ")
    return [number(part) for part in text.split(", ")]


def exact_output(trace: Trace, site: str) -> torch.Tensor:
    z = trace.record(site, layer=0).z
    assert z is not None
    return z[1]


def close(shown: list[float], exact: torch.Tensor) -> bool:
    """Whether numbers of three significant digits are those."""
    return torch.allclose(torch.tensor(shown), exact.float(), rtol=6e-3, atol=1e-7)


TRACES: dict[str, tuple[Trace, str]] = {
    "encoder": (trace_of(random_record(6)), "encoder"),
    "causal": (trace_of(random_record(6, is_causal=True), site="decoder"), "decoder"),
    "cross": (
        trace_of(
            random_record(3, 7), tokens_of(list("abcdefg")), tokens_of(list("xyz")), site="cross"
        ),
        "cross",
    ),
    "biased": (
        trace_of(random_record(5, bias=torch.arange(9.0).unfold(0, 5, 1).flip(0)[None] / 4)),
        "encoder",
    ),
    "sliding": (
        trace_of(random_record(12, mask=torch.ones(12, 12).tril().triu(-3).bool()[None])),
        "encoder",
    ),
}


@pytest.mark.parametrize("name", TRACES)
def test_every_step_has_the_numbers_of_the_model(name: str, show: Show) -> None:
    trace, site = TRACES[name]
    page = show(views.by_the_numbers(trace, Place(site, 0, 1)))
    query = 2
    page.get_by_label("Query").select_option(str(query))
    record = trace.light(site, 0)
    shown = table_of(page)
    dots = record.q[1, query] @ record.k[1].T
    keys = [int(key) for key in shown["key"]]
    assert close(shown["dot"], dots[keys])
    assert close(shown["scale"], (dots * 0.5)[keys])
    assert close(shown["mask"], record.attn_scores(1)[query][keys])
    assert close(shown["weight"], record.pattern(1)[query][keys])
    assert close(output_of(page), exact_output(trace, site)[query])
    assert ("bias" in shown) == (name == "biased")


def test_masked_keys_are_shown_as_masked(show: Show) -> None:
    trace, site = TRACES["causal"]
    page = show(views.by_the_numbers(trace, Place(site, 0, 0)))
    page.get_by_label("Query").select_option("1")
    page.get_by_role("button", name="Step 3:").click()
    expect(page.locator(".sentence")).to_contain_text("may look at 2 of 6 keys")
    cells = page.locator("table tbody tr").nth(4).locator("td").all_text_contents()
    assert cells[2:] == ["−∞", "0", "0"]


def test_the_output_is_compared_with_the_modules_own(show: Show) -> None:
    record = random_record(6)
    page = show(views.by_the_numbers(trace_of(record), HERE))
    said = page.locator(".sentence").inner_text()
    assert "the same numbers" in said
    assert number(re.search(r"difference is (.*)\.$", said)[1]) < 1e-6  # type: ignore[index]
    assert record.z is not None
    other = trace_of(dataclasses.replace(record, z=record.z + 0.125))
    page = show(views.by_the_numbers(other, HERE))
    expect(page.locator(".sentence")).to_contain_text("OTHER numbers")
    expect(page.locator(".sentence")).to_contain_text("difference is 0.13")


def test_the_steps_go_by_button_by_key_and_by_scrubbing(show: Show) -> None:
    page = show(views.by_the_numbers(TRACES["encoder"][0], HERE))
    page.emulate_media(reduced_motion="reduce")
    sentence, scrub = page.locator(".sentence"), page.locator("input[type=range]")
    expect(sentence).to_contain_text("Step 7 of 7")
    page.locator(STAGE).press("Home")
    expect(sentence).to_contain_text("Step 1 of 7")
    assert scrub.input_value() == "0"
    page.locator(STAGE).press("ArrowRight")
    assert scrub.input_value() == "1"
    page.get_by_role("button", name="Next").click()
    expect(sentence).to_contain_text("Step 2 of 7: scale")
    page.get_by_role("button", name="Back").click()
    expect(sentence).to_contain_text("Step 1 of 7")
    page.get_by_role("button", name="Step 5:").click()
    expect(page.locator("[aria-current=step]")).to_have_text("5  ÷ sum")
    scrub.fill("3.5")
    expect(sentence).to_contain_text("Step 4 of 7")
    before = page.locator(".readout").inner_text()
    page.locator(STAGE).press("ArrowDown")
    assert page.locator(".readout").inner_text() != before


def test_playing_without_motion_jumps_from_step_to_step(show: Show) -> None:
    page = show(views.by_the_numbers(TRACES["encoder"][0], HERE))
    seen = """() => {
      window.seen = new Set();
      const scrub = document.querySelector('input[type=range]');
      const look = () => { window.seen.add(scrub.value); requestAnimationFrame(look); };
      look();
    }"""
    times = "() => [...window.seen].map(Number)"
    page.locator(STAGE).press("Home")
    page.evaluate(seen)
    page.locator(STAGE).press(" ")
    page.wait_for_timeout(400)
    assert any(time % 1 for time in page.evaluate(times)), "with motion there are times between"
    page.locator(STAGE).press(" ")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.emulate_media(reduced_motion="reduce")
    page.locator(STAGE).press("Home")
    page.evaluate(seen)
    page.locator(STAGE).press(" ")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.wait_for_timeout(400)
    assert page.evaluate(times) == [0, 1]


def test_a_long_text_shows_the_strongest_keys_and_what_the_others_add_up_to(show: Show) -> None:
    trace = trace_of(random_record(90, is_causal=True))
    page = show(views.by_the_numbers(trace, HERE))
    page.get_by_label("Query").select_option("80")
    row = trace.pattern("encoder", layer=0, head=1)[80]
    strongest = row.topk(16)
    shown = table_of(page)
    assert shown["key"] == sorted(strongest.indices.tolist())
    rest = page.locator("table tbody tr").last.inner_text()
    assert rest.startswith("74 more keys, together weight")
    assert number(rest.split("weight ")[1]) == pytest.approx(
        1 - float(strongest.values.sum()), 0.01
    )
    assert close(output_of(page), exact_output(trace, "encoder")[80]), "all keys count"
    page.get_by_role("button", name="32 keys").click()
    assert len(table_of(page)["key"]) == 32


def downloaded(page: Page, kind: str, tmp_path: Path) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Save this picture as {kind}").click()
    path = tmp_path / f"saved.{kind.lower()}"
    download.value.save_as(path)
    return path.read_bytes()


PICTURES = {
    "heat map": lambda trace: views.heat_map(trace, HERE, with_overview=True),
    "all heads": lambda trace: views.all_heads(trace, "encoder", selected=(0, 1)),
    "links": lambda trace: views.links(trace, HERE),
    "query key": lambda trace: views.query_key(trace, HERE),
    "by the numbers": lambda trace: views.by_the_numbers(trace, HERE),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_saved_with_its_words(
    name: str, theme: str, show: Show, tmp_path: Path
) -> None:
    labels = ["<s>", "café", "日本", "it\x00", "a<b&c"]
    payload = PICTURES[name](trace_of(random_record(5), tokens_of(labels, special=(0,))))
    page = show(payload)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    expect(page.locator(".tw")).to_have_attribute("data-theme", theme)
    svg = ET.fromstring(downloaded(page, "SVG", tmp_path))
    texts = [node.text or "" for node in svg.iter(f"{SVG}text")]
    words = " ".join(texts)
    assert svg.findtext(f"{SVG}title") == payload.header["title"]
    assert "random @ 0123456789ab" in (svg.findtext(f"{SVG}desc") or "")
    assert payload.header["title"] in texts
    assert "random @ 0123456789ab" in words
    background = svg.find(f"{SVG}rect")
    assert background is not None
    assert background.get("fill") == payload.header["theme"][theme]["card"]
    if name in ("heat map", "links"):
        assert {"café", "日本", "a<b&c"} <= set(texts)
    if name in ("heat map", "all heads", "links"):
        assert "query (reads)" in words
        assert "key (is read)" in words
        assert "weight" in texts
    assert downloaded(page, "PNG", tmp_path).startswith(b"\x89PNG")


def test_zooming_into_a_pooled_map_asks_for_the_exact_cells(show: Show) -> None:
    trace = trace_of(random_record(1100, is_causal=True))
    page = show(views.heat_map(trace, HERE))
    expect(page.locator(".readout")).to_contain_text("of its block")
    for _ in range(4):
        page.locator(STAGE).press("+")
    page.wait_for_timeout(600)  # it asks once the zooming has come to rest
    [[name, window]] = page.evaluate("globalThis.attentionCalls")
    assert name == "window"
    row, column = map(int, re.findall(r"positions (\d+), (\d+)", page.inner_text(".readout"))[0])
    assert window[0] <= row < window[1] == window[0] + 256
    assert window[2] <= column < window[3] == window[2] + 256

    exact = trace.pattern("encoder", layer=0, head=1)[row, column]
    page = show(views.heat_map(trace, HERE, window=tuple(window)))
    readout = page.locator(".readout").inner_text()
    assert "block" not in readout
    assert number(page.locator(".readout .number").inner_text()) == pytest.approx(
        float(exact), rel=6e-3
    )
    expect(page.locator(".why")).to_contain_text("Computed here from q and k")


def test_largest_and_mean_of_a_block_can_be_chosen(show: Show) -> None:
    page = show(views.heat_map(trace_of(random_record(1100)), HERE))
    largest = number(page.locator(".readout .number").inner_text())
    page.get_by_role("button", name="Mean").click()
    mean = number(page.locator(".readout .number").inner_text())
    assert 0 < mean < largest


def test_a_record_without_values_has_no_steps_but_a_map(show: Show) -> None:
    record: AttentionRecord = random_record(4)
    page = show(views.heat_map(trace_of(dataclasses.replace(record, v=None, z=None)), HERE))
    expect(page.locator(".why")).to_contain_text("Computed here from q and k")


def test_the_first_token_is_hidden_on_request_and_the_page_says_how_much(traced: Page) -> None:
    notes = traced.locator(".st-key-picture .notes")
    expect(notes).to_contain_text("49% of the weight rests on the first key, [CLS]")
    traced.get_by_text("Hide first token").click()
    expect(notes).to_contain_text("The first key, [CLS], hidden (52% of the weight on average)")
    row = traced.locator(".st-key-picture table tbody tr").nth(10)
    expect(row.locator("td")).to_have_count(15)
    weights = [number(cell) for cell in row.locator("td").all_text_contents()]
    assert sum(weights) == pytest.approx(1, abs=0.01)


def test_a_picked_cell_stays_when_another_head_is_opened(traced: Page) -> None:
    readout = traced.locator(".st-key-picture .readout")
    expect(readout).to_contain_text("positions 10, 2")
    for key in ("ArrowLeft", "ArrowUp"):
        traced.locator(f".st-key-picture {STAGE}").first.press(key)
    expect(readout).to_contain_text("positions 9, 1")
    traced.get_by_role("combobox", name="Head").click()
    traced.get_by_role("option", name="Head 7").click()
    settle(traced)
    expect(traced.locator(".st-key-picture .subtitle").first).to_contain_text("L3 H7")
    expect(readout).to_contain_text("positions 9, 1")
    traced.get_by_role("radio", name="By the numbers").click()
    settle(traced)
    expect(traced.locator(".st-key-picture .readout")).to_contain_text("because reads the")
