"""Heads as they are read: merged, hidden, renormalised, by rows; on examples worked by hand."""

import dataclasses

import pytest
import torch

from tests.support.traces import random_record, tokens_of, trace_of
from transformer_core.errors import InputError
from transformer_core.figures import views
from transformer_core.figures.reader import HeadReader
from transformer_core.figures.readings import Place, Reading
from transformer_core.tracing.trace import Trace

HERE = Place("encoder", 0, 0)


def imported(rows: list[list[float]], labels: list[str], special: tuple[int, ...] = ()) -> Trace:
    pattern = torch.tensor(rows)[None, None]
    return Trace.from_patterns({"encoder": pattern}, source=tokens_of(labels, special=special))


SINK = imported([[1.0, 0.0, 0.0], [0.5, 0.25, 0.25], [0.8, 0.05, 0.15]], ["<s>", "a", "b"], (0,))


def test_without_the_sink_each_row_is_shared_out_among_the_other_keys() -> None:
    reader = HeadReader(SINK, HERE, Reading(hide_sink=True))
    assert reader.keys.display == ("a", "b")
    assert reader.queries.display == ("<s>", "a", "b")
    expected = torch.tensor([[0.0, 0.0], [0.5, 0.5], [0.25, 0.75]])
    assert torch.allclose(reader.rows(), expected)


def test_the_hidden_share_is_named_and_so_are_rows_that_read_nothing_else() -> None:
    (note,) = HeadReader(SINK, HERE, Reading(hide_sink=True)).notes()
    assert note == (
        "The first key, <s>, hidden (77% of the weight on average); rows renormalised. "
        "1 row read nothing else."
    )


def test_a_special_first_key_is_hidden_once() -> None:
    reader = HeadReader(SINK, HERE, Reading(hide_special=True, hide_sink=True))
    assert reader.rows().shape == (2, 2)
    assert reader.notes()[0].startswith("Special tokens hidden (65%")


def test_a_sink_is_explained_and_an_even_head_is_not_called_one() -> None:
    rows = [[1.0, 0, 0, 0], [0.8, 0.2, 0, 0], [0.6, 0.2, 0.2, 0], [0.7, 0.1, 0.1, 0.1]]
    (note,) = HeadReader(imported(rows, ["<s>", "a", "b", "c"]), HERE).notes()
    assert note.startswith("70% of the weight rests on the first key, <s>: an attention sink")
    even = random_record(3, is_causal=True)
    even = dataclasses.replace(even, q=torch.zeros_like(even.q))
    # The first of few keys that may be seen gets much without being a sink.
    assert even.pattern(0)[1:, 0].mean() > 0.4
    assert HeadReader(trace_of(even), HERE).notes() == ()


def test_words_are_summed_over_keys_and_averaged_over_queries_by_rows_as_well() -> None:
    labels = ["the", "cat", "##s", "##y", "sat", "##s", "."]
    trace = trace_of(random_record(7, is_causal=True), tokens_of(labels))
    reader = HeadReader(trace, HERE, Reading(words=True))
    pattern = trace.pattern("encoder", layer=0, head=0)
    groups = [[0], [1, 2, 3], [4, 5], [6]]
    expected = torch.stack(
        [torch.stack([pattern[r][:, c].sum(-1).mean() for c in groups]) for r in groups]
    )
    assert torch.allclose(reader.rows(), expected, atol=1e-6)
    assert torch.allclose(reader.rows(1, 3), expected[1:3], atol=1e-6)
    visible = reader.visible()
    assert visible is not None
    assert torch.equal(visible, torch.ones(4, 4).tril().bool())


def test_nothing_left_to_show_is_an_error_that_says_what_to_do() -> None:
    trace = imported([[1.0]], ["<s>"], (0,))
    with pytest.raises(InputError, match="show them or type more"):
        _ = HeadReader(trace, HERE, Reading(hide_special=True)).shape


@pytest.mark.parametrize("reading", [Reading(), Reading(hide_sink=True)])
def test_a_window_of_a_pooled_map_holds_the_exact_cells(reading: Reading) -> None:
    trace = trace_of(random_record(1300, is_causal=True))
    exact = HeadReader(trace, HERE, reading).rows()
    payload = views.heat_map(trace, HERE, reading, window=(700, 900, 500, 2000))
    assert payload.header["options"]["window"] == {"row": 700, "column": 500}
    window = payload.arrays["window"]
    assert window.codes.shape == (200, 256)
    expected = exact[700:900, 500:756]
    assert torch.tensor(window.values()).sub(expected).abs().max() < 1e-5
    n_hidden = int(reading.hide_sink)
    seen = torch.arange(500, 756) + n_hidden <= torch.arange(700, 900)[:, None]
    assert torch.equal(torch.tensor(window.masked), ~seen)


def test_a_window_beside_the_map_is_left_out() -> None:
    trace = trace_of(random_record(1100))
    payload = views.heat_map(trace, HERE, window=(5000, 6000, 0, 100))
    assert "window" not in payload.arrays


def test_the_evidence_of_a_window_explains_its_cells() -> None:
    trace = trace_of(random_record(1300, is_causal=True))
    payload = views.heat_map(trace, HERE, window=(300, 310, 200, 230))
    arrays, facts = payload.arrays, payload.header["options"]["evidence"]
    assert facts["origin"] == [300, 200]
    scores = arrays["q"].values() @ arrays["k"].values().T * facts["scaling"]
    weights = (
        torch.tensor(scores) - torch.tensor(arrays["row_max"].values())[:, None]
    ).exp() / torch.tensor(arrays["row_sum"].values())[:, None]
    exact = trace.pattern("encoder", layer=0, head=0)[300:310, 200:230].double()
    assert torch.allclose(weights, exact, atol=1e-6)


def test_the_cell_offered_first_is_the_strongest_of_ordinary_tokens_in_long_texts_too() -> None:
    trace = trace_of(random_record(600))
    selected = views.by_the_numbers(trace, HERE).header["options"]["selected"]
    pattern = trace.pattern("encoder", layer=0, head=0).clone()
    pattern.fill_diagonal_(0)
    assert selected == [int(i) for i in torch.unravel_index(pattern.argmax(), pattern.shape)]


def test_views_that_need_scores_say_so_of_an_imported_matrix() -> None:
    for view in (views.query_key, views.by_the_numbers):
        with pytest.raises(InputError, match="was given, not computed"):
            view(SINK, HERE)
