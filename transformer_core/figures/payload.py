"""Attention pictures as the browser component takes them: one builder for each view.

A payload is a JSON header and named arrays (see :mod:`.wire` for the bytes). Every header has:

====================  ============================================================================
``version``           schema version, 1
``view``              heatmap, grid, links, dims, steps, cards, causes, switchboard or pair
``id``                changes with anything drawn; set on the page as ``data-painted`` when it is
``identity``          same model, text and site: the browser keeps selection, zoom and scale
``title`` …           ``subtitle model revision text site layer head notes caption badge unit``
``queries``, ``keys`` ``{display, special: [positions], joins: [positions]}``; keys null = queries
``theme``             ``{light, dark}``: colours by name and palettes as lists of stops
``options``           what only this view needs, listed at its builder
====================  ============================================================================

Arrays: ``weights`` ``[query key]`` quantised, code 0 = masked; with evidence ``q k row_max
row_sum`` and, where there, ``bias v z``; ``thumbnails`` ``[layer head row column]``; pooled maps
``maximum``, ``mean`` and the exact ``window``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transformer_core.errors import InputError
from transformer_core.figures.evidence import Evidence
from transformer_core.figures.picture import Badge, Picture, TokenStrip
from transformer_core.figures.wire import EncodedArray, pack, quantise
from transformer_core.figures.wire_theme import wire_theme

__all__ = [
    "Badge",
    "Evidence",
    "HeadNote",
    "Payload",
    "Picture",
    "TokenStrip",
    "Window",
    "dims_payload",
    "grid_payload",
    "heatmap_payload",
    "links_payload",
    "pair_payload",
    "pooled_payload",
    "steps_payload",
    "switchboard_payload",
]

VERSION = 1
MAX_THUMBNAIL = 32

View = str
"""Name of a class in ``assets/components/attention/views.js``."""
Cell = tuple[int, int]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Payload:
    """Everything that the browser needs to draw one view, without asking the server."""

    header: Mapping[str, Any]
    arrays: Mapping[str, EncodedArray] = field(default_factory=dict)

    @property
    def view(self) -> str:
        """Name of the view."""
        return str(self.header["view"])

    @property
    def caption(self) -> str:
        """What the picture shows, in words; its alternative text."""
        return str(self.header["caption"])

    @cached_property
    def id(self) -> str:
        """Digest of everything drawn."""
        digest = hashlib.blake2b(json.dumps(self.header).encode("ascii"), digest_size=8)
        for name, array in self.arrays.items():
            digest.update(name.encode("ascii"))
            digest.update(np.ascontiguousarray(array.codes).tobytes())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """Return the message for the browser."""
        return self._message

    def to_base64(self) -> str:
        """Return the message as text, for a self-contained HTML file."""
        return base64.b64encode(self._message).decode("ascii")

    @cached_property
    def _message(self) -> bytes:
        return pack({**self.header, "id": self.id}, self.arrays)


@dataclass(frozen=True)
class HeadNote:
    """What is known about one head.

    Attributes:
        entropy: Mean entropy of its rows, in bits.
        distance: Mean distance between query and key, in tokens, weighted by the pattern.
        role: Such as ``previous token``; empty for "no clear role".
        score: How strongly the head plays the role, from 0 to 1.
        baseline: The same score of shuffled patterns.
    """

    entropy: float | None = None
    distance: float | None = None
    role: str = ""
    score: float | None = None
    baseline: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain data."""
        return {name: value for name, value in vars(self).items() if value not in (None, "")}


@dataclass(frozen=True)
class Window:
    """Exact cells of a part of a pooled map.

    Attributes:
        row: First query of the part; ``column`` its first key.
        weights: ``[rows columns]``.
        allowed: True where a query may look at a key.
        evidence: Queries and keys of the part, where they explain it.
    """

    row: int
    column: int
    weights: Floats
    allowed: NDArray[np.bool_] | None = None
    evidence: Evidence | None = None


