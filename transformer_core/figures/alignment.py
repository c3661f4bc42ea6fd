"""A translation at a glance: source above, translation below, and lines for what reads what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip
from transformer_core.figures.wire import quantise

if TYPE_CHECKING:
    from transformer_core.analysis.word_alignment import AlignmentChoice
    from transformer_core.tracing.trace import Trace

TOLERANCE = 1e-4


def alignment(
    trace: Trace,
    chances: Sequence[float],
    choice: AlignmentChoice,
    *,
    notes: tuple[str, ...] = (),
) -> Payload:
    """What does each word of a translation read?

    Options: ``words``, each with ``text`` and ``p``, the probability with which it was written, and
    ``written``, all of them as a text.

    Args:
        trace: Of the source and the whole translation.
        chances: Probability of each token that was written.
        choice: Layer and heads whose cross-attention is shown.
        notes: What else is to be known of the translation.

    Raises:
        InputError: If source or translation has no word.
    """
    from transformer_core.analysis.word_alignment import content_words, word_weights

    weights = word_weights(trace, choice).numpy()
    targets = content_words(trace.target.words) if trace.target is not None else []
    # The target begins with the start token, which no step wrote.
    words = [
        {"text": word.text, "p": float(np.prod([chances[p - 1] for p in word.positions]))}
        for word in targets
    ]
    strips = [
        TokenStrip(tuple(word.text for word in side))
        for side in (targets, content_words(trace.source.words))
    ]
    off = float(np.abs(weights.sum(axis=1) - 1).max())
    badge = Badge(f"rows sum to 1 · max |Δ| {off:.1e}", off < TOLERANCE)
    picture = _picture(trace, choice, strips, badge, notes)
    options = {"words": words, "written": _joined(trace)}
    return make_payload("alignment", picture, options, {"weights": quantise(weights)})


def _picture(
    trace: Trace,
    choice: AlignmentChoice,
    strips: Sequence[TokenStrip],
    badge: Badge,
    notes: tuple[str, ...],
) -> Picture:
    """What the picture says beside its numbers."""
    return Picture(
        title="How does the model translate it, and what does each word read?",
        subtitle=f"{trace.model_name}. Lines: cross-attention, {choice.name}.",
        hint="Point at a word for its weights.",
        queries=strips[0],
        keys=strips[1],
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site="cross",
        layer=choice.layer,
        head=choice.head,
        badge=badge,
        notes=(
            "Sub-words merged: summed over the source word, averaged over the target word; special "
            "tokens of the source left out and each row renormalised.",
            *notes,
        ),
        caption=f"A translation, “{_joined(trace)}”, and what each of its words reads.",
    )


def _joined(trace: Trace) -> str:
    return "" if trace.target is None else trace.target.text.strip()
