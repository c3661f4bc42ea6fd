"""A translation as a picture: words with their sources, their confidence and their alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip
from transformer_core.figures.wire import quantise

if TYPE_CHECKING:
    from transformer_core.analysis.word_alignment import AlignmentChoice
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.tasks.streaming import PartState
    from transformer_core.tokenization.tokens import Word
    from transformer_core.tracing.trace import Trace

N_ALTERNATIVES = 8
NOTE = (
    "A token's row is the one {}. Sub-words merged: summed over the source word, averaged over the "
    "target word; special tokens of the source left out and each row renormalised."
)


@dataclass(frozen=True)
class WrittenToken:
    """One token of a translation.

    Attributes:
        text: As people read it.
        id: In the vocabulary.
        step: Which step wrote it.
        p: Probability that the model gave it.
        alternatives: Text, probability and id of the best candidates, itself among them.
    """

    text: str
    id: int
    step: int
    p: float
    alternatives: tuple[tuple[str, float, int], ...]

    @classmethod
    def of(cls, step: DecodingStep) -> WrittenToken:
        """Read a step of decoding."""
        probabilities = step.logits.softmax(dim=-1)
        best = probabilities.topk(N_ALTERNATIVES)
        show = step.answer.stepper.tokenizer.show
        rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        alternatives = tuple((show(index), value, index) for index, value in rows)
        own = float(probabilities[step.token_id])
        return cls(step.token, step.token_id, step.index, own, alternatives)


def tokens_of(part: PartState) -> list[WrittenToken]:
    """The tokens of one part, without the end token."""
    return [WrittenToken.of(step) for step in part.tokens]


def translation(
    trace: Trace,
    tokens: Sequence[WrittenToken],
    choice: AlignmentChoice,
    *,
    is_measured: bool = False,
) -> Payload:
    """Where does each word come from, and how sure was the model of it?

    Options: ``words`` (``text``, ``tokens``), ``choices`` (``layer head name``), ``chosen``,
    ``measured``. The array ``weights`` has a map for each choice; the trigger ``fork`` brings the
    step and the token that somebody chose instead.

    Args:
        trace: Of the source and the whole translation.
        tokens: What was written, without the end token.
        choice: Where alignments are read at first.
        is_measured: Whether that was measured to be the best.

    Raises:
        InputError: If source or translation has no word.
    """
    from transformer_core.analysis.word_alignment import all_word_weights, choices, content_words

    weights, every = all_word_weights(trace, choice.shift).numpy(), choices(trace, choice.shift)
    sources = content_words(trace.source.words)
    targets = content_words(trace.target.words) if trace.target is not None else []
    off = float(np.abs(weights.sum(axis=-1) - 1).max())
    picture = Picture(
        title="Where does each word come from?",
        subtitle="Cross-attention, word by word.",
        queries=TokenStrip(tuple(word.text for word in targets)),
        keys=TokenStrip(tuple(word.text for word in sources)),
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site="cross",
        layer=choice.layer,
        head=choice.head,
        badge=Badge(f"rows sum to 1 · max |Δ| {off:.1e}", off < 1e-4),
        notes=(NOTE.format("that wrote it" if choice.shift == 0 else "after it was written"),),
        caption=f"{len(targets)} words of a translation and what each reads.",
    )
    options = {
        "words": _words(targets, tokens),
        "choices": [{"layer": c.layer, "head": c.head, "name": c.place} for c in every],
        "chosen": every.index(choice),
        "measured": is_measured,
    }
    return make_payload("translation", picture, options, {"weights": quantise(weights)})


def _words(targets: Sequence[Word], tokens: Sequence[WrittenToken]) -> list[dict[str, Any]]:
    """The translation's words with their tokens; it begins with the start token, never written."""
    return [
        {
            "text": word.text,
            "tokens": [asdict(tokens[p - 1]) for p in word.positions if 0 < p <= len(tokens)],
        }
        for word in targets
    ]
