"""A film of attention: all heads of a site at steps of a training, moved in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transformer_core.errors import InputError, NotInTraceError
from transformer_core.figures.payload import MAX_THUMBNAIL, Payload, make_payload
from transformer_core.figures.picture import Picture, TokenStrip
from transformer_core.figures.wire import quantise

if TYPE_CHECKING:
    from transformer_core.training.snapshots import Film

TITLES = {
    "encoder": "How do the encoder's heads form?",
    "decoder": "How do the decoder's heads form behind the causal mask?",
    "cross": "When does a head find what to read from the source?",
}
_NOTE = "Kept in 16 bits while it trained; rows are divided by their sum, which is off by < 0.002."


def film(
    film: Film,
    site: str,
    *,
    place: tuple[int, int] | None = None,
    notes: tuple[str, ...] = (),
) -> Payload:
    """Draw a film: one head as a map, all heads beside it, a slider over the steps.

    Options: ``film`` ``{steps, place}`` (the layer and head shown first), ``overview`` as the
    heat map has it. Array: ``film`` ``[frame layer head query key]``; cells
    that the causal mask hides are masked.

    Args:
        film: What was seen.
        site: ``encoder``, ``decoder`` or ``cross``.
        place: Layer and head to show first; None: those that formed most.
        notes: What must be said besides.

    Raises:
        NotInTraceError: If it holds no such site.
        InputError: If the example is too long to be drawn so small.
    """
    if not film.frames or site not in film.frames[0].patterns:
        raise NotInTraceError(f"This film has no attention at {site!r}.")
    patterns = film.patterns(site)
    if max(patterns.shape[-2:]) > MAX_THUMBNAIL:
        raise InputError(
            f"A film is drawn of {MAX_THUMBNAIL} tokens at most; the example has "
            f"{max(patterns.shape[-2:])}."
        )
    layer, head = place or formed_most(patterns)
    n_layers, n_heads = patterns.shape[1:3]
    options = {
        "selected": _strongest(patterns[-1, layer, head]),
        "film": {"steps": [frame.step for frame in film.frames], "place": [layer, head]},
        "overview": {"n_layers": n_layers, "n_heads": n_heads, "selected": None, "heads": []},
    }
    allowed = np.tri(patterns.shape[-2], dtype=bool) if site == "decoder" else None
    arrays = {"film": quantise(patterns, allowed=allowed, fine=False)}
    picture = _picture(film, site, f"{n_layers} × {n_heads} heads", notes)
    return make_payload("film", picture, options, arrays)


def _picture(film: Film, site: str, heads: str, notes: tuple[str, ...]) -> Picture:
    """What the film says beside its numbers."""
    steps = [frame.step for frame in film.frames]
    queries = film.source if site == "encoder" else film.target
    keys = film.target if site == "decoder" else film.source
    return Picture(
        title=TITLES[site],
        subtitle="One example that is not learned from.",
        queries=TokenStrip.of(queries),
        keys=TokenStrip.of(keys),
        model=film.name,
        text=film.source.text,
        site=site,
        notes=(*notes, _NOTE),
        caption=(
            f"Attention of {heads} at {len(steps)} steps, from step {steps[0]:,} to {steps[-1]:,}."
        ),
        hint="Drag the slider or press Play; pick a head at the right.",
    )


def _strongest(pattern: NDArray[np.float32]) -> list[int]:
    """Query and key of the largest weight: the cell that is read out at first."""
    row, column = np.unravel_index(int(pattern.argmax()), pattern.shape)
    return [int(row), int(column)]


def formed_most(patterns: NDArray[np.float32]) -> tuple[int, int]:
    """Layer and head whose rows became sharpest: whose mean largest weight rose most."""
    peaks = patterns.max(-1).mean(-1)  # [frame layer head]
    rise = peaks[-1] - peaks[0]
    layer, head = np.unravel_index(int(rise.argmax()), rise.shape)
    return int(layer), int(head)
