"""The views of the Attention page: Trace → payload. The same call serves page, file and notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transformer_core.figures.payload import (
    Badge,
    Evidence,
    HeadNote,
    Payload,
    Picture,
    TokenStrip,
    cards_payload,
    dims_payload,
    grid_payload,
    heatmap_payload,
    links_payload,
    pooled_payload,
    steps_payload,
)

if TYPE_CHECKING:
    from transformer_core.tokenization.tokens import Tokens
    from transformer_core.tracing.trace import Trace

MAX_EXACT = 1024
"""Above this many tokens a map is pooled."""

MAX_PROVEN = 512
"""Up to this many tokens pattern · v is compared with the module's output unasked."""

MAX_BESIDE = 64
"""Up to this many tokens all heads are drawn beside the map, too."""

ROLE_NOTE = (
    "Roles are measured on this text alone: mean weight of the role's key, against the same weights "
    "shuffled among the keys that each query may see."
)


@dataclass(frozen=True)
class Place:
    """Which head of a trace."""

    site: str
    layer: int
    head: int


@dataclass(frozen=True)
class Reading:
    """How tokens are shown: merged to words, without special tokens (rows renormalised)."""

    words: bool = False
    hide_special: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the pattern is shown as it was computed."""
        return not (self.words or self.hide_special)


def heat_map(
    trace: Trace,
    place: Place,
    reading: Reading = Reading(),  # noqa: B008
    *,
    with_overview: bool = False,
) -> Payload:
    """Where does each token look? One head as a map, on request with all heads beside it.

    Raises:
        NotInTraceError: If the model has no such site, layer or head.
    """
    record = trace.light(place.site, place.layer)
    if max(record.n_query, record.n_key) > MAX_EXACT:
        return _pooled(trace, place)
    pattern, picture = _read(trace, place, reading, "Where does each token look?")
    selected = _strongest(pattern, picture)
    return heatmap_payload(
        picture,
        pattern,
        evidence=_evidence(trace, place) if reading.is_plain else None,
        selected=selected,
        overview=_beside(trace, place) if with_overview else None,
    )


def links(trace: Trace, place: Place, reading: Reading = Reading()) -> Payload:  # noqa: B008
    """Which tokens are linked? Lines from queries to keys, as strong as the weight."""
    pattern, picture = _read(trace, place, reading, "Which tokens are linked?")
    return links_payload(picture, pattern)


def query_key(trace: Trace, place: Place) -> Payload:
    """Why this score? The products of query and key by dimension."""
    pattern, picture = _read(trace, place, Reading(), "Why this score?")
    return dims_payload(
        picture, pattern, evidence=_evidence(trace, place), selected=_strongest(pattern, picture)
    )


def by_the_numbers(trace: Trace, place: Place) -> Payload:
    """How is the output computed? q·kᵀ, scale, mask, softmax, ·v with this text's numbers."""
    pattern, picture = _read(trace, place, Reading(), "How does attention compute its output?")
    evidence = _evidence(trace, place, with_values=True)
    return steps_payload(picture, pattern, evidence=evidence, selected=_strongest(pattern, picture))


def all_heads(trace: Trace, site: str, *, selected: tuple[int, int] | None = None) -> Payload:
    """What do all heads do? Layers down, heads across."""
    maps, notes = _overview(trace, site)
    picture = _whole(trace, site, "What do all heads do?", selected)
    return grid_payload(picture, maps, notes=notes, selected=selected)


def head_cards(trace: Trace, site: str, *, selected: tuple[int, int] | None = None) -> Payload:
    """What is each head's role? Entropy, distance and role as cards."""
    maps, notes = _overview(trace, site)
    picture = _whole(trace, site, "Which heads have a clear role?", selected)
    return cards_payload(picture, maps, notes=notes, selected=selected)


def badge(trace: Trace, place: Place) -> Badge:
    """Check one head's numbers here and now."""
    from transformer_core.analysis.proof import prove

    record = trace.light(place.site, place.layer)
    small = max(record.n_query, record.n_key) <= MAX_PROVEN
    checks = prove(trace, place.site, layer=place.layer, head=place.head, with_output=small)
    worst = max(check.difference for check in checks)
    return Badge(
        text=" · ".join(check.name for check in checks) + f" · max |Δ| {worst:.1e}",
        is_ok=all(check.is_ok for check in checks),
        details=tuple(
            f"{check.name}: largest difference {check.difference:.2e}" for check in checks
        ),
    )


def _read(
    trace: Trace, place: Place, reading: Reading, title: str
) -> tuple[NDArray[np.float32], Picture]:
    from transformer_core.analysis.words import by_word, without

    queries, keys = trace.query_tokens(place.site), trace.key_tokens(place.site)
    weights = trace.pattern(place.site, layer=place.layer, head=place.head)
    rows, columns, notes = TokenStrip.of(queries), TokenStrip.of(keys), []
    query_special, key_special = list(queries.is_special), list(keys.is_special)
    if reading.words:
        weights = by_word(weights, queries, keys)
        rows, query_special = _words(queries)
        columns, key_special = _words(keys)
        notes.append("Sub-words merged: weights summed over keys, averaged over queries.")
    if reading.hide_special:
        kept_rows = [i for i, special in enumerate(query_special) if not special]
        kept_columns = [i for i, special in enumerate(key_special) if not special]
        hidden = float(1 - weights[kept_rows][:, kept_columns].sum(-1).mean()) if kept_rows else 1.0
        weights = without(weights, kept_rows, kept_columns)
        rows, columns = _kept(rows, kept_rows), _kept(columns, kept_columns)
        notes.append(
            f"Special tokens hidden ({hidden:.0%} of the weight on average); rows renormalised."
        )
    return weights.numpy(), _picture(trace, place, title, (rows, columns), tuple(notes))


