"""What the browser computes from a step's scores is what Python computes: the same rules."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

import transformer_core as tc
from tests.browser.conftest import wait_until
from tests.browser.test_accessibility import findings
from tests.support.live_app import LiveApp
from tests.support.tiny_translator import make_translator
from transformer_core.decoding.filters import Cut
from transformer_core.decoding.strategies import Beam, Greedy, Sample, Strategy
from transformer_core.decoding.text_tree import text_tree
from transformer_core.figures import decoder_numbers
from transformer_core.figures.decoder import Extras, decoder
from transformer_core.figures.html import to_html
from transformer_core.figures.payload import Payload

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
        page.wait_for_selector("[data-painted]", timeout=20_000)
        assert errors == []
        return page

    return open_picture


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tc.load(str(make_translator(tmp_path_factory.mktemp("tiny") / "model")))


def rows_of(page: Page) -> dict[int, dict[str, float]]:
    """Candidates by id, with full precision."""
    found = page.locator("button.candidate").evaluate_all(
        "nodes => nodes.map((node) => ({...node.dataset}))"
    )
    return {int(row["id"]): {name: float(value) for name, value in row.items()} for row in found}


def compare(page: Page, step: Any, strategy: Strategy | None = None) -> None:
    """The bars of the step on the page against Python's numbers."""
    distribution = step.distribution(strategy)
    rows = rows_of(page)
    for index, row in rows.items():
        chance = float(distribution.filtered.probabilities[index])
        assert row["p"] == pytest.approx(chance, abs=2e-4, rel=2e-3)
        assert row["cut"] == int(distribution.filtered.why(index))
    likeliest = distribution.filtered.probabilities.topk(5).indices.tolist()
    kept = [i for i in likeliest if distribution.filtered.kept[i]]
    assert set(kept) <= set(rows)
    tail = page.locator(".candidate.tail")
    n_kept = sum(row["cut"] == int(Cut.KEPT) for row in rows.values())
    assert int(tail.get_attribute("data-kept") or -1) == distribution.n_kept - n_kept
    rest = 1 - sum(float(distribution.filtered.probabilities[index]) for index in rows)
    assert float(tail.get_attribute("data-p") or -1) == pytest.approx(rest, abs=1e-3)


@pytest.mark.parametrize(
    "strategy",
    [
        Greedy(6),
        Greedy(6, repetition_penalty=1.4),
        Sample(0.5, 40, None, None, 1, 6),
        Sample(2.5, None, 0.7, None, 2, 6),
        Sample(0.9, None, None, 0.2, 3, 6, 1.3),
        Sample(1.3, 30, 0.8, 0.05, 4, 6, 1.2),
        Beam(3, max_new_tokens=6),
    ],
    ids=lambda strategy: repr(strategy)[:60],
)
def test_bars_are_those_of_the_strategy(show: Show, model: Any, strategy: Strategy) -> None:
    steps = [*model.decode("The cat sat.", strategy)]
    page = show(decoder(steps))
    for step in steps[:4]:
        compare(page, step)
        page.get_by_role("button", name="Next", exact=True).click()
    expect(page.locator(".what-if-badge").first).to_contain_text("As this text was written")


def test_a_penalty_multiplies_negative_logits(show: Show, model: Any) -> None:
    (first,) = model.decode("The cat sat.", Greedy(1))
    # Whether min-p keeps the token depends on the side of 0 that the penalty pushes it to.
    strategy = Sample(8.0, min_p=0.2, repetition_penalty=0.2, max_new_tokens=4)
    unlikely = int(first.logits.argmin())
    steps = [*model.decode("The cat sat.", strategy, target_prefix=[unlikely])]
    assert float(steps[2].logits[unlikely]) < -1
    assert steps[2].distribution().filtered.kept[unlikely]
    page = show(decoder(steps))
    for _ in range(2):
        page.get_by_role("button", name="Next", exact=True).click()
    compare(page, steps[2])


