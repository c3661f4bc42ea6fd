"""Steps of decoding and their candidates as files."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from transformer_core.figures.decoder import strategy_facts
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep

_COLUMNS = (
    "token_id",
    "token",
    "logit",
    "probability",
    "penalised",
    "scaled",
    "weight",
    "chosen_probability",
)


def to_csv(steps: Sequence[DecodingStep]) -> str:
    """A row a candidate of each step; the first line says whose."""
    out = io.StringIO()
    writer = TableWriter(out)
    source = _source(steps)
    writer.writerow(["# " + " · ".join(f"{name} {value}" for name, value in source.items())])
    writer.writerow(["step", "written", *_COLUMNS, "cut"])
    for step in steps:
        for candidate in step.candidates:
            values = [getattr(candidate, name) for name in _COLUMNS]
            cells = [f"{v:.6g}" if isinstance(v, float) else v for v in values]
            writer.writerow([step.index, int(candidate.is_chosen), *cells, candidate.cut.reason])
    return out.getvalue()


def to_json(steps: Sequence[DecodingStep]) -> str:
    """Every step with its candidates and the tail beyond them."""
    content = {**_source(steps), "steps": [_step(step) for step in steps]}
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def _step(step: DecodingStep) -> dict[str, Any]:
    distribution = step.distribution()
    candidates = distribution.candidates()
    return {
        "step": step.index,
        "token_id": step.token_id,
        "token": step.token,
        "log_prob": step.log_prob,
        "cumulative_log_prob": step.cumulative_log_prob,
        "is_forced": step.is_forced,
        "ended": step.ended,
        "seconds": step.seconds,
        "cache_positions": step.cache.n_pos,
        "cache_bytes": step.cache.nbytes,
        "n_kept": distribution.n_kept,
        "tail": vars(distribution.tail(candidates)),
        "candidates": [
            {
                **{name: _known(getattr(candidate, name)) for name in _COLUMNS},
                "cut": candidate.cut.reason,
            }
            for candidate in candidates
        ],
    }


def _source(steps: Sequence[DecodingStep]) -> dict[str, Any]:
    trace = steps[-1].trace
    return {
        "model": trace.model_id,
        "revision": trace.revision,
        "text": trace.text,
        "written": steps[-1].text,
        "strategy": strategy_facts(steps[-1].strategy),
    }


def _known(value: Any) -> Any:
    """JSON has no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