def _words(tokens: Tokens) -> tuple[TokenStrip, list[bool]]:
    special = [word.is_special for word in tokens.words]
    return TokenStrip(tuple(word.text for word in tokens.words), tuple(special)), special


def _kept(strip: TokenStrip, positions: list[int]) -> TokenStrip:
    def pick(flags: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(flags[i] for i in positions) if flags else ()

    return TokenStrip(pick(strip.display), pick(strip.is_special), pick(strip.continues))


def _picture(
    trace: Trace,
    place: Place,
    title: str,
    strips: tuple[TokenStrip, TokenStrip],
    notes: tuple[str, ...] = (),
) -> Picture:
    return Picture(
        title=title,
        subtitle=(
            f"L{place.layer} H{place.head}. A row is one query (reads); "
            "its cells sum to 1 over the keys (are read)."
        ),
        queries=strips[0],
        keys=strips[1],
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site=place.site,
        layer=place.layer,
        head=place.head,
        badge=badge(trace, place),
        notes=notes,
        caption=f"Attention pattern of {len(strips[0])} queries over {len(strips[1])} keys.",
    )


def _whole(trace: Trace, site: str, title: str, selected: tuple[int, int] | None) -> Picture:
    strips = TokenStrip.of(trace.query_tokens(site)), TokenStrip.of(trace.key_tokens(site))
    return Picture(
        title=title,
        subtitle="Layers down, heads across. Open one with a click or Enter.",
        queries=strips[0],
        keys=strips[1],
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site=site,
        layer=selected[0] if selected else None,
        head=selected[1] if selected else None,
        notes=("Maps over 32 tokens are pooled: largest weight of each block.", ROLE_NOTE),
        caption=f"All heads: {trace.n_layers(site)} layers of {trace.n_heads(site)}.",
    )


def _overview(trace: Trace, site: str) -> tuple[NDArray[np.float32], list[list[HeadNote]]]:
    from transformer_core.analysis.heads import head_facts
    from transformer_core.analysis.pooling import pooled_pattern

    is_self, maps, notes = site != "cross", [], []
    for layer in range(trace.n_layers(site)):
        record = trace.light(site, layer)
        heads = range(record.n_heads)
        maps.append(np.stack([pooled_pattern(record, h, size=32)[0].numpy() for h in heads]))
        notes.append([HeadNote(**vars(head_facts(record, h, is_self=is_self))) for h in heads])
    return np.stack(maps), notes


def _beside(trace: Trace, place: Place) -> Payload | None:
    """All heads beside the map, where they are made quickly."""
    record = trace.light(place.site, place.layer)
    if max(record.n_query, record.n_key) > MAX_BESIDE:
        return None
    return all_heads(trace, place.site, selected=(place.layer, place.head))


def _pooled(trace: Trace, place: Place) -> Payload:
    from transformer_core.analysis.pooling import pooled_pattern

    record = trace.light(place.site, place.layer)
    largest, mean = pooled_pattern(record, place.head)
    strips = tuple(
        TokenStrip.of(tokens)
        for tokens in (trace.query_tokens(place.site), trace.key_tokens(place.site))
    )
    note = f"Pooled to {largest.shape[0]} × {largest.shape[1]} blocks: largest or mean weight."
    picture = _picture(trace, place, "Where does each token look?", (strips[0], strips[1]), (note,))
    return pooled_payload(picture, largest.numpy(), mean.numpy())


def _evidence(trace: Trace, place: Place, *, with_values: bool = False) -> Evidence | None:
    record = (
        trace.record(place.site, layer=place.layer)
        if with_values
        else trace.light(place.site, place.layer)
    )
    if record.d_head == 0 or place.head in record.overrides:
        return None
    head, visible, bias = place.head, record.visible(place.head), record.bias
    return Evidence(
        q=record.queries(head).numpy(),
        k=record.keys(head).numpy(),
        scaling=record.scaling,
        allowed=None if visible is None else visible.numpy(),
        bias=None if bias is None else bias[head if bias.shape[0] > 1 else 0].float().numpy(),
        v=record.values(head).numpy() if with_values else None,
    )


def _strongest(pattern: NDArray[np.float32], picture: Picture) -> tuple[int, int] | None:
    """The largest weight between ordinary tokens: where a look is most worth it."""
    rows = picture.queries.is_special or (False,) * pattern.shape[0]
    columns = picture.keys.is_special or (False,) * pattern.shape[1]
    plain = np.outer(~np.array(rows, dtype=bool), ~np.array(columns, dtype=bool))
    if pattern.shape[0] == pattern.shape[1] and pattern.shape[0] > 1:
        plain &= ~np.eye(pattern.shape[0], dtype=bool)
    if not plain.any():
        return None
    row, column = np.unravel_index(np.where(plain, pattern, -1.0).argmax(), pattern.shape)
    return int(row), int(column)
