"""What all sessions share, as a page sees it: one request a text, a place in line, busy."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.testing.v1 import AppTest

from pages.components import cache
from transformer_core.errors import QueueTimeoutError, SupersededError

pytestmark = pytest.mark.usefixtures("minilm")
PAGE = Path(__file__).resolve().parents[2] / "pages" / "attention.py"
PATIENCE = 30.0


@pytest.fixture
def minilm() -> Iterator[None]:
    st.cache_resource.clear()
    cache.model_of("minilm")
    yield
    st.cache_resource.clear()


class Passes:
    """Forward passes of a model: how many, how large, and a gate that they wait at."""

    def __init__(self, model: Any) -> None:
        self.sizes: list[int] = []
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        model.module.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, _: object, __: object, inputs: dict[str, Any]) -> None:
        self.sizes.append(len(inputs["input_ids"]))
        self.begun.set()
        assert self.gate.wait(PATIENCE)


def test_a_new_text_is_one_request_and_one_pass_and_another_head_is_none() -> None:
    passes = Passes(cache.model_of("minilm"))
    page = AppTest.from_file(str(PAGE), default_timeout=30).run()
    assert (cache.shared().queue.report().n_served, passes.sizes) == (1, [1])
    page.selectbox(key="layer").set_value(5).run()
    page.selectbox(key="head").set_value(3).run()
    assert (cache.shared().queue.report().n_served, passes.sizes) == (1, [1])
    page.text_input(key="text").set_value("The cat sat on the mat.").run()
    assert (cache.shared().queue.report().n_served, passes.sizes) == (2, [1, 1])
    assert not page.exception


def test_a_busy_server_says_so_and_offers_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_QUEUE_LENGTH", "1")
    st.cache_resource.clear()
    passes = Passes(cache.model_of("minilm"))
    passes.gate.clear()
    try:
        cache.shared().trace("minilm", "This one is computed.", session="a")
        assert passes.begun.wait(PATIENCE)
        waiting: Any = cache.shared().trace("minilm", "This one waits.", session="b")
        page = AppTest.from_file(str(PAGE), default_timeout=30).run()
        assert "Busy: 1 people wait already" in page.error[0].value
    finally:
        passes.gate.set()
    assert waiting.wait(PATIENCE)
    again = next(button for button in page.button if button.label == "Try again")
    again.click().run()
    assert not page.error
    assert not page.exception


class Ticket:
    """A ticket whose place tests hold in their hands."""

    def __init__(self, *places: int, result: Any = "trace") -> None:
        self.places = list(places)
        self.answer = result
        self.has_left = False

    def wait(self, _: float) -> bool:
        return not self.places

    def place(self) -> int:
        return self.places.pop(0)

    def leave(self) -> None:
        self.has_left = True

    def result(self) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Line:
    """Where a page would tell the place."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def empty(self) -> "Line":
        self.said.append("")
        return self

    def caption(self, words: str) -> None:
        self.said.append(words)


class Context:
    """A running script."""

    session_id = "me"

    def __init__(
        self, end: BaseException | None = None, *, fragments: list[str] | None = None
    ) -> None:
        self.end, self.fragment_ids_this_run = end, fragments
        self.script_requests = ScriptRequests()

    def yield_check(self) -> None:
        if self.end is not None:
            raise self.end


def waited(monkeypatch: pytest.MonkeyPatch, ticket: Ticket, context: Context) -> tuple[Any, Line]:
    line = Line()
    monkeypatch.setattr(cache, "UNSEEN_S", 0.0)
    monkeypatch.setattr(cache, "get_script_run_ctx", lambda **_: context)
    monkeypatch.setattr(cache.st, "empty", line.empty)
    return cache._waited(ticket), line  # type: ignore[arg-type]


def test_who_waits_sees_their_place_as_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    found, line = waited(monkeypatch, Ticket(3, 3, 2, 0), Context())
    assert found == "trace"
    assert line.said == [
        "", "Waiting: 3rd in line", "Waiting: 2nd in line", "Tracing the text", "",
    ]  # fmt: skip


def test_a_script_that_is_to_end_gives_its_place_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = Ticket(*[1] * 5)
    with pytest.raises(KeyboardInterrupt):
        waited(monkeypatch, ticket, Context(KeyboardInterrupt()))
    assert ticket.has_left


@pytest.mark.parametrize("is_newer", [False, True])
def test_a_fragment_waits_no_longer_than_its_person_wants_it(
    monkeypatch: pytest.MonkeyPatch, is_newer: bool
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.st, "stop", stop)
    ticket, context = Ticket(*[1] * 5), Context(fragments=["body"])
    if is_newer:
        context.script_requests.request_rerun(RerunData(fragment_id="body"))
    with pytest.raises(KeyboardInterrupt) if is_newer else nullcontext():
        waited(monkeypatch, ticket, context)
    assert ticket.has_left
    assert len(ticket.places) == (5 if is_newer else 0)


def test_a_superseded_script_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[str] = []
    monkeypatch.setattr(cache.st, "stop", lambda: ends.append("stopped"))
    waited(monkeypatch, Ticket(result=SupersededError("newer")), Context())
    assert ends == ["stopped"]


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(cache.shared().queue), "patience", -1.0)
    ticket = Ticket(*[1] * 5)
    with pytest.raises(QueueTimeoutError):
        waited(monkeypatch, ticket, Context())
    assert ticket.has_left


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st"),
     (113, "113th")],
)  # fmt: skip
def test_places_are_said_as_people_say_them(number: int, words: str) -> None:
    assert cache.ordinal(number) == words


def test_what_is_remembered_is_computed_once_for_equal_plain_arguments() -> None:
    made: list[tuple[str, int]] = []

    @cache.remembered
    def walk(model_id: str, layer: int = 0, _trace: object = None) -> str:
        made.append((model_id, layer))
        return f"{model_id} {layer}"

    assert walk("bert", _trace=object()) == walk("bert", 0, object()) == "bert 0"
    assert walk("bert", layer=1) == "bert 1"
    assert made == [("bert", 0), ("bert", 1)]
    cache.shared()._forget("bert")
    walk("bert")
    assert made[-1] == ("bert", 0)
    assert len(made) == 3


def test_a_session_that_ends_releases_what_it_looked_at() -> None:
    page = AppTest.from_file(str(PAGE), default_timeout=30).run()
    assert not page.exception
    used = [kept.n_users for kept in cache.shared().kept.entries()]
    assert used
    assert min(used) == 1
    for session in [*cache._here]:
        cache._leave(session)
    assert cache.shared().kept.usage().n_entries == 0
    assert cache.shared().models.usage().n_entries == 1  # for those who load the page anew
