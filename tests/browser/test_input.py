"""What is typed or opened on the Attention page, in a real browser."""

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import TRACED, trace_text, wait_until
from tests.support.live_app import settle

TYPE = """(field, text) => {
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
  set.call(field, text());
  field.dispatchEvent(new Event('input', {bubbles: true}));
}"""


def test_half_a_surrogate_pair_is_said_at_the_field_and_stays_there(traced: Page) -> None:
    box = traced.get_by_role("textbox", name="Text")
    half = "() => 'ab' + String.fromCharCode(0xd83d)"
    box.evaluate(TYPE.replace("text()", f"({half})()"))
    box.press("Enter")
    expect(traced.get_by_role("alert")).to_contain_text("half of a surrogate pair")
    wait_until(traced, lambda: box.evaluate("field => field.value.length") == 3)
    expect(traced.locator(TRACED).last).to_be_visible()
    trace_text(traced, "The cat sat.")
    expect(traced.get_by_role("alert")).to_have_count(0)


def test_a_text_of_ten_thousand_words_is_said_and_its_beginning_offered(traced: Page) -> None:
    trace_text(traced, "hello world " * 5_000)
    expect(traced.get_by_role("alert")).to_contain_text("10,002 tokens; this model reads 512")
    traced.get_by_role("button", name="Trace its first words, up to 512 tokens").click()
    traced.wait_for_selector(TRACED, timeout=60_000)
    expect(traced.get_by_text("The text was cut").first).to_be_attached()


def test_a_matrix_is_opened_and_closed_again(traced: Page, tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"tokens": ["one", "two"], "pattern": [[0.75, 0.25], [0.5, 0.5]]}))
    traced.get_by_role("button", name="Open a matrix").click()
    traced.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(file)
    expect(traced.get_by_text("The model and the text above are not used.")).to_be_visible()
    traced.keyboard.press("Escape")
    settle(traced)
    expect(traced.locator(TRACED).last).to_contain_text("0.250")
    traced.get_by_role("button", name="Close it").click()
    settle(traced)
    expect(traced.get_by_text("are not used.")).to_have_count(0)
    expect(traced.locator(TRACED).last).to_contain_text("0.677")


def test_any_model_may_be_asked_for_and_nothing_is_fetched_unasked(traced: Page) -> None:
    traced.locator(".st-key-model input").click()
    traced.get_by_role("option", name="Other: hub id or folder…").click()
    dialog = traced.get_by_role("dialog", name="Open another model")
    field = dialog.get_by_label("Hub id, or folder on this machine")
    field.fill("/no/such/folder")
    field.press("Enter")
    expect(dialog.get_by_role("alert")).to_contain_text("There is no folder '/no/such/folder'")
    expect(field).to_have_value("/no/such/folder")
    traced.keyboard.press("Escape")
    settle(traced)
    expect(dialog).to_have_count(0)
    expect(traced.locator(TRACED).last).to_be_visible()
