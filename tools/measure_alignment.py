"""Measure where the built-in translator's alignments are read best; write it beside its weights.

Run it after new weights were exported: ``python -m tools.measure_alignment``.
"""

import sys

import transformer_core as tc
from tests.support.gold_alignments import gold
from transformer_core.analysis.word_alignment import error_rates
from transformer_core.models.catalogue import SHIPPED
from transformer_core.tasks.alignments import save_choice

MODEL = "en-fr-small"
N_SHOWN = 5


def main() -> None:
    """Measure every layer, head and row on the hand-aligned pairs."""
    model, pairs = tc.load(MODEL), gold()
    traces = model.trace_batch([p.source for p in pairs], [p.target for p in pairs])
    rates = error_rates(traces, pairs)
    for choice, rate in list(rates.items())[:N_SHOWN]:
        sys.stdout.write(f"{rate:.3f}  {choice.name}\n")
    best, rate = next(iter(rates.items()))
    save_choice(SHIPPED / MODEL, best, rate, len(pairs))


if __name__ == "__main__":
    main()