def heatmap_payload(
    picture: Picture,
    pattern: ArrayLike,
    *,
    evidence: Evidence | None = None,
    allowed: ArrayLike | None = None,
    selected: Cell | None = None,
    overview: Payload | None = None,
) -> Payload:
    """Draw one head as a map: queries down, keys across.

    Options: ``selected``, ``evidence`` (scaling, softcap, bias), ``overview`` (grid options).

    Args:
        pattern: ``[query_pos key_pos]``, after softmax.
        evidence: Lets the browser explain any cell; None where a pattern was merged or imposed.
        allowed: True where a query may look at a key (default: the evidence's mask).
        selected: Query and key of the cell picked at first.
        overview: A ``grid_payload`` to show beside the map.
    """
    return _map(
        "heatmap", picture, pattern, _extras(selected, overview), evidence=evidence, allowed=allowed
    )


def links_payload(
    picture: Picture,
    pattern: ArrayLike,
    *,
    allowed: ArrayLike | None = None,
    selected: Cell | None = None,
) -> Payload:
    """Draw one head as lines from queries to keys. Options: ``selected``."""
    return _map("links", picture, pattern, _extras(selected), allowed=allowed)


def dims_payload(
    picture: Picture,
    pattern: ArrayLike,
    *,
    evidence: Evidence,
    allowed: ArrayLike | None = None,
    selected: Cell | None = None,
) -> Payload:
    """Draw the products of a query and a key by dimension. Options as for the heat map."""
    return _map("dims", picture, pattern, _extras(selected), evidence=evidence, allowed=allowed)


def steps_payload(picture: Picture, *, evidence: Evidence, selected: Cell | None = None) -> Payload:
    """Draw the equation step by step for one query; the browser computes every step itself.

    Options as for the heat map. Arrays: ``q k v z difference row_max row_sum`` and, where there,
    ``bias`` and ``mask`` (bits, the first key in the lowest): O(n · d) numbers and no weights.

    Raises:
        InputError: If the evidence holds no values, or a bias too large to send.
    """
    options, _ = _extras(selected)
    options["evidence"], arrays = evidence.encode_steps()
    return make_payload("steps", picture, options, arrays)


def pooled_payload(
    picture: Picture,
    maximum: ArrayLike,
    mean: ArrayLike,
    *,
    window: Window | None = None,
    selected: Cell | None = None,
) -> Payload:
    """Draw a map too large to send: each cell the largest or mean weight of a block.

    Options: ``pooled`` (number of blocks), ``window`` ``{row, column}``. The browser asks for exact
    cells by setting the state ``window`` to ``[first row, end row, first column, end column]``.
    """
    arrays = {"maximum": quantise(maximum, fine=False), "mean": quantise(mean, fine=False)}
    options: dict[str, Any] = {**_extras(selected)[0], "pooled": list(np.shape(maximum))}
    if window is not None:
        arrays["window"] = quantise(window.weights, allowed=window.allowed)
        options["window"] = {"row": window.row, "column": window.column}
        if window.evidence is not None:
            options["evidence"], more = window.evidence.encode()
            arrays |= more
    return make_payload("heatmap", picture, options, arrays)


def grid_payload(
    picture: Picture,
    patterns: ArrayLike,
    *,
    notes: Sequence[Sequence[HeadNote]] = (),
    selected: tuple[int, int] | None = None,
) -> Payload:
    """Draw all heads at a glance: layers down, heads across.

    Options: ``n_layers n_heads selected`` and ``heads``, a list of facts by layer and head.

    Args:
        patterns: ``[layer head row column]``, pooled to at most 32 × 32.
    """
    return _heads("grid", picture, patterns, notes, selected)


