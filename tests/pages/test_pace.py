"""A session that asks for too much waits, is told so, and goes on."""

from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components import pace
from transformer_core.pace import Pace


def script() -> None:
    """A page of one word."""
    import streamlit as st

    from pages.components.pace import keep_pace

    keep_pace()
    st.text("here")


def test_who_is_too_quick_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now, said = [0.0], []
    kept = {2: Pace(2, lambda: now[0])}
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_REQUESTS_PER_MINUTE", "2")
    monkeypatch.setattr(pace, "_paces", lambda: kept)

    def sleep(seconds: float) -> None:
        now[0] += 10
        said.append(seconds)

    monkeypatch.setattr(pace, "time", SimpleNamespace(sleep=sleep))
    page = AppTest.from_function(script)
    for _ in range(2):
        assert page.run().text[0].value == "here"
    assert said == []
    page.run()
    assert not page.exception
    assert page.text[0].value == "here"
    assert len(said) == 3, "a place comes back every 30 seconds"


def test_the_message_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []

    class Place:
        """Notes what it is told."""

        def info(self, text: str, **_: object) -> None:
            messages.append(text)

        def empty(self) -> None:
            messages.append("")

    now = [0.0]
    kept = {1: Pace(1, lambda: now[0])}
    kept[1].take()
    monkeypatch.setenv("TRANSFORMER_WORKBENCH_REQUESTS_PER_MINUTE", "1")
    monkeypatch.setattr(pace, "_paces", lambda: kept)
    monkeypatch.setattr(st, "empty", Place)
    monkeypatch.setattr(
        pace, "time", SimpleNamespace(sleep=lambda _: now.__setitem__(0, now[0] + 30))
    )
    pace.keep_pace()
    assert "more than 1 times" in messages[0]
    assert "60 s" in messages[0]
    assert messages[-1] == ""
