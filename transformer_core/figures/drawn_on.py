"""Which source sentences each sentence of a summary drew on: as texts that shade each other."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip
from transformer_core.figures.wire import quantise
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep
    from transformer_core.tasks.sentences import Piece
    from transformer_core.tasks.summarization import SummaryPart, SummaryState


@dataclass(frozen=True, eq=False)
class DrawnOn:
    """One part of a summary, sentence by sentence.

    Attributes:
        written: The summary's sentences.
        n_tokens: Tokens of each.
        source: The source's sentences.
        lengths: Tokens of each.
        weights: ``[written source]``; rows sum to 1.
    """

    written: tuple[str, ...]
    n_tokens: tuple[int, ...]
    source: tuple[str, ...]
    lengths: tuple[int, ...]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, part: SummaryPart) -> DrawnOn:
        """Read it off the steps that wrote the part.

        Raises:
            InputError: If source or summary has no sentence.
        """
        from transformer_core.analysis.drawn_on import n_tokens, shares
        from transformer_core.errors import InputError

        sources, spans = _sources(part)
        written = _sentences_of(part)
        if not written:
            raise InputError("The summary has no sentence yet.")
        weights = np.stack([shares(steps, spans).mean(dim=0).numpy() for _, steps in written])
        return cls(
            tuple(text for text, _ in written),
            tuple(len(steps) for _, steps in written),
            tuple(source.text for source in sources),
            tuple(n_tokens(part.steps[0], spans)),
            weights,
        )


def drawn_on(part: SummaryPart) -> Payload:
    """Which sentences did the summary draw on?

    Options: ``lengths``, tokens of each sentence of the source.

    Raises:
        InputError: If source or summary has no sentence.
    """
    found = DrawnOn.of(part)
    first = part.steps[0]
    site = _site(first)
    off = float(np.abs(found.weights.sum(axis=1) - 1).max())
    trace = first.trace
    n_heads = first.pattern(site, layer=0).shape[0]
    where = "cross-attention" if site == "cross" else "self-attention"
    picture = Picture(
        title="Which sentences did the summary draw on?",
        subtitle="Point at a sentence of the summary: the source is shaded by how much it read.",
        queries=TokenStrip(found.written),
        keys=TokenStrip(found.source),
        model=trace.model_name,
        revision=trace.revision,
        text=_body(part),
        site=site,
        badge=Badge(f"rows sum to 1 · max |Δ| {off:.1e}", off < 1e-4),
        notes=(
            f"Weight of a source sentence: {where} summed over its tokens, averaged over "
            f"{first.n_layers(site)} layers × {n_heads} heads and over the tokens of the summary's "
            "sentence. What falls outside the source (instruction, summary so far, attention sink) "
            "is left out and the rest renormalised to 1.",
            "A long sentence collects more only by its length: “per token” divides by it, so that "
            "1 × is what even reading would give.",
            "Attention says where the model looked, not what the summary needs.",
        ),
        caption=f"{len(found.written)} summary sentences over {len(found.source)} of the source.",
    )
    options = {"lengths": list(found.lengths)}
    return make_payload("sources", picture, options, {"weights": quantise(found.weights)})


def to_csv(state: SummaryState) -> str:
    """A row a pair of sentences; the first line says whose."""
    out = io.StringIO()
    writer = TableWriter(out)
    trace = state.parts[0].steps[0].trace
    writer.writerow([f"# model {trace.model_id} · revision {trace.revision}"])
    writer.writerow(["part", "summary_sentence", "source_sentence", "weight", "summary", "source"])
    for number, part in enumerate(readable(state), 1):
        found = DrawnOn.of(part)
        for (i, j), weight in np.ndenumerate(found.weights):
            texts = found.written[i], found.source[j]
            writer.writerow([number, i + 1, j + 1, f"{weight:.6g}", *texts])
    return out.getvalue()


def to_json(state: SummaryState) -> str:
    """Text, lengths and weights of every part."""
    trace = state.parts[0].steps[0].trace
    content = {
        "model": trace.model_id,
        "revision": trace.revision,
        "summary": state.text,
        "n_tokens": state.n_tokens,
        "seconds": round(state.seconds, 3),
        "notes": state.notes,
        "parts": [_facts(part) for part in readable(state)],
    }
    return json.dumps(content, ensure_ascii=False)


def to_npz(state: SummaryState) -> bytes:
    """Weights and sentences of every part as arrays: ``weights_1``, ``summary_1``, ``source_1``."""
    arrays: dict[str, Any] = {}
    for number, part in enumerate(readable(state), 1):
        found = DrawnOn.of(part)
        arrays[f"weights_{number}"] = found.weights
        arrays[f"summary_{number}"] = np.array(found.written)
        arrays[f"source_{number}"] = np.array(found.source)
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def readable(state: SummaryState) -> list[SummaryPart]:
    """The parts that have a sentence in them."""
    return [part for part in state.parts if part.steps and _sentences_of(part) and _sources(part)]


def _facts(part: SummaryPart) -> dict[str, Any]:
    found = DrawnOn.of(part)
    return {
        "source": _body(part),
        "prompt": part.prompt.text,
        "summary": part.text,
        "summary_sentences": found.written,
        "source_sentences": found.source,
        "weights": found.weights.tolist(),
    }


def _site(step: DecodingStep) -> str:
    return "cross" if "cross" in step.sites else "decoder"


def _body(part: SummaryPart) -> str:
    return part.prompt.text[part.prompt.start : part.prompt.end]


def _sources(part: SummaryPart) -> tuple[list[Piece], list[tuple[int, int]]]:
    """The source's sentences, and where each stands in the prompt."""
    from transformer_core.tasks.sentences import sentences

    start = part.prompt.start
    found = sentences(_body(part))
    return found, [(start + s.start, start + s.start + len(s.text) + len(s.after)) for s in found]


def _sentences_of(part: SummaryPart) -> Sequence[tuple[str, list[DecodingStep]]]:
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
