"""Where the built-in translator's alignments are read is the best that was measured."""

import json

import pytest

import transformer_core as tc
from tests.support.gold_alignments import gold
from transformer_core.analysis.word_alignment import error_rates
from transformer_core.models.catalogue import SHIPPED
from transformer_core.tasks.alignments import FILE, measured_choice

FOLDER = SHIPPED / "en-fr-small"


def test_the_shipped_choice_is_the_best_on_the_hand_aligned_set() -> None:
    model, pairs = tc.load("en-fr-small"), gold()
    traces = model.trace_batch([p.source for p in pairs], [p.target for p in pairs])
    rates = error_rates(traces, pairs)
    best = next(iter(rates))
    facts = json.loads((FOLDER / FILE).read_text(encoding="utf-8"))
    assert measured_choice(model) == best
    assert facts["n_pairs"] == len(pairs) == 50
    assert facts["alignment_error_rate"] == pytest.approx(rates[best], abs=5e-4)
    assert rates[best] < 0.3
