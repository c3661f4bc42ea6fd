"""Who can reach the server decides what may be opened; asked at every way into a page."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from pages.components import access as who
from tests.support.tiny_models import make_tiny
from transformer_core.errors import ModelUnavailableError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _private() -> Iterator[None]:
    was = {name: st.get_option(name) for name in ("server.address", "server.maxUploadSize")}
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()
    who._reached.clear()
    for name, value in was.items():
        config.set_option(name, value)


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("localhost", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("0.0.0.0", True),
        ("192.0.2.7", True),
        ("", True),
        (None, True),
    ],
)
def test_a_server_that_listens_beyond_this_machine_is_public(
    address: str | None, is_public: bool
) -> None:
    config.set_option("server.address", address)
    assert who.is_public() == is_public
    assert who.access().is_closed == is_public
    assert who.access().local_folders != is_public


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        (None, True),
        ("localhost:8501", True),
        ("LOCALHOST", True),
        ("127.0.0.1:8501", True),
        ("[::1]:8501", True),
        ("class.example.org", False),
        ("localhost.example.org:80", False),
        ("192.0.2.7:8501", False),
        ("127.0.0.1.example.org", False),
        ("[::1]", True),
        (":8501", False),
    ],
)
def test_a_visitor_by_another_name_makes_the_server_public(host: str | None, is_own: bool) -> None:
    assert who._is_own(host) == is_own


def test_once_public_a_server_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    config.set_option("server.address", "localhost")

    class Context:
        headers: ClassVar = {"Host": "class.example.org"}

    with monkeypatch.context() as patched:
        patched.setattr(st, "context", Context)
        who._note_visitor()
    who._note_visitor()
    assert who.is_public()
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_CATALOGUE_ONLY", "0")
    assert not who.access().is_closed, "what the operator says counts"


def page(name: str, **state: object) -> AppTest:
    app = AppTest.from_file(ROOT / "pages" / f"{name}.py", default_timeout=60)
    for key, value in state.items():
        app.session_state[key] = value
    return app


@pytest.mark.parametrize("name", ["attention", "layer", "decoding", "positions", "translate"])
def test_neither_address_nor_session_opens_a_folder_of_a_public_server(
    name: str, tmp_path: Path
) -> None:
    folder = str(make_tiny("bert", tmp_path / "bert"))
    config.set_option("server.address", "0.0.0.0")
    by_address = page(name)
    by_address.query_params["model"] = folder
    kept = {"opened_models": {"text": [folder]}, "model": folder, "decoding_model": folder}
    for app in (by_address, page(name, **kept)):
        app.run()
        assert not app.exception
        messages = [str(e.value) for e in [*app.error, *app.warning, *app.caption, *app.markdown]]
        assert "bert" not in " ".join(str(e.value) for e in app.selectbox)
        assert not any("config.json" in message for message in messages)


def test_the_loading_seam_refuses_what_a_page_lets_through(tmp_path: Path) -> None:
    from pages.components.cache import model_of

    folder = str(make_tiny("bert", tmp_path / "bert"))
    config.set_option("server.address", "0.0.0.0")
    with pytest.raises(ModelUnavailableError, match="may not be opened on this server"):
        model_of(folder)
    config.set_option("server.address", "localhost")
    st.cache_resource.clear()
    assert model_of(folder).card.name == "bert"


def test_a_setting_that_cannot_be_used_is_the_only_thing_on_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_RUNS", "many")
    app = page("positions").run()
    assert not app.exception
    assert "RUNS is 'many'; it must be a whole number" in app.error[0].value.replace("\\", "")
    assert len(app.main.children) == 1, "the page's styles would come next"


def test_uploads_are_held_to_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_UPLOAD_MEGABYTES", "7")
    page("positions").run()
    assert st.get_option("server.maxUploadSize") == 20, "a picture's limit is the larger"
