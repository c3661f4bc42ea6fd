"""Masks are read off the trace, and named by their cells; bars are the model's probabilities."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.traces import random_record, tokens_of, trace_of
from transformer_core.errors import InputError
from transformer_core.figures.families import FAMILIES, default_place, family_of, masks, shape_of
from transformer_core.figures.families_bars import (
    bars_to_csv,
    class_bars,
    probability_bars,
    written,
)
from transformer_core.figures.readings import Place
from transformer_core.tracing.trace import Trace

CAUSAL = np.tril(np.ones((4, 4), bool))


@pytest.mark.parametrize(
    ("allowed", "name"),
    [
        (np.ones((4, 4), bool), "all to all"),
        (np.ones((3, 5), bool), "all to all"),
        (CAUSAL, "causal"),
        (CAUSAL & ~np.tril(CAUSAL, -2), "causal, within a window"),
        (CAUSAL.T, "of a shape of its own"),
        (np.ones((4, 5), bool) & (np.arange(5) < 4), "of a shape of its own"),
    ],
)
def test_a_mask_is_named_by_its_cells(allowed: np.ndarray[Any, Any], name: str) -> None:
    assert shape_of(allowed) == name


def test_a_causal_trace_shows_its_mask_and_its_pattern() -> None:
    trace = trace_of(random_record(4, is_causal=True), site="decoder")
    payload = masks(trace, family_of("decoder"), [Place("decoder", 0, 1)])
    (site,) = payload.header["options"]["sites"]
    assert (site["shape"], site["n_allowed"], site["head"]) == ("causal", 10, 1)
    weights = payload.arrays["weights0"]
    assert np.array_equal(weights.masked, ~CAUSAL)
    expected = trace.pattern("decoder", layer=0, head=1).numpy()
    assert np.abs(weights.values() - expected).max() <= weights.max_error < 1e-4
    assert "causal, 10 of 16 cells" in payload.caption
    assert site["badge"]["ok"]


def three_sites() -> Trace:
    one = trace_of(random_record(5))
    decoder, cross = random_record(3, is_causal=True), random_record(3, 5)
    return replace(
        one,
        target=tokens_of(["a", "b", "c"]),
        attention={**one.attention, "decoder": (decoder.light(),), "cross": (cross.light(),)},
        recompute=None,
    )


def test_an_encoder_decoder_has_three_masks() -> None:
    trace = three_sites()
    payload = masks(trace, family_of("both"), [Place(site, 0, 0) for site in trace.sites])
    sites = payload.header["options"]["sites"]
    assert [site["shape"] for site in sites] == ["all to all", "causal", "all to all"]
    assert [site["n_allowed"] for site in sites] == [25, 6, 15]
    assert payload.arrays["weights2"].codes.shape == (3, 5)
    assert sites[2]["queries"]["display"] == ["a", "b", "c"]


def test_a_long_text_is_refused_with_the_limit() -> None:
    trace = trace_of(random_record(257))
    with pytest.raises(InputError, match="256 tokens at most; here are 257"):
        masks(trace, FAMILIES[0], [Place("encoder", 0, 0)])
    with pytest.raises(InputError, match="no family 'rnn'"):
        family_of("rnn")


def test_the_head_shown_at_first_is_not_one_that_rests() -> None:
    n = 6
    resting = torch.zeros(n, n)
    resting[:, 3] = 1
    looking = torch.roll(torch.eye(n), -2, dims=1)
    trace = Trace.from_patterns(
        {"encoder": torch.stack([resting, torch.full((n, n), 1 / n), looking])[None]},
        source=tokens_of([f"t{i}" for i in range(n)]),
    )
    assert default_place(trace, "encoder") == Place("encoder", 0, 2)


def test_every_family_links_its_paper() -> None:
    assert [family.id for family in FAMILIES] == ["encoder", "decoder", "both", "vision"]
    for family in FAMILIES:
        assert family.url.startswith("https://arxiv.org/abs/")
        assert "section" in family.paper


def test_bars_are_the_softmax_of_all_classes() -> None:
    logits = torch.tensor([1.0, 3.0, 2.0])
    bars = class_bars(logits, ["a", "b", "c"])
    total = np.exp([1, 3, 2]).sum()
    assert bars == [
        (label, pytest.approx(float(np.exp(x)) / total))
        for label, x in zip("abc", (1, 3, 2), strict=True)
    ]
    best = class_bars(logits, [], n_bars=2)
    assert [label for label, _ in best] == ["1", "2"]
    assert best[0][1] == pytest.approx(bars[1][1])


@pytest.mark.parametrize(
    ("probability", "text"),
    [(1.0, "1"), (0.9999, "> 0.999"), (0.5, "0.500"), (0.0001, "< 0.001"), (0.0, "< 0.001")],
)
def test_a_probability_is_never_written_as_1_or_0_that_it_is_not(
    probability: float, text: str
) -> None:
    assert written(probability) == text


def test_labels_cannot_break_out_of_the_chart() -> None:
    chart = probability_bars([('a"];alert(1)//', 0.5), ("a", 0.25), ("a", 0.25)], what="token")
    spec = chart.to_dict()
    expression = spec["layer"][0]["encoding"]["y"]["axis"]["labelExpr"]
    assert json.loads(expression.removesuffix("[datum.value]"))["0"] == 'a"];alert(1)//'
    (rows,) = spec["datasets"].values()
    assert [row["label"] for row in rows] == ['a"];alert(1)//', "a", "a"]
    assert bars_to_csv([("a", 0.5)], "token").splitlines() == ["token,probability", "a,0.5"]