def switchboard_payload(
    picture: Picture,
    switches: Mapping[tuple[int, int], str],
    *,
    shape: tuple[int, int],
    importance: ArrayLike | None = None,
    extras: Mapping[str, Any],
) -> Payload:
    """Draw a toggle for each head; the state ``switches`` lists ``[layer, head, mode]``.

    Options: ``n_layers n_heads switches importance`` and those of :mod:`.ablation`.

    Args:
        switches: Heads that are off, and how.
        shape: Number of layers and of heads.
        importance: ``[layer head]``: change of the output when the head alone is off, for the
            colour; NaN where it is not known yet.
        extras: More options.
    """
    known = None if importance is None else np.asarray(importance, float).tolist()
    options = {
        "n_layers": shape[0],
        "n_heads": shape[1],
        "switches": [[layer, head, mode] for (layer, head), mode in switches.items()],
        "importance": known
        and [[None if math.isnan(size) else size for size in row] for row in known],
        **extras,
    }
    return make_payload("switchboard", picture, options, {})


def pair_payload(
    picture: Picture,
    patterns: tuple[ArrayLike, ArrayLike],
    *,
    other: Picture,
    pairs: tuple[Sequence[Cell], Sequence[Cell]],
    allowed: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    extras: Mapping[str, Any],
) -> Payload:
    """Draw two maps side by side, hovering linked through aligned tokens.

    Options: ``other`` (title, queries, keys, model, place), ``query_pairs``, ``key_pairs``, and
    those of :mod:`.compare`.

    Args:
        pairs: Queries, and keys, of the first and the second picture that belong together.
        allowed: True where a query may look at a key.
        extras: More options.
    """
    options = {
        "other": {**other.to_dict(), "place": other.place},
        "query_pairs": [list(pair) for pair in pairs[0]],
        "key_pairs": [list(pair) for pair in pairs[1]],
        **extras,
    }
    arrays = {
        name: quantise(pattern, allowed=seen)
        for name, pattern, seen in zip(("weights", "other"), patterns, allowed, strict=True)
    }
    return make_payload("pair", picture, options, arrays)


def _extras(
    selected: Cell | None, overview: Payload | None = None
) -> tuple[dict[str, Any], dict[str, EncodedArray]]:
    options: dict[str, Any] = {"selected": selected and list(selected)}
    if overview is None:
        return options, {}
    return {**options, "overview": overview.header["options"]}, dict(overview.arrays)


def _map(
    view: View,
    picture: Picture,
    pattern: ArrayLike,
    extras: tuple[dict[str, Any], dict[str, EncodedArray]],
    *,
    evidence: Evidence | None = None,
    allowed: ArrayLike | None = None,
) -> Payload:
    weights = np.asarray(pattern, dtype=np.float32)
    expected = (len(picture.queries), len(picture.keys))
    if weights.shape != expected:
        raise InputError(f"A pattern of shape {weights.shape} for {expected} tokens.")
    if allowed is None and evidence is not None:
        allowed = evidence.allowed
    options, arrays = extras
    arrays = {"weights": quantise(weights, allowed=allowed), **arrays}
    if evidence is not None:
        options["evidence"], more = evidence.encode()
        arrays |= more
    return make_payload(view, picture, options, arrays)


def _heads(
    view: View,
    picture: Picture,
    patterns: ArrayLike,
    notes: Sequence[Sequence[HeadNote]],
    selected: tuple[int, int] | None,
) -> Payload:
    small = np.asarray(patterns, dtype=np.float32)
    if small.ndim != 4 or max(small.shape[2:]) > MAX_THUMBNAIL:
        raise InputError(f"Thumbnails of shape {small.shape}; pool them to 32 × 32 first.")
    options = {
        "n_layers": small.shape[0],
        "n_heads": small.shape[1],
        "selected": selected and list(selected),
        "heads": [[note.to_dict() for note in row] for row in notes],
    }
    return make_payload(view, picture, options, {"thumbnails": quantise(small, fine=False)})


def make_payload(
    view: View,
    picture: Picture,
    options: Mapping[str, Any],
    arrays: Mapping[str, EncodedArray],
    *,
    unit: str = "weight",
) -> Payload:
    """Join a picture's words, options and arrays; ``unit`` is what one of its numbers is."""
    header = {
        "version": VERSION,
        "view": view,
        **picture.to_dict(),
        "unit": unit,
        "theme": wire_theme(),
        "options": dict(options),
    }
    return Payload(header, arrays)
