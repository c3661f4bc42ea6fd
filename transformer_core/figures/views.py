"""The views of the Attention page: Trace → payload, for page, file and notebook alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transformer_core.errors import InputError
from transformer_core.figures.payload import (
    MAX_THUMBNAIL,
    HeadNote,
    Payload,
    Picture,
    Window,
    dims_payload,
    grid_payload,
    heatmap_payload,
    links_payload,
    pooled_payload,
    steps_payload,
)
from transformer_core.figures.reader import HeadReader
from transformer_core.figures.readings import (
    MAP_SUBTITLE,
    Place,
    Reading,
    badge,
    evidence_of,
    picture_of,
    strips,
)

if TYPE_CHECKING:
    from transformer_core.figures.evidence import Evidence
    from transformer_core.figures.picture import TokenStrip
    from transformer_core.tracing.trace import Trace

__all__ = [
    "Place",
    "Reading",
    "all_heads",
    "badge",
    "by_the_numbers",
    "heat_map",
    "links",
    "query_key",
]

MAX_EXACT = 1024
"""Above this many tokens a map is pooled."""

MAX_WINDOW = 256
"""Exact cells of a pooled map travel up to this many rows and columns at a time."""

MAX_LINKED = 1024
"""Up to this many tokens the links are drawn."""

MAX_BESIDE = 64
"""Up to this many tokens all heads are drawn beside the map, too."""

ROLE_NOTE = (
    "Roles are measured on this text alone: mean weight of the role's key, against the same "
    "weights shuffled among the keys that each query may see."
)

Bounds = tuple[int, int, int, int]
"""First row, end row, first column, end column."""


def heat_map(
    trace: Trace,
    place: Place,
    reading: Reading = Reading(),  # noqa: B008
    *,
    with_overview: bool = False,
    window: Bounds | None = None,
) -> Payload:
    """Where does each token look? One head as a map, on request with all heads beside it.

    A map of over 1,024 tokens is pooled; ``window`` says of which part exact cells go with it. They
    are computed from the queries of these rows alone: memory is O(n · d), never n².

    Args:
        with_overview: All heads beside it, where they are made quickly.
        window: Bounds of the exact part, cut to the map and to 256 × 256.

    Raises:
        NotInTraceError: If the model has no such site, layer or head.
        InputError: If the reading leaves nothing to show.
    """
    reader = HeadReader(trace, place, reading)
    if max(reader.shape) > MAX_EXACT:
        return _pooled(reader, window)
    pattern, picture = reader.rows().numpy(), _picture(reader, "Where does each token look?")
    visible = reader.visible()
    return heatmap_payload(
        picture,
        pattern,
        evidence=evidence_of(trace, place) if reading.is_plain else None,
        allowed=None if visible is None else visible.numpy(),
        selected=_strongest(pattern, picture),
        overview=_beside(trace, place) if with_overview else None,
    )


def links(trace: Trace, place: Place, reading: Reading = Reading()) -> Payload:  # noqa: B008
    """Which tokens are linked? Lines from queries to keys, as strong as the weight.

    Raises:
        InputError: If there are over 1,024 tokens.
    """
    reader = HeadReader(trace, place, reading)
    if max(reader.shape) > MAX_LINKED:
        raise InputError(
            f"Links are drawn for {MAX_LINKED:,} tokens at most; here are {max(reader.shape):,}. "
            "The heat map shows longer texts."
        )
    picture = _picture(
        reader, "Which tokens are linked?", "A line from query to key is as strong as the weight."
    )
    visible = reader.visible()
    return links_payload(
        picture, reader.rows().numpy(), allowed=None if visible is None else visible.numpy()
    )


def query_key(trace: Trace, place: Place) -> Payload:
    """Why this score? The products of query and key by dimension.

    Raises:
        InputError: If the pattern was imposed or imported, or there are over 1,024 tokens.
    """
    evidence = _needed(evidence_of(trace, place), place)
    reader = HeadReader(trace, place)
    if max(reader.shape) > MAX_EXACT:
        raise InputError(
            f"Products are shown for {MAX_EXACT:,} tokens at most; here are {max(reader.shape):,}. "
            "By the numbers takes longer texts."
        )
    subtitle = "A score is the sum of one product for each dimension."
    picture = picture_of(trace, place, "Why this score?", subtitle=subtitle)
    pattern, visible = reader.rows().numpy(), reader.visible()
    return dims_payload(
        picture,
        pattern,
        evidence=evidence,
        allowed=None if visible is None else visible.numpy(),
        selected=_strongest(pattern, picture),
    )


def by_the_numbers(trace: Trace, place: Place) -> Payload:
    """How is the output computed? q·kᵀ, scale, mask, softmax, ·v with this text's numbers.

    Raises:
        InputError: If the pattern was imposed or imported, so that no numbers stand behind it.
        NotInTraceError: If the trace has no values and no way to compute them.
    """
    evidence = _needed(evidence_of(trace, place, is_whole=True), place)
    picture = picture_of(
        trace,
        place,
        "How does attention compute its output?",
        subtitle="One query, from its scores to what the head writes.",
    )
    selected = _strongest_of(HeadReader(trace, place), picture)
    return steps_payload(picture, evidence=evidence, selected=selected)


def all_heads(trace: Trace, site: str, *, selected: tuple[int, int] | None = None) -> Payload:
    """What do all heads do? Layers down, heads across."""
    maps, notes = _overview(trace, site)
    picture = _whole(trace, site, "What do all heads do?", selected)
    return grid_payload(picture, maps, notes=notes, selected=selected)


def _picture(reader: HeadReader, title: str, subtitle: str = MAP_SUBTITLE) -> Picture:
    shown = reader.queries, reader.keys
    notes = reader.notes()
    return picture_of(
        reader.trace, reader.place, title, subtitle=subtitle, shown=shown, notes=notes
    )


def _needed(evidence: Evidence | None, place: Place) -> Evidence:
    if evidence is None:
        raise InputError(
            f"The pattern of L{place.layer} H{place.head} was given, not computed from queries and "
            "keys, so there are no numbers behind it. The heat map shows it."
        )
    return evidence


def _whole(trace: Trace, site: str, title: str, selected: tuple[int, int] | None) -> Picture:
    queries, keys = strips(trace, site)
    return Picture(
        title=title,
        subtitle="Layers down, heads across.",
        hint="Open one with a click or Enter.",
        queries=queries,
        keys=keys,
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site=site,
        layer=selected[0] if selected else None,
        head=selected[1] if selected else None,
        notes=trace.notes + _pooled_note(queries, keys) + (() if site == "cross" else (ROLE_NOTE,)),
        caption=f"All heads: {trace.n_layers(site)} layers of {trace.n_heads(site)}.",
    )


def _pooled_note(queries: TokenStrip, keys: TokenStrip) -> tuple[str, ...]:
    if max(len(queries), len(keys)) <= MAX_THUMBNAIL:
        return ()
    return (f"Pooled to {MAX_THUMBNAIL} blocks a side: the largest weight of each block.",)


def _overview(trace: Trace, site: str) -> tuple[NDArray[np.float32], list[list[HeadNote]]]:
    from transformer_core.analysis.heads import all_patterns, pattern_facts
    from transformer_core.analysis.pooling import block_maxima

    n_layers, n_heads = trace.n_layers(site), trace.n_heads(site)
    small, notes = [], []
    for patterns, visible in all_patterns([trace.light(site, i) for i in range(n_layers)]):
        small.append(block_maxima(patterns).numpy())
        facts = pattern_facts(patterns, visible, is_self=site != "cross")
        notes += [HeadNote(**vars(of_head)) for of_head in facts]
    maps = np.concatenate(small)
    by_layer = [notes[start : start + n_heads] for start in range(0, len(notes), n_heads)]
    return maps.reshape(n_layers, n_heads, *maps.shape[1:]), by_layer


def _beside(trace: Trace, place: Place) -> Payload | None:
    """All heads beside the map, where they are made quickly."""
    record = trace.light(place.site, place.layer)
    if max(record.n_query, record.n_key) > MAX_BESIDE:
        return None
    return all_heads(trace, place.site, selected=(place.layer, place.head))


def _pooled(reader: HeadReader, window: Bounds | None) -> Payload:
    from transformer_core.analysis.pooling import pooled_rows

    largest, mean = pooled_rows(reader.rows, reader.shape)
    picture = _picture(reader, "Where does each token look?")
    size = f"{largest.shape[0]} × {largest.shape[1]}"
    note = f"Pooled to {size} blocks: the largest weight of each, or the mean."
    hint = "Zoom in for the exact cells."
    picture = replace(picture, notes=(note, *picture.notes), hint=hint)
    part = None if window is None else _window(reader, window)
    selected = _strongest_of(reader, picture)
    return pooled_payload(picture, largest.numpy(), mean.numpy(), window=part, selected=selected)


def _window(reader: HeadReader, bounds: Bounds) -> Window | None:
    """Exact cells of a part of the map, with the queries and keys behind them."""
    (n_rows, n_columns), (r0, r1, c0, c1) = reader.shape, bounds
    r0, c0 = max(r0, 0), max(c0, 0)
    r1, c1 = min(r1, n_rows, r0 + MAX_WINDOW), min(c1, n_columns, c0 + MAX_WINDOW)
    if r0 >= r1 or c0 >= c1:
        return None
    visible = reader.visible(r0, r1)
    evidence = evidence_of(reader.trace, reader.place) if reader.reading.is_plain else None
    return Window(
        row=r0,
        column=c0,
        weights=reader.rows(r0, r1)[:, c0:c1].numpy(),
        allowed=None if visible is None else visible[:, c0:c1].numpy(),
        evidence=evidence and evidence.part((r0, r1), (c0, c1)),
    )


def _strongest_of(reader: HeadReader, picture: Picture) -> tuple[int, int] | None:
    """The strongest pair of ordinary tokens, found without the whole map in memory."""
    best: tuple[float, int, int] | None = None
    for start, end in reader.chunks():
        rows = reader.rows(start, end).numpy()
        found = _strongest(rows, picture, first=start)
        if found and (best is None or rows[found[0] - start, found[1]] > best[0]):
            best = (float(rows[found[0] - start, found[1]]), *found)
    return best and best[1:]


def _strongest(
    rows: NDArray[np.float32], picture: Picture, *, first: int = 0
) -> tuple[int, int] | None:
    """The largest weight between ordinary tokens: where a look is most worth it.

    Args:
        rows: Rows of the pattern, ``[rows key_pos]``.
        first: The query of the first of them.
    """
    n_rows, n_columns = rows.shape
    queries = (picture.queries.is_special or (False,) * len(picture.queries))[first:][:n_rows]
    keys = picture.keys.is_special or (False,) * n_columns
    plain = np.outer(~np.array(queries, dtype=bool), ~np.array(keys, dtype=bool))
    if picture.site != "cross" and len(picture.queries) == n_columns > 1:
        # Itself and the first token, where heads rest, say little.
        plain &= ~np.eye(n_rows, n_columns, first, dtype=bool)
        plain[:, 0] = False
    if not plain.any():
        return None
    row, column = np.unravel_index(np.where(plain, rows, -1.0).argmax(), rows.shape)
    return first + int(row), int(column)
