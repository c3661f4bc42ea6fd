"""A layer's tensors as files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from transformer_core.figures.layer_schemes import stream_lengths
from transformer_core.figures.layer_stations import stations_of
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    from transformer_core.analysis.layer_walk import LayerWalk
    from transformer_core.figures.layer_stations import Station
    from transformer_core.tracing.trace import Trace


def to_npz(trace: Trace, walk: LayerWalk, head: int) -> bytes:
    """Every tensor of the walk, whole, by the name that stands on the picture."""
    stations = stations_of(trace, walk, head).stations.values()
    file = io.BytesIO()
    arrays: dict[str, np.ndarray[Any, Any]] = {
        station.id.replace(".", "_"): station.values for station in stations
    }
    arrays["tokens"] = np.array(trace.query_tokens(walk.place[0]).display)
    arrays["source"] = np.array([_source(trace, walk), f"head {head}"])
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def to_csv(trace: Trace, walk: LayerWalk, head: int, opened: str) -> str:
    """The open tensor as a table: a row a token; the first line says whose."""
    stations = stations_of(trace, walk, head).stations
    station = stations.get(opened, next(iter(stations.values())))
    out = io.StringIO()
    writer = TableWriter(out)
    writer.writerow([f"# {_source(trace, walk)} · head {head} · {station.name}"])
    writer.writerow(["token", *range(station.values.shape[1])])
    for token, row in zip(_tokens(trace, walk, station), station.values.tolist(), strict=True):
        writer.writerow([token, *(f"{value:.9g}" for value in row)])
    return out.getvalue()


def lengths_to_csv(trace: Trace, stack: str) -> str:
    """Mean length of the residual stream, a row a layer; −1 is before the first."""
    out = io.StringIO()
    writer = TableWriter(out)
    writer.writerow([f"# model {trace.model_id} · revision {trace.revision} · text {trace.text}"])
    writer.writerow(["layer", "mean length"])
    for layer, length in enumerate(stream_lengths(trace, stack), start=-1):
        writer.writerow([layer, f"{length:.9g}"])
    return out.getvalue()


def _tokens(trace: Trace, walk: LayerWalk, station: Station) -> tuple[str, ...]:
    """Whose rows they are: of cross-attention's keys and values, the source's tokens."""
    tokens = trace.query_tokens(walk.place[0]).display
    is_read = station.rows == "key" and walk.blocks[int(station.id.split(".")[0])].kind == "cross"
    return trace.key_tokens("cross").display if is_read else tokens


def _source(trace: Trace, walk: LayerWalk) -> str:
    stack, layer = walk.place
    return (
        f"model {trace.model_id} · revision {trace.revision} · text {trace.text} · {stack} "
        f"layer {layer}"
    )
