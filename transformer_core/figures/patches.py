"""Where does a vision model look? Attention and its rollout, laid over the picture by patches."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transformer_core.errors import InputError
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.readings import Place, picture_of
from transformer_core.figures.wire import quantise, raw
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace
    from transformer_core.tracing.vision import Seen

MAX_PATCHES = 1024
"""More patches than these are more numbers than a browser should get at once."""

ROLLOUT_NOTE = (
    "Rollout: the heads' mean with half an identity for the residual connection, multiplied up "
    "through the layers; it knows neither values nor feed-forward layers."
)
OVERLAY_NOTE = (
    "Over the picture a weight is an opacity; each picture has a scale of its own, whose top is "
    "the largest weight on a patch from this query."
)


def patches(trace: Trace, place: Place, *, query: int = 0) -> Payload:
    """Draw what each patch and special token looks at, and what reached it through all layers.

    Options: ``grid`` (rows, columns), ``n_special``, ``selected`` (the query at first), ``labels``
    (of the two maps). Arrays: ``image`` ``[row column 3]``, ``weights`` and ``rollout``
    ``[query key]``.

    Args:
        query: Which position's look is shown at first.

    Raises:
        NotInTraceError: If the trace is of a text, or there is no such layer or head.
        InputError: If there are over 1,024 patches.
    """
    from transformer_core.tracing.vision import seen

    picture_seen = seen(trace)
    _check_size(trace, picture_seen)
    pattern, reached = maps_of(trace, place)
    last = trace.n_layers(place.site) - 1
    picture = picture_of(
        trace,
        place,
        "Where does it look?",
        subtitle="The picture as the model reads it, and what one query, outlined, reads of it.",
        notes=(OVERLAY_NOTE, ROLLOUT_NOTE),
    )
    rows, columns = picture_seen.grid
    caption = (
        f"Attention of {rows} × {columns} patches and {picture_seen.n_special} special "
        f"{'token' if picture_seen.n_special == 1 else 'tokens'} over the picture, and rollout."
    )
    picture = replace(
        picture, caption=caption, hint="Click a patch to see where it looks; arrow keys move."
    )
    options = {
        "grid": [rows, columns],
        "n_special": picture_seen.n_special,
        "selected": [min(max(query, 0), len(trace.source) - 1), 0],
        "labels": [f"Attention of L{place.layer} H{place.head}", f"Rollout, L0 to L{last}"],
    }
    arrays = {
        "image": raw(picture_seen.image, "uint8"),
        "weights": quantise(pattern),
        "rollout": quantise(reached),
    }
    return make_payload("patches", picture, options, arrays)


def maps_of(trace: Trace, place: Place) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return one head's pattern, and the rollout through all layers, ``[query_pos key_pos]``."""
    from transformer_core.analysis.attribution import trace_rollout

    pattern = trace.pattern(place.site, layer=place.layer, head=place.head)
    last = trace.n_layers(place.site) - 1
    return pattern.numpy(), trace_rollout(trace, place.site, layer=last).numpy()


def to_csv(trace: Trace, place: Place) -> str:
    """What every position reads of every patch: a row for each pair, with where the patch lies."""
    from transformer_core.tracing.vision import seen

    picture = seen(trace)
    pattern, reached = maps_of(trace, place)
    names, columns = trace.tokens, picture.grid[1]
    out = io.StringIO()
    writer = TableWriter(out)
    writer.writerow(
        [f"# model {trace.model_id} · revision {trace.revision} · L{place.layer} H{place.head}"]
    )
    writer.writerow(["query", "key", "key row", "key column", "weight", "rollout"])
    for i, query in enumerate(names):
        for j, key in enumerate(names):
            at = divmod(j - picture.n_special, columns) if j >= picture.n_special else ("", "")
            numbers = f"{pattern[i, j]:.6g}", f"{reached[i, j]:.6g}"
            writer.writerow([query, key, *at, *numbers])
    return out.getvalue()


def _check_size(trace: Trace, picture: Seen) -> None:
    if picture.n_patches > MAX_PATCHES:
        rows, columns = picture.grid
        raise InputError(
            f"{trace.model_name} cuts the picture into {rows} × {columns} patches; up to "
            f"{MAX_PATCHES:,} are shown. The Attention page shows more."
        )