def test_sliders_filter_anew_without_a_server(show: Show, model: Any) -> None:
    steps = [*model.decode("The cat sat.", Greedy(5))]
    page = show(decoder(steps))
    page.locator("[data-setting=temperature]").fill("130")
    page.locator("[data-setting=topP]").fill("150")
    page.locator("[data-setting=minP]").fill("4")
    temperature = float(f"{10 ** (2 * 130 / 200 - 1):.3g}")
    compare(page, steps[0], Sample(temperature, None, 0.75, 0.02))
    expect(page.locator(".what-if-badge").first).to_contain_text("What if")
    page.get_by_role("button", name="Back to the strategy").click()
    compare(page, steps[0])


def test_a_gathered_tail_keeps_its_mass_at_other_temperatures(
    show: Show, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_numbers, "MAX_WHOLE", 10)
    monkeypatch.setattr(decoder_numbers, "N_SENT", 60)
    steps = [*model.decode("The cat sat.", Sample(2.0, seed=5, max_new_tokens=4))]
    page = show(decoder(steps))
    compare(page, steps[0])
    expect(page.locator(".notes")).to_contain_text("approximate")


def test_keys_go_from_step_to_step_and_a_click_asks_for_a_fork(show: Show, model: Any) -> None:
    steps = [*model.decode("The cat sat.", Greedy(5))]
    page = show(decoder(steps))
    page.locator(".prefix button").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".prefix button").nth(2)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("End")
    expect(page.locator(".transport .number")).to_have_text("step 4 of 0 to 4")
    page.keyboard.press("Home")
    other = next(i for i in rows_of(page) if i != steps[0].token_id)
    # A file has no server, so the button is hidden there; what it asks for is the same.
    button = page.locator(f".candidate-row:has([data-id='{other}']) button:not(.candidate)")
    button.evaluate("node => node.click()")
    wait_until(page, lambda: page.evaluate("attentionCalls") == [["fork", [0, other]]])
    # The token stands at once, before the model has written on.
    begun = page.locator(".prefix .begun")
    expect(begun).to_have_text(model.tokenizer.show(other))
    expect(page.locator(".prefix button")).to_have_count(0)


def texts_of(model: Any, *strategies: Strategy) -> list[Any]:
    texts = [model.decode("The cat sat.", strategy) for strategy in strategies]
    for text in texts:
        _ = [*text]
    return texts


def test_the_length_penalty_ranks_finished_texts_anew(show: Show, model: Any) -> None:
    texts = texts_of(model, Beam(4, max_new_tokens=6), Greedy(5), Sample(seed=2, max_new_tokens=4))
    tree = text_tree(texts)
    page = show(decoder(texts[0].steps, Extras(tree=tree)))
    for penalty in (1.0, -1.0, 3.0):
        page.get_by_label("Length penalty of the ranking").fill(str(penalty))
        shown = page.locator(".ending").evaluate_all(
            "nodes => nodes.map((node) => Number(node.dataset.node))"
        )
        assert shown == [node.id for node in tree.ranked(penalty)][: len(shown)]
        assert len(shown) >= 3


def test_a_node_of_the_tree_opens_its_state_by_click_and_by_keys(show: Show, model: Any) -> None:
    texts = texts_of(model, Greedy(5), Beam(3, max_new_tokens=5))
    tree = text_tree(texts)
    page = show(decoder(texts[0].steps, Extras(tree=tree)))
    assert page.locator("g[data-node]").count() == len(tree.nodes)
    for node in tree.nodes:
        classes = page.locator(f"g[data-node='{node.id}']").get_attribute("class") or ""
        assert ("path" in classes.split()) == (0 in node.texts)
    own = [node for node in tree.nodes if 0 in node.texts]
    page.locator(f"g[data-node='{own[3].id}']").click()
    expect(page.locator(".transport .number")).to_have_text("step 3 of 0 to 4")
    page.locator(".text-tree svg").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator(".transport .number")).to_have_text("step 2 of 0 to 4")
    expect(page.locator("g.now")).to_have_attribute("data-node", str(own[2].id))
    # In a file the numbers of other texts are not there, so their nodes do nothing.
    assert page.locator("g.closed").count() == len(tree.nodes) - len(own)


