"""The page Inside a layer: its views, its code, and what it says where a tensor is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import cache
from pages.components.layer_views import VIEWS
from tests.support.tiny_models import make_tiny
from tests.support.tiny_translator import make_translator

PAGE = Path(__file__).resolve().parents[2] / "pages" / "layer.py"


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def page_of(folder: Path, **query: str) -> AppTest:
    cache.model_of(str(folder))
    page = AppTest.from_file(str(PAGE), default_timeout=30)
    page.session_state["text"] = "The cat sat."
    page.query_params["model"] = str(folder)
    for name, value in query.items():
        page.query_params[name] = value
    return page


@pytest.fixture
def translator(tmp_path: Path) -> Path:
    return make_translator(tmp_path / "tiny")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_shown_and_its_code_runs(
    translator: Path, view: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = page_of(translator, view=view, layer="1", head="2").run()
    assert not page.exception
    assert not page.error
    assert page.query_params["view"] == view
    code = next(block.value for block in page.code if "tc.load" in block.value)
    found: dict[str, object] = {}
    exec(code, found)
    assert capsys.readouterr().out
    assert str(found["page"]).startswith("<!doctype html>")


def test_stack_and_layer_change_and_the_address_follows(translator: Path) -> None:
    page = page_of(translator, layer="0").run()
    assert page.query_params["stack"] == "decoder"
    page.slider(key="layer").set_value(1).run()
    page.segmented_control(key="stack").set_value("encoder").run()
    assert not page.exception
    assert page.query_params["layer"] == "1"
    assert page.query_params["stack"] == "encoder"


def test_a_layer_of_the_address_that_is_not_there_is_said(translator: Path) -> None:
    page = page_of(translator, layer="99", view="nothing").run()
    assert not page.exception
    assert "There is no layer 99: they run from 0 to 1" in page.warning[0].value
    assert page.segmented_control(key="layer_view").value == "The walk"


def test_a_model_without_logits_says_so_and_keeps_its_other_views(tmp_path: Path) -> None:
    folder = make_tiny("vit", tmp_path / "unused").parent / "bert"
    make_tiny("bert", folder)
    model = cache.model_of(str(folder))
    model.module.get_output_embeddings = lambda: None  # type: ignore[attr-defined]
    page = page_of(folder, view="A logit's parts").run()
    assert not page.exception
    assert "no output logits" in page.error[0].value
    page.segmented_control(key="layer_view").set_value("The walk").run()
    assert not page.error
    assert not page.exception


def test_another_position_and_token_are_taken_apart(tmp_path: Path) -> None:
    page = page_of(make_tiny("gpt2", tmp_path / "gpt2"), view="A logit's parts").run()
    page.selectbox(key="logit_position").set_value(0).run()
    assert not page.exception
    assert not page.error
    code = next(block.value for block in page.code if "attribute" in block.value)
    assert "attribute(model, trace, 0)" in code
    assert ", None)  # of" in code
    page.selectbox(key="logit_against").select_index(2).run()
    assert not page.exception
    code = next(block.value for block in page.code if "attribute" in block.value)
    assert ", None)  # of" not in code


def test_the_address_of_a_logit_brings_back_its_picture(tmp_path: Path) -> None:
    folder = make_tiny("gpt2", tmp_path / "gpt2")
    page = page_of(folder, view="A logit's parts").run()
    first = page.query_params["token"]
    likely = {f"#{first}", *page.selectbox(key="logit_token").options}
    unlikely = next(i for i in range(90) if f"#{i}" not in likely and str(i) != first)
    asked = {"at": "1", "token": str(unlikely), "against": "-1"}
    page = page_of(folder, view="A logit's parts", **asked).run()
    for _ in range(2):  # a second run keeps a token that is none of the likeliest
        assert not page.exception
        assert not page.error
        assert {name: page.query_params[name] for name in asked} == asked
        code = next(block.value for block in page.code if "attribute" in block.value)
        assert "attribute(model, trace, 1)" in code
        assert f"found.contributions({unlikely}, -1)" in code
        page.run()
    page.segmented_control(key="layer_view").set_value("The walk").run()
    assert "token" not in page.query_params
    assert page.query_params["open"] == "resid_mid"


@pytest.mark.parametrize("value", ["-3", "x", "99999", "9" * 5000])
@pytest.mark.parametrize("name", ["at", "token", "against"])
def test_an_odd_address_of_a_logit_shows_the_likeliest(
    tmp_path: Path, name: str, value: str
) -> None:
    folder = make_tiny("gpt2", tmp_path / "gpt2")
    usual = page_of(folder, view="A logit's parts").run()
    page = page_of(folder, view="A logit's parts", **{name: value}).run()
    assert not page.exception
    assert page.query_params[name] == usual.query_params[name]


def test_the_address_names_the_open_tensor_and_the_sum(translator: Path) -> None:
    page = page_of(translator, view="The walk", open="z").run()
    assert "opened='z'" in next(block.value for block in page.code if "Looking" in block.value)
    page = page_of(translator, view="The sum", sum="feed-forward").run()
    assert page.segmented_control(key="layer_sum").value == "feed-forward"
    page = page_of(translator, view="The sum", sum="nothing", open="nothing").run()
    assert not page.exception
    assert not page.error


def test_a_default_layer_that_a_model_lacks_needs_no_word(translator: Path) -> None:
    page = page_of(translator).run()
    assert not page.warning


def test_a_typed_token_is_taken_apart_or_explained(tmp_path: Path) -> None:
    folder = make_tiny("gpt2", tmp_path / "gpt2")
    tokenizer = cache.model_of(str(folder)).tokenizer
    ids = tokenizer.encode("cat dog").ids, tokenizer.encode(" cat dog").ids
    # AppTest knows no option that is typed: the state is as the browser would leave it.
    for typed, n_warnings, n_errors in (("cat dog", 1, 0), (" ", 0, 1)):
        page = page_of(folder, view="A logit's parts")
        tokens = tokenizer.encode("The cat sat.").display
        page.session_state["logit_position"] = len(tokens) - 1
        page.session_state["logit_of"] = tokens
        page.session_state["logit_at"] = ("The cat sat.", len(tokens) - 1)
        page.session_state["logit_token"] = typed
        page.run()
        assert not page.exception
        assert len(page.warning) == n_warnings
        assert len(page.error) == n_errors
        if n_warnings:
            assert "shown is the first" in page.warning[0].value
            assert page.session_state["logit_token_id"] in {one[0] for one in ids}


def test_a_layer_that_cannot_be_followed_is_explained(tmp_path: Path) -> None:
    folder = make_tiny("gpt2", tmp_path / "gpt2")
    model = cache.model_of(str(folder))
    block = model.module.transformer.h[0]  # type: ignore[attr-defined]
    plain = block.mlp.forward
    block.mlp.forward = lambda x: plain(x) * 2
    page = page_of(folder, layer="0").run()
    assert not page.exception
    assert "cannot be drawn as a walk" in page.error[0].value
    assert "feed-forward block writes" in page.error[0].value


def test_an_empty_text_is_explained(translator: Path) -> None:
    page = page_of(translator)
    page.session_state["text"] = " "
    page.run()
    assert not page.exception
    assert len(page.error) == 1
