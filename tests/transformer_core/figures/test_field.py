"""A matrix of signed numbers travels with its axes, and says what was rounded."""

import numpy as np
import pytest

from transformer_core.errors import InputError
from transformer_core.figures.field import Axis, FieldWords, field

WORDS = FieldWords("What is where?", "A matrix.", unit="value")


def test_a_matrix_carries_its_numbers_axes_and_limit() -> None:
    payload = field([[1.0, -2.0], [0.5, 0.0]], Axis("position"), Axis("dimension"), WORDS)
    assert payload.arrays["values"].values().tolist() == [[1.0, -2.0], [0.5, 0.0]]
    assert payload.header["options"]["limit"] == 2.0
    assert [axis["name"] for axis in payload.header["options"]["axes"]] == ["position", "dimension"]
    assert payload.header["queries"]["display"] == ["0", "1"]
    assert payload.header["notes"] == []


def test_a_large_matrix_says_that_it_was_rounded() -> None:
    payload = field(np.full((300, 300), 0.1), Axis("position"), Axis("dimension"), WORDS)
    assert "half precision" in payload.header["notes"][0]
    assert abs(payload.arrays["values"].values() - 0.1).max() < 1e-4


@pytest.mark.parametrize("values", [[[]], [1.0], [[np.nan]], [[np.inf]]])
def test_what_cannot_be_drawn_is_refused(values: list[object]) -> None:
    with pytest.raises(InputError):
        field(values, Axis("position"), Axis("dimension"), WORDS)


def test_labels_must_fit() -> None:
    with pytest.raises(InputError, match="1 labels for 2 positions"):
        field([[1.0], [2.0]], Axis("position", ["a"]), Axis("dimension"), WORDS)
