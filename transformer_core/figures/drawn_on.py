"""Which source sentences each sentence of a summary drew on, as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transformer_core.figures.payload import Payload, heatmap_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.tasks.summarization import SummaryPart

MAX_LABEL = 60


def drawn_on(part: SummaryPart) -> Payload:
    """Which sentences did the summary draw on?

    Raises:
        InputError: If source or summary has no sentence.
    """
    from transformer_core.analysis.drawn_on import shares
    from transformer_core.tasks.sentences import sentences

    start = part.prompt.start
    body = part.prompt.text[start : part.prompt.end]
    sources = sentences(body)
    spans = [(start + s.start, start + s.start + len(s.text) + len(s.after)) for s in sources]
    written = _sentences_of(part)
    weights = np.stack([shares(steps, spans).mean(dim=0).numpy() for _, steps in written])
    off = float(np.abs(weights.sum(axis=1) - 1).max())
    trace = part.steps[0].trace
    picture = Picture(
        title="Which sentences did the summary draw on?",
        subtitle="A row is one sentence of the summary; its cells sum to 1 over the source's.",
        queries=TokenStrip(tuple(_short(text) for text, _ in written)),
        keys=TokenStrip(tuple(_short(source.text) for source in sources)),
        model=trace.model_name,
        revision=trace.revision,
        text=body,
        site="cross" if "cross" in part.steps[0].sites else "decoder",
        badge=Badge(f"rows sum to 1 · max |Δ| {off:.1e}", off < 1e-4),
        notes=(
            "Mean of all layers and heads and of the sentence's steps; attention outside the "
            "source (instruction, summary so far, sink) left out and each row renormalised.",
            "Attention says where the model looked, not what the summary needs.",
        ),
        caption=f"{len(written)} summary sentences over {len(sources)} source sentences.",
    )
    return heatmap_payload(picture, weights)


def _sentences_of(part: SummaryPart) -> list[tuple[str, list[DecodingStep]]]:
    """The summary's sentences with the steps that wrote them."""
    from transformer_core.tasks.sentences import sentences

    steps = [step for step in part.steps if step.ended != "eos"]
    whole = steps[-1].text if steps else ""
    ends = [len(step.text) for step in steps]
    found = []
    for sentence in sentences(whole):
        stop = sentence.start + len(sentence.text)
        mine = [step for step, end in zip(steps, ends, strict=True) if sentence.start < end <= stop]
        if mine:
            found.append((sentence.text, mine))
    return found


def _short(text: str) -> str:
    return text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1].rstrip() + "…"
