"""A translation as files: its words, their probabilities, and where each was read."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from transformer_core.figures.translation import WrittenToken, tokens_of
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    from transformer_core.analysis.word_alignment import AlignmentChoice
    from transformer_core.tasks.streaming import PartState, StreamState


def to_csv(state: StreamState, choice: AlignmentChoice) -> str:
    """A row a pair of a target word and a source word; the first line says whose and where read."""
    out = io.StringIO()
    writer = TableWriter(out)
    writer.writerow([f"# {_whose(state)} · cross-attention {choice.name}"])
    writer.writerow(["part", "target_position", "source_position", "weight", "target", "source"])
    for number, part in enumerate(written(state), 1):
        targets, sources, weights = _aligned(part, choice)
        for (i, j), weight in np.ndenumerate(weights):
            words = targets[i], sources[j]
            writer.writerow([number, i, j, f"{weight:.6g}", *words])
    return out.getvalue()


def to_json(state: StreamState, choice: AlignmentChoice) -> str:
    """Every part with its tokens, their probabilities and alternatives, and its alignment."""
    parts = []
    for part in written(state):
        targets, sources, weights = _aligned(part, choice)
        parts.append(
            {
                "source": part.source.text,
                "text": part.text,
                "is_cut": part.is_cut,
                "tokens": [_token(token) for token in tokens_of(part)],
                "target_words": targets,
                "source_words": sources,
                "alignment": weights.tolist(),
            }
        )
    first = state.parts[0].steps[0]
    content = {
        "model": first.trace.model_id,
        "revision": first.trace.revision,
        "strategy": repr(first.strategy),
        "read_at": choice.name,
        "text": state.text,
        "n_tokens": state.n_tokens,
        "seconds": round(state.seconds, 4),
        "notes": state.notes,
        "parts": parts,
    }
    return json.dumps(content, ensure_ascii=False)


def to_npz(state: StreamState, choice: AlignmentChoice) -> bytes:
    """The alignment of every layer and head: ``weights_1`` ``[choice target source]`` and so on."""
    from transformer_core.analysis.word_alignment import all_word_weights, choices

    arrays: dict[str, Any] = {}
    for number, part in enumerate(written(state), 1):
        trace = part.steps[-1].trace
        arrays["choices"] = np.array([one.place for one in choices(trace, choice.shift)])
        arrays[f"weights_{number}"] = all_word_weights(trace, choice.shift).numpy()
        targets, sources, _ = _aligned(part, choice)
        arrays[f"target_{number}"] = np.array(targets)
        arrays[f"source_{number}"] = np.array(sources)
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def written(state: StreamState) -> list[PartState]:
    """The parts that have a word in them."""
    return [part for part in state.parts if part.tokens and part.text]


def _aligned(part: PartState, choice: AlignmentChoice) -> tuple[list[str], list[str], Any]:
    from transformer_core.analysis.word_alignment import content_words, word_weights

    trace = part.steps[-1].trace
    weights = word_weights(trace, choice).numpy()
    targets = content_words(trace.target.words) if trace.target is not None else []
    sources = content_words(trace.source.words)
    return [word.text for word in targets], [word.text for word in sources], weights


def _token(token: WrittenToken) -> dict[str, Any]:
    others = [
        {"text": text, "probability": p, "id": index} for text, p, index in token.alternatives
    ]
    return {"text": token.text, "id": token.id, "probability": token.p, "alternatives": others}


def _whose(state: StreamState) -> str:
    trace = state.parts[0].steps[0].trace
    return f"model {trace.model_id} · revision {trace.revision}"
