"""Inside a layer, as the browser component takes it: view ``layer``.

Options: ``stack``, ``head``, ``is_parallel``, ``scheme``, ``blocks`` (titles), ``rows`` (kind,
block, stations, text), ``stations`` (their facts with ``limit`` and ``peak`` of the colour scale),
``heads`` (the blocks with attention), ``open`` (the station that is shown large). Arrays: for
station i its small map ``t{i}`` (code 128 is 0, 1 and 255 are −limit and limit; weights from 0)
and the norm of each row ``n{i}``; for block b ``patterns{b}`` and ``writes{b}``; ``neuron_ids`` and
``neuron_values`` ``[pos n]``; ``open``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from transformer_core.figures.layer_stations import (
    OUTS,
    TITLES,
    Station,
    Stations,
    facts,
    pooled_extremes,
    stations_of,
    strongest,
)
from transformer_core.figures.numbers import written
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip
from transformer_core.figures.wire import EncodedArray, quantise, raw

if TYPE_CHECKING:
    from transformer_core.analysis.layer_walk import LayerWalk
    from transformer_core.tracing.trace import Trace

THUMBNAIL = (64, 160)
"""A small map has at most so many rows and columns."""

PATTERN = 32
N_NEURONS = 8
SATURATED = 0.99
"""Colours of a signed map reach their end where so many of its entries lie below it."""

MAX_EXACT_CELLS = 65_536
MAX_CELLS = 1_000_000
"""A matrix that is opened travels whole up to here; a larger one is pooled, and says so."""


@dataclass(frozen=True)
class Looking:
    """What a person looks at in a layer.

    Attributes:
        head: Whose q, k, v and pattern are shown.
        opened: Id of the station that is shown large.
        token: The position whose norms and neurons are named at first.
    """

    head: int = 0
    opened: str = "resid_mid"
    token: int = 0


def layer_walk(trace: Trace, walk: LayerWalk, looking: Looking) -> Payload:
    """What does one layer do to the sentence? Every tensor on the way, top to bottom.

    Args:
        trace: The trace.
        walk: The layer.
        looking: Head, token, and what is open.
    """
    found = stations_of(trace, walk, looking.head)
    stations = list(found.stations.values())
    opened = found.stations.get(looking.opened, stations[0])
    arrays: dict[str, EncodedArray] = {}
    described = []
    for i, station in enumerate(stations):
        codes, limit, peak = thumbnail(station)
        arrays[f"t{i}"] = raw(codes, "uint8")
        arrays[f"n{i}"] = raw(np.linalg.norm(station.values, axis=1))
        described.append({**facts(station), "limit": limit, "peak": peak})
    arrays |= _heads(found)
    if found.ff_post is not None:
        ids, values = strongest(found.ff_post, N_NEURONS)
        arrays |= {"neuron_ids": raw(ids, "int32"), "neuron_values": raw(values)}
    sheet, arrays["open"] = sheet_of(opened)
    options = {
        "stack": walk.place[0],
        "head": looking.head,
        "token": looking.token,
        "is_parallel": walk.is_parallel,
        "scheme": walk.scheme,
        "blocks": [{"kind": b.kind, "title": TITLES[b.kind]} for b in walk.blocks],
        "rows": [vars(row) | {"stations": list(row.stations)} for row in found.rows],
        "stations": described,
        "heads": sorted(found.records),
        "open": {**facts(opened), **sheet},
    }
    return make_payload("layer", _picture(trace, walk), options, arrays, unit="value")


def thumbnail(station: Station) -> tuple[np.ndarray[Any, Any], float, float]:
    """A small map: codes, what their end stands for, and the largest entry."""
    peak = float(np.abs(station.values).max())
    if station.is_weight:
        small = pooled_extremes(station.values, THUMBNAIL)
        return np.rint(255 * small / (peak or 1.0)), peak, peak
    limit = float(np.quantile(np.abs(station.values), SATURATED)) or peak or 1.0
    small = pooled_extremes(station.values, THUMBNAIL)
    return np.rint(128 + 127 * np.clip(small / limit, -1, 1)), limit, peak


def sheet_of(station: Station) -> tuple[dict[str, Any], EncodedArray]:
    """A station to be shown large: whole, or pooled where it is too large, and said so."""
    values = station.values
    notes: list[str] = []
    if values.size > MAX_CELLS:
        rows = min(values.shape[0], 1024)
        values = pooled_extremes(values, (rows, MAX_CELLS // rows))
        notes.append(
            f"Pooled from {station.values.shape[0]} × {station.values.shape[1]} to "
            f"{values.shape[0]} × {values.shape[1]}: of each block the largest entry by magnitude."
        )
    is_small = values.size <= MAX_EXACT_CELLS
    encoded = raw(values, "float32" if is_small else "float16")
    if not is_small:
        notes.append(f"Rounded to half precision: off by {encoded.max_error:.1g} at most.")
    peak = float(np.abs(values).max())
    limit = peak if station.is_weight else float(np.quantile(np.abs(values), SATURATED))
    return {"notes": notes, "limit": limit or peak or 1.0, "peak": peak}, encoded


def _heads(found: Stations) -> dict[str, EncodedArray]:
    arrays = {}
    for block, record in found.records.items():
        patterns = np.stack(
            [
                pooled_extremes(record.pattern(head).numpy(), (PATTERN, PATTERN))
                for head in range(record.n_heads)
            ]
        )
        arrays[f"patterns{block}"] = quantise(patterns, fine=False)
        arrays[f"writes{block}"] = raw(found.writes[block])
    return arrays


def _picture(trace: Trace, walk: LayerWalk) -> Picture:
    stack, layer = walk.place
    tokens = TokenStrip.of(trace.query_tokens(stack))
    keys = TokenStrip.of(trace.key_tokens("cross")) if len(walk.blocks) == 3 else tokens
    return Picture(
        title=f"What does layer {layer} of the {stack} do to the sentence?",
        subtitle=f"{walk.name}, {scheme_words(walk)}; {len(tokens)} tokens, "
        f"{walk.resid_pre.shape[1]} dimensions.",
        hint="A click or Enter opens a tensor; a click on a head shows its q, k and v.",
        queries=tokens,
        keys=keys,
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site=stack,
        layer=layer,
        badge=badge_of(trace, walk),
        notes=(
            *trace.notes,
            f"Small maps: tokens down, at most {THUMBNAIL[0]} × {THUMBNAIL[1]} blocks, of each the "
            "largest entry by magnitude. Each map has its own colours, from −limit to +limit with "
            "99 % of its entries inside; beyond, the colour stays. Patterns: from 0 to the head's "
            "largest weight.",
        ),
        caption=_caption(walk),
    )


def scheme_words(walk: LayerWalk) -> str:
    """How norms and blocks stand to each other."""
    norm = "pre-norm" if walk.scheme == "pre" else "post-norm"
    return f"{norm}, blocks side by side" if walk.is_parallel else norm


def _caption(walk: LayerWalk) -> str:
    blocks = ", then ".join(TITLES[block.kind].lower() for block in walk.blocks)
    return (
        f"A {scheme_words(walk)} layer as a walk along its residual stream: {blocks}; each tensor "
        "with its shape, its norm and a small map."
    )


def badge_of(trace: Trace, walk: LayerWalk) -> Badge:
    """Every sum of the layer done again, and its ends against the trace's own stream."""
    stack, layer = walk.place
    ends = [
        float((walk.resid_pre - trace.resid(stack, layer=layer - 1)).abs().max()),
        float((walk.resid_post - trace.resid(stack, layer=layer)).abs().max()),
    ]
    worst = max(walk.difference, *ends)
    exact = "to the bit" if worst == 0 else f"within {written(worst, 2)}"
    details = [
        f"stream + {OUTS[block.kind]}, added again, against the tensor that the model went on "
        f"with: largest difference {written(block.difference)}"
        for block in walk.blocks
    ]
    return Badge(
        text=f"every sum equals the model's own, {exact} · max |Δ| {written(worst, 2)}",
        is_ok=worst <= 1e-4,
        details=(
            *details,
            f"resid_pre and resid_post against the trace's stream: {written(max(ends))}",
        ),
    )
