"""Head cards, and attention or cause, by themselves in the page that is exported."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from tests.support.traces import random_record, tokens_of, trace_of
from transformer_core.analysis.causes import LeaveOneOut
from transformer_core.analysis.measures import Causes, agreement, measures_of, sources
from transformer_core.analysis.probing import RoleReport
from transformer_core.analysis.roles import SELF_ROLES
from transformer_core.figures.attribution import attention_or_cause
from transformer_core.figures.cards import Roles, head_cards
from transformer_core.figures.html import to_html
from transformer_core.figures.payload import Payload
from transformer_core.figures.readings import Place
from transformer_core.tracing.trace import Trace

HERE = Place("encoder", 0, 1)
STAGE = "[role=application]"
WORDS = ["[CLS]", "<b>it</b>", "was", "too", "tired", ".", "[SEP]"]
NAMES = [role.name for role in SELF_ROLES]
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
        page.wait_for_selector("[data-painted]", timeout=10_000)
        assert errors == []
        return page

    return open_picture


@pytest.fixture
def trace() -> Trace:
    return trace_of(random_record(len(WORDS)), tokens_of(WORDS, special=(0, 6)))


def roles() -> Roles:
    """Head 1 is an induction head that rests on the first token; head 0 does nothing clearly."""
    score = torch.full((1, 2, len(NAMES)), 0.05)
    score[0, 1, NAMES.index("induction")] = 0.9
    score[0, 1, NAMES.index("first token")] = 0.95
    texts = tuple(8 if role.material == "repeats" else 30 for role in SELF_ROLES)
    flat = torch.full_like(score, 0.03)
    return Roles.of_probes(RoleReport("encoder", SELF_ROLES, texts, score, flat, flat))


def causes() -> Causes:
    generator = torch.Generator().manual_seed(5)

    def numbers() -> torch.Tensor:
        return torch.rand(len(WORDS), len(WORDS), generator=generator)

    return Causes(numbers(), LeaveOneOut(numbers(), numbers()))


def test_cards_are_filtered_by_role(show: Show, trace: Trace) -> None:
    page = show(head_cards(trace, HERE, roles()))
    picker = page.get_by_label("Show")
    assert picker.locator("option").all_inner_texts()[0] == "all heads (2)"
    picker.select_option("induction")
    expect(page.locator(".main table td")).to_have_text(
        [re.compile("^L0 H1: induction 0.90 ± 0.03, shuffled 0.03; first token 0.95")]
    )
    picker.select_option("none")
    expect(page.locator(".main table td").first).to_contain_text("L0 H0: no clear role")
    picker.select_option("same token")
    expect(page.locator(".readout")).to_contain_text("No head plays the role “same token” clearly")
    expect(page.locator(".main table td")).to_have_count(2)


def test_a_head_at_work_comes_before_one_without_a_role(show: Show, trace: Trace) -> None:
    page = show(head_cards(trace, HERE, roles()))
    expect(page.locator(".main table td").first).to_have_text(re.compile("^L0 H1"))
    page.get_by_label("Sort by").select_option("layer")
    expect(page.locator(".main table td").first).to_have_text(re.compile("^L0 H0"))


def test_a_card_opens_its_head_by_key_and_click(show: Show, trace: Trace) -> None:
    page = show(head_cards(trace, HERE, roles()))
    page.get_by_label("Sort by").select_option("layer")
    page.locator(STAGE).focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[aria-live]")).to_contain_text("L0 H0: no clear role")
    expect(page.locator(".detail h3")).to_have_text("L0 H0: no clear role")
    page.keyboard.press("Enter")
    page.locator(STAGE).click(position={"x": 300, "y": 30})
    calls = page.evaluate("globalThis.attentionCalls")
    assert calls == [["head", [0, 0]], ["head", [0, 1]]]


def test_the_detail_shows_every_score(show: Show, trace: Trace) -> None:
    page = show(head_cards(trace, HERE, roles()))
    assert page.locator(".detail h3").inner_text() == "L0 H1: induction"
    assert page.locator(".detail .bars .name").all_inner_texts() == NAMES
    numbers = page.locator(".detail .bars .number").all_inner_texts()
    assert numbers[NAMES.index("induction")] == "0.90 ± 0.03"
    assert "Also: first token." in page.locator(".detail").inner_text()


def numbers_of(page: Page, token: str) -> list[str]:
    row = page.locator(".main table tr", has=page.locator(f"th:text-is('{token}')"))
    return row.locator("td").all_text_contents()


def test_the_table_has_the_numbers_of_the_chosen_token(show: Show, trace: Trace) -> None:
    found = causes()
    page = show(attention_or_cause(trace, HERE, found))
    page.locator("select.tok.query").select_option("4")
    measured = measures_of(trace, "encoder", layer=0, head=1, causes=found)
    assert measured[0].values is not None
    assert found.zeroing is not None
    shown = numbers_of(page, "was")
    assert float(shown[0]) == pytest.approx(float(measured[0].values[4, 2]), rel=5e-3)
    assert float(shown[3]) == pytest.approx(float(found.zeroing[4, 2]), rel=5e-3)
    assert numbers_of(page, "tired")[4] == "–"  # a token cannot be left out of itself


def test_the_correlations_are_those_of_the_chosen_token(show: Show, trace: Trace) -> None:
    found = causes()
    page = show(attention_or_cause(trace, HERE, found))
    page.locator("select.tok.query").select_option("3")
    measured = measures_of(trace, "encoder", layer=0, head=1, causes=found)
    rho = agreement(measured, sources(trace, "encoder"))[3]
    cells = page.locator(".agreement table tbody tr").nth(0).locator("td").all_text_contents()
    missing = [i for i, m in enumerate(measured) if m.values is None]
    assert missing == [1]  # this trace keeps no weights
    for i, cell in enumerate(cells):
        if i not in missing:
            assert float(cell.replace("−", "-")) == pytest.approx(float(rho[0, i]), abs=0.006)
    assert cells[1] == "–"


def test_special_tokens_can_be_left_out_and_sources_sorted(show: Show, trace: Trace) -> None:
    page = show(attention_or_cause(trace, HERE, causes()))
    names = page.locator(".main table tbody th")
    expect(names).to_have_text(WORDS)  # a token is text, never markup
    page.get_by_role("button", name="Without", exact=True).click()
    expect(names).to_have_text(WORDS[1:-1])
    page.get_by_label("Order").select_option("value_zeroing")
    column = [float(numbers_of(page, token)[3]) for token in names.all_text_contents()]
    assert column == sorted(column, reverse=True)


def test_a_click_on_a_token_asks_the_same_of_it(show: Show, trace: Trace) -> None:
    page = show(attention_or_cause(trace, HERE, causes()))
    page.locator("select.tok.query").select_option("4")
    page.locator(STAGE).click(position={"x": 30, "y": 50 + 23 * 2 + 10})
    expect(page.locator(".main table caption")).to_contain_text("Sources of was")
    expect(page.locator("select.tok.query")).to_have_value("2")


def test_missing_causes_say_so(show: Show, trace: Trace) -> None:
    page = show(attention_or_cause(trace, HERE, missing="measuring …"))
    assert "measuring …" in page.locator(".agreement").inner_text()
    assert "value zeroing (measuring …)" in page.locator(".main table").inner_text()


@pytest.mark.parametrize("kind", ["PNG", "SVG"])
def test_both_pictures_are_saved_whole(show: Show, trace: Trace, kind: str) -> None:
    for payload in (head_cards(trace, HERE, roles()), attention_or_cause(trace, HERE, causes())):
        page = show(payload)
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Save this picture as {kind}").click()
        assert waiting.value.path().stat().st_size > 5000