def test_attention_is_on_words_and_on_request_on_tokens(show: Show, model: Any) -> None:
    steps = [*model.decode("The black cat sat.", Greedy(5))]
    page = show(decoder(steps))
    for _ in range(2):
        page.get_by_role("button", name="Next", exact=True).click()
    reading = page.locator(".reading")
    for site, label in (("cross", "Source"), ("decoder", "Text before")):
        reading.get_by_role("button", name=label).click()
        reading.get_by_role("button", name="Tokens").click()
        weights = steps[2].pattern(site, layer=steps[2].n_layers(site) - 1).mean(dim=0)
        expect(reading.locator(".word")).to_have_count(len(weights))
        reading.get_by_role("button", name="Words").click()
        words = [
            (word, [position for position in word.positions if position < len(weights)])
            for word in steps[2].key_tokens(site).words
        ]
        shown = reading.locator(".word").evaluate_all("nodes => nodes.map((node) => node.title)")
        expected = [float(weights[read].sum()) for _, read in words if read]
        assert len(shown) == len(expected)
        for title, weight in zip(shown, expected, strict=True):
            value = title.rsplit(": ", 1)[1].split(",")[0]
            if "10" not in value:
                assert float(value) == pytest.approx(weight, abs=8e-3)


def test_a_candidate_opens_every_filter_with_its_numbers(show: Show, model: Any) -> None:
    strategy = Sample(1.3, 30, 0.3, 0.05, 4, 6, 1.2)
    steps = [*model.decode("The cat sat.", strategy)]
    page = show(decoder(steps))
    formula = page.locator(".formula-card")
    for label in ("÷ temperature", "top-k 30", "top-p 0.300", "min-p 0.0500", "exp"):
        expect(formula).to_contain_text(label)
    cut = next(index for index, row in rows_of(page).items() if row["cut"] == int(Cut.TOP_P))
    page.locator(f"button.candidate[data-id='{cut}']").click()
    before = float(
        sum(
            p
            for i, p in enumerate(
                steps[0]
                .distribution(Sample(1.3, 30, repetition_penalty=1.2))
                .filtered.probabilities
            )
            if steps[0].logits[i] > steps[0].logits[cut]
        )
    )
    line = formula.locator(".formula-line", has_text="top-p").inner_text()
    assert "cut" in line
    assert float(line.split("make up ")[1].split(":")[0]) == pytest.approx(before, abs=2e-3)


def test_a_growing_text_shows_one_step_and_does_not_move(show: Show, model: Any) -> None:
    steps = [*model.decode("The cat sat.", Greedy(6))]
    page = show(decoder(steps[:3], Extras(is_running=True)))
    assert page.locator(".prefix button").all_inner_texts() == [step.token for step in steps[:3]]
    compare(page, steps[0])
    expect(page.get_by_role("button", name="Next", exact=True)).to_be_disabled()
    page.locator(".prefix button").nth(2).click()
    expect(page.locator(".prefix button").first).to_have_attribute("aria-pressed", "true")
    place = page.locator(".candidates").bounding_box()
    page = show(decoder(steps))
    assert page.locator(".candidates").bounding_box() == place


def test_the_picture_can_be_saved(show: Show, model: Any) -> None:
    steps = [*model.decode("The cat sat.", Sample(top_k=3, max_new_tokens=4))]
    page = show(decoder(steps))
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save this picture as SVG").click()
    svg = Path(saving.value.path()).read_text(encoding="utf-8")
    assert "top-k 3" in svg
    assert "others" in svg
    assert steps[0].token in svg


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_once_a_text_is_written(
    app: LiveApp, browser: Browser, scheme: Any
) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{app.url}/decoding?strategy=Beam&tokens=8&step=2")
    expect(page.locator(".transport .number")).to_have_text("step 2 of 0 to 7")
    found = findings(page)
    context.close()
    assert found == []
