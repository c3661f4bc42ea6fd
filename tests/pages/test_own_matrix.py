"""An attention matrix of one's own on the Attention page: opened, shown, closed, refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache
from pages.components.views import view
from tests.support.tiny_models import make_tiny
from transformer_core.cli import main
from transformer_core.figures import views
from transformer_core.figures.payload import Payload
from transformer_core.models.loading import load

PAGE = Path(__file__).resolve().parents[2] / "pages" / "attention.py"
MATRIX = {"tokens": ["a", "b"], "pattern": [[0.75, 0.25], [0.5, 0.5]]}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Payload]:
    """Every picture that a page drew."""
    pictures: list[Payload] = []

    def note(payload: Payload, **_: object) -> dict[str, object]:
        pictures.append(payload)
        return {"head": None, "window": None}

    monkeypatch.setattr(view, "attention_view", note)
    return pictures


@pytest.fixture(scope="module")
def minilm() -> Iterator[None]:
    st.cache_resource.clear()
    cache.model_of("minilm")
    yield
    st.cache_resource.clear()


@pytest.fixture
def page(minilm: None, shown: list[Payload]) -> Iterator[AppTest]:
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    yield page
    # All tests are one session to Streamlit, and its caches know no other end of it.
    for button in page.button:
        if button.key == "own_matrix-close":
            button.click().run()


def upload(page: AppTest, content: bytes, name: str = "own.json") -> AppTest:
    page.file_uploader[0].upload(name, content, "application/json").run()
    assert not page.exception
    return page


def test_what_attend_wrote_gives_the_same_picture(
    page: AppTest, shown: list[Payload], tmp_path: Path
) -> None:
    folder, out = make_tiny("bert", tmp_path / "bert"), tmp_path / "x.json"
    command = ["attend", str(folder), "The cat sat", "--layer", "1", "--head", "2"]
    assert main([*command, "--out", str(out)]) == 0
    upload(page, out.read_bytes(), "x.json")
    expected = views.heat_map(load(folder).trace("The cat sat"), views.Place("encoder", 1, 2))
    opened, whole = shown[-1], expected.arrays["weights"].codes
    assert (opened.arrays["weights"].codes == whole).all()
    for axis in ("display", "special"):
        assert opened.header["queries"][axis] == expected.header["queries"][axis]
    assert "L1 H2 (x.json)" in opened.header["model"]
    assert "Opened from the file x.json." in opened.header["notes"]


def test_a_saved_trace_shows_the_same_head(
    page: AppTest, shown: list[Payload], tmp_path: Path
) -> None:
    trace = cache.trace_of("minilm", "The cat sat on the mat.")
    trace.save(tmp_path / "t.npz")
    upload(page, (tmp_path / "t.npz").read_bytes(), "t.npz")
    expected = views.heat_map(trace, views.Place("encoder", 0, 0))
    assert (shown[-1].arrays["weights"].codes == expected.arrays["weights"].codes).all()
    assert shown[-1].header["model"] == "all-MiniLM-L6-v2"


def test_closing_it_returns_to_the_text_and_the_head(page: AppTest, shown: list[Payload]) -> None:
    before = shown[-1].header
    upload(page, json.dumps(MATRIX).encode())
    assert not page.warning
    assert shown[-1].header["model"] == "own.json"
    assert any("own.json" in markdown.value for markdown in page.markdown)
    page.button(key="own_matrix-close").click().run()
    assert not page.exception and not page.warning
    after = shown[-1].header
    for name in ("model", "text", "layer", "head"):
        assert after[name] == before[name]


def test_its_code_opens_the_file(page: AppTest) -> None:
    page.session_state["attention-code"] = True  # opened, as a person does
    upload(page, json.dumps(MATRIX).encode())
    assert any("read_matrix" in block.value and "own.json" in block.value for block in page.code)


@pytest.mark.parametrize("name", ["All heads", "Links"])
def test_views_that_need_no_model_show_it(page: AppTest, shown: list[Payload], name: str) -> None:
    upload(page, json.dumps(MATRIX).encode())
    page.session_state["view"] = name
    page.run()
    assert not page.exception and not page.error
    assert shown[-1].header["model"] == "own.json"


@pytest.mark.parametrize("name", ["Query·key", "By the numbers", "Switchboard"])
def test_views_that_need_one_say_so(page: AppTest, name: str) -> None:
    upload(page, json.dumps(MATRIX).encode())
    page.session_state["view"] = name
    page.run()
    assert not page.exception
    assert page.error[0].value.startswith("This view needs a model")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.npz", b"PK\x03\x04 no zip", "damaged or no NPZ file"),
        ("x.npz", b"", "neither JSON nor NPZ"),
        ("x.json", b"{", "neither JSON nor NPZ"),
        ("x.json", b'{"tokens": ["a"], "pattern": [[2]]}', "Rows must sum to 1"),
        ("x.json", b'{"tokens": ["a"], "pattern": [[NaN]]}', "nan in row 0"),
        ("a_*b*.json", b'{"tokens": ["a"]}', r"a\_\*b\*.json holds no attention"),
    ],
)
def test_a_file_that_is_none_is_said_and_the_page_stays(
    page: AppTest, shown: list[Payload], name: str, content: bytes, said: str
) -> None:
    before = shown[-1].header["model"]
    upload(page, content, name)
    assert [error.value for error in page.error if said in error.value]
    assert shown[-1].header["model"] == before
    assert page.text_input(key="text").value


def test_tokens_of_half_a_surrogate_pair_reach_the_browser_as_text(
    page: AppTest, shown: list[Payload]
) -> None:
    upload(page, b'{"tokens": ["\\ud83d"], "model": "m\\udc00", "pattern": [[1]]}')
    assert shown[-1].header["queries"]["display"] == ["⟨U+D83D⟩"]
    shown[-1].to_bytes()
