"""The text on top of a page: kept, traced, explained where it cannot be, cut only when asked."""

import re
from collections.abc import Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache
from pages.components.text import WHOLE

LONG = "hello *world* " * 5_000


def script() -> None:
    """A page of nothing but the text and its trace."""
    import streamlit as st

    from pages.components.text import read_text, trace_text

    trace = trace_text("minilm", read_text("The cat sat."))
    st.text("no trace" if trace is None else f"{len(trace.tokens)} | {' '.join(trace.notes)}")


@pytest.fixture(scope="module")
def minilm() -> Iterator[None]:
    st.cache_resource.clear()
    cache.model_of("minilm")
    yield
    st.cache_resource.clear()


@pytest.fixture
def page(minilm: None) -> AppTest:
    return AppTest.from_function(script, default_timeout=60)


def traced(page: AppTest) -> str:
    assert not page.exception
    return str(page.text[0].value)


def test_the_default_is_traced_and_nothing_is_cut(page: AppTest) -> None:
    assert traced(page.run()) == "6 |"


def test_the_address_brings_a_text_and_loses_it_when_another_is_typed(page: AppTest) -> None:
    page.query_params["text"] = "a b"
    assert traced(page.run()) == "4 |"
    assert "text" in page.query_params
    page.text_input(key="text").set_value("a b c").run()
    assert traced(page) == "5 |"
    assert "text" not in page.query_params


@pytest.mark.parametrize("text", ["", " ", "\t \u2003", "\u200b", "\x00"])
def test_a_text_of_nothing_is_said_and_kept(page: AppTest, text: str) -> None:
    page.run()
    page.text_input(key="text").set_value(text).run()
    assert traced(page) == "no trace"
    assert "type" in page.error[0].value
    assert page.text_input(key="text").value == text


@pytest.mark.parametrize(
    ("text", "n_tokens"),
    [
        ("a", 3),
        ("a\x00b", 3),
        ("שלום hello مرحبا", 12),
        ("👩\u200d👩\u200d👧", 3),
        ("e\u0301te\u0301", 4),
    ],
)
def test_odd_texts_are_traced(page: AppTest, text: str, n_tokens: int) -> None:
    page.run()
    page.text_input(key="text").set_value(text).run()
    assert traced(page).startswith(f"{n_tokens} |")
    assert page.text_input(key="text").value == text


def test_the_browser_refuses_half_a_pair_and_nothing_else() -> None:
    # In a browser the pattern has the flag u: as in Python, a whole pair is one character.
    pattern = re.compile(WHOLE[0], re.DOTALL)
    assert pattern.search("👩\u200d👧 é 中 \x00 \n")
    assert not pattern.search("a\ud83d") and not pattern.search("\udc69b")


def test_a_long_text_is_said_with_its_tokens_and_cut_only_when_asked(page: AppTest) -> None:
    page.run()
    page.text_input(key="text").set_value(LONG).run()
    assert traced(page) == "no trace"
    assert "20,002 tokens; this model reads 512" in page.error[0].value
    assert "512" in page.button(key="trace-beginning").label
    page.button(key="trace-beginning").click().run()
    assert not page.error
    assert traced(page) == (
        "511 | The text was cut: the model reads its first 255 of 10,000 words, 511 tokens."
    )
    assert page.text_input(key="text").value == LONG
    page.text_input(key="text").set_value(LONG + "more").run()
    assert traced(page) == "no trace"  # asked for one text, not for every


def test_a_text_of_the_users_own_is_never_markup_in_an_error(page: AppTest) -> None:
    page.run()
    page.text_input(key="text").set_value("\u200b").run()
    assert not page.markdown


def test_a_text_longer_than_the_server_reads_is_said_and_kept(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_TEXT_CHARACTERS", "100")
    text = "word " * 21
    page.session_state["text"] = text
    page.run()
    assert not page.exception
    assert "105 characters; this server reads 100" in page.error[0].value
    assert page.text_input(key="text").value == text
