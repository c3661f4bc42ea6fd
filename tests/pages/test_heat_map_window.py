"""Which part of a pooled map is sent exactly: what the browser asked for, if it makes sense."""

from typing import Any

import pytest

from pages.components.views import heat_map


@pytest.mark.parametrize(
    ("state", "bounds"),
    [
        ({}, None),
        ({"picture": None}, None),
        ({"picture": {"head": [1, 2]}}, None),
        ({"picture": {"window": [0, 256, 512, 768]}}, (0, 256, 512, 768)),
        ({"picture": {"window": [0.0, 256.0, 512.0, 768.0]}}, (0, 256, 512, 768)),
        ({"picture": {"window": [0, 256, 512]}}, None),
        ({"picture": {"window": ["x", None, {}, []]}}, None),
        ({"picture": {"window": "0123"}}, None),
    ],
)
def test_only_four_numbers_are_bounds(
    monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], bounds: tuple[int, ...] | None
) -> None:
    monkeypatch.setattr(heat_map.st, "session_state", state)
    assert heat_map._window() == bounds
