"""Trace → picture: what each view of the Attention page holds."""

import csv
import io
import json
from collections.abc import Callable

import pytest
import torch

from tests.support.traces import random_record, tokens_of, trace_of
from transformer_core.errors import InputError
from transformer_core.figures import export, html, notebook, views
from transformer_core.figures.payload import Payload
from transformer_core.figures.readings import Place, Reading
from transformer_core.tracing.trace import Trace

HERE = Place("encoder", 0, 1)


def test_links_hold_the_pattern_and_what_is_masked() -> None:
    trace = trace_of(random_record(6, is_causal=True))
    weights = views.links(trace, HERE).arrays["weights"]
    exact = trace.pattern("encoder", layer=0, head=1)
    assert torch.tensor(weights.values()).sub(exact).abs().max() < 1e-5
    assert torch.equal(torch.tensor(~weights.masked), torch.ones(6, 6).tril().bool())


def test_query_and_key_travel_with_their_picture() -> None:
    record = random_record(6)
    payload = views.query_key(trace_of(record), HERE)
    assert torch.equal(torch.tensor(payload.arrays["q"].codes), record.q[1])
    assert torch.equal(torch.tensor(payload.arrays["k"].codes), record.k[1])
    assert payload.header["options"]["evidence"]["scaling"] == 0.5


@pytest.mark.parametrize("view", [views.links, views.query_key])
def test_views_that_draw_every_cell_refuse_a_text_too_long_for_them(
    view: Callable[[Trace, Place], Payload],
) -> None:
    trace = trace_of(random_record(1025))
    with pytest.raises(InputError, match=r"1,024 tokens at most; here are 1,025"):
        view(trace, HERE)


def test_all_heads_stand_beside_a_short_map_and_not_beside_a_long_one() -> None:
    short = views.heat_map(trace_of(random_record(6)), HERE, with_overview=True)
    assert short.header["options"]["overview"]["selected"] == [0, 1]
    assert short.arrays["thumbnails"].codes.shape == (1, 2, 6, 6)
    long = views.heat_map(trace_of(random_record(65)), HERE, with_overview=True)
    assert "thumbnails" not in long.arrays


def test_small_maps_of_a_long_text_say_that_they_are_pooled() -> None:
    payload = views.all_heads(trace_of(random_record(40)), "encoder")
    note = "Pooled to 32 blocks a side: the largest weight of each block."
    assert payload.header["notes"][0] == note
    assert payload.arrays["thumbnails"].codes.shape == (1, 2, 32, 32)


def test_tokens_are_hidden_wherever_they_stand() -> None:
    trace = trace_of(random_record(5), tokens_of(["<s>", "a", "</s>", "b", "c"], special=(0, 2)))
    payload = views.heat_map(trace, HERE, Reading(hide_special=True))
    assert payload.header["queries"]["display"] == ["a", "b", "c"]
    kept = trace.pattern("encoder", layer=0, head=1)[[1, 3, 4]][:, [1, 3, 4]]
    expected = kept / kept.sum(-1, keepdim=True)
    assert torch.tensor(payload.arrays["weights"].values()).sub(expected).abs().max() < 1e-4


def test_the_numbers_are_saved_as_they_are() -> None:
    trace = trace_of(random_record(3), tokens_of(["a", "=1+1", "c"]))
    exact = trace.pattern("encoder", layer=0, head=1)
    saved = json.loads(export.to_json(trace, HERE))
    assert torch.allclose(torch.tensor(saved["pattern"]), exact)
    assert saved["tokens"] == ["a", "=1+1", "c"]
    assert (saved["model"], saved["layer"], saved["head"]) == ("random", 0, 1)
    first, head, *rows = csv.reader(io.StringIO(export.to_csv(trace, HERE)))
    assert "revision 0123456789abcdef" in first[0]
    assert head[1:] == ["a", "'=1+1", "c"], "a spreadsheet must not compute a token"
    assert rows[1][0] == "'=1+1"
    assert torch.allclose(torch.tensor([[float(x) for x in row[1:]] for row in rows]), exact)


def test_a_page_and_a_notebook_hold_the_picture_and_close_no_script_early() -> None:
    trace = trace_of(random_record(3), tokens_of(["</script>", "b", "c"]))
    page = export.to_html_page(trace, HERE, Reading())
    assert page.count("</script>") == 1
    assert views.heat_map(trace, HERE, with_overview=True).to_base64() in page
    frame = notebook.trace_html(trace)
    assert frame.startswith("<iframe")
    assert 'sandbox="allow-scripts allow-downloads"' in frame
    assert frame.count("<iframe") == frame.count("</iframe>") == 1
    assert html.to_fragment(views.heat_map(trace, HERE), height=321).count("height:321px") == 1
