"""Two maps whose tokens belong together: side by side, subtracted, their heads ranked.

Options of the payload, beside the aligned pairs: ``query_same`` and ``key_same`` (whether a pair's
tokens are equal), ``row_bits`` (divergence of each aligned query; null where none), ``labels``
(what to call the two), ``selected`` (cell of the first map) and ``board``: ``n_layers n_heads
values selected order title subtitle``, or ``note`` where heads are not ranked.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transformer_core.figures.comparison import (
    Comparison,
    Ranking,
    Side,
    closest_heads,
    rank_heads,
)
from transformer_core.figures.payload import Payload, pair_payload
from transformer_core.figures.picture import Badge, Picture
from transformer_core.figures.readings import Reading, badge, picture_of
from transformer_core.spreadsheets import TableWriter
from transformer_core.tokenization.tokens import readable

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Ranking", "Side", "closest_heads", "pair", "rank_heads", "to_csv", "to_json"]

WORDS_NOTE = "The two are cut into tokens differently, so they are compared word by word."
EXCERPT = 40
"""Characters of a text, about, that name it above its map."""

BOLD_NOTE = "Bold labels: tokens that differ or have no counterpart."
CAUSAL_NOTE = (
    "A decoder sees nothing after a query, so rows before the first difference are equal and lower "
    "the mean."
)


def pair(
    first: Side,
    second: Side,
    reading: Reading = Reading(),  # noqa: B008
    *,
    ranking: Ranking | None = None,
    is_live: bool = False,
) -> Payload:
    """What changes from one to the other? Two maps, their difference, their heads ranked.

    Args:
        first: The one that the page is about.
        second: The one that it is compared with.
        reading: How tokens are read.
        ranking: Divergence of heads, to show beside the maps.
        is_live: Whether somebody listens and opens the head that is picked.

    Raises:
        InputError: If the two have no token in common or are too long to align.
    """
    from transformer_core.analysis.compare import row_divergence

    both = Comparison(first, second, reading)
    patterns = both.patterns()
    rows = row_divergence(*patterns, both.queries, both.keys)
    seen = tuple(reader.visible() for reader in both.readers)
    extras = {
        "query_same": list(both.queries.is_same),
        "key_same": list(both.keys.is_same),
        "row_bits": [None if math.isnan(bits) else bits for bits in rows.bits.tolist()],
        "labels": list(_labels(both)),
        "is_live": is_live,
        "selected": _most_changed(both, patterns),
        "board": _board(both, ranking),
    }
    notes = _notes(both, rows.bits, (float(rows.kept[0]), float(rows.kept[1])))
    return pair_payload(
        _picture(both, 0, notes),
        (patterns[0].numpy(), patterns[1].numpy()),
        other=_picture(both, 1, ()),
        pairs=(both.queries.pairs, both.keys.pairs),
        allowed=(_array(seen[0]), _array(seen[1])),
        extras=extras,
    )


def to_csv(first: Side, second: Side, reading: Reading = Reading()) -> str:  # noqa: B008
    """A row for each aligned query and key: weight in the first, in the second, difference."""
    both = Comparison(first, second, reading)
    p, q = (pattern.tolist() for pattern in both.patterns())
    strips = [(reader.queries.display, reader.keys.display) for reader in both.readers]
    out = io.StringIO()
    writer = TableWriter(out)
    writer.writerow(["# " + " · ".join(f"{name} {value}" for name, value in _facts(both).items())])
    sides = ("query", "query (second)", "key", "key (second)")
    writer.writerow([*sides, "weight", "weight (second)", "difference"])
    for i, k in both.queries.pairs:
        for j, m in both.keys.pairs:
            tokens = strips[0][0][i], strips[1][0][k], strips[0][1][j], strips[1][1][m]
            numbers = p[i][j], q[k][m], q[k][m] - p[i][j]
            writer.writerow([*tokens, *(f"{number:.6g}" for number in numbers)])
    return out.getvalue()


def to_json(
    first: Side,
    second: Side,
    reading: Reading = Reading(),  # noqa: B008
    *,
    ranking: Ranking | None = None,
) -> str:
    """Both patterns, what is aligned, divergence by row and by head, and where it came from."""
    options = pair(first, second, reading, ranking=ranking).header["options"]
    both = Comparison(first, second, reading)
    names = ("query_pairs", "key_pairs", "row_bits")
    content = {
        **_facts(both),
        "queries": [list(reader.queries.display) for reader in both.readers],
        "keys": [list(reader.keys.display) for reader in both.readers],
        "patterns": [pattern.tolist() for pattern in both.patterns()],
        **{name: options[name] for name in names},
        "head_bits": options["board"].get("values"),
        "head_bits_kind": ranking and ranking.kind,
    }
    return json.dumps(content, ensure_ascii=False)


def _labels(both: Comparison) -> tuple[str, str]:
    """What to call the two: the models, or the texts."""
    traces = both.first.trace, both.second.trace
    if both.is_two_models:
        return traces[0].model_name, traces[1].model_name
    texts = traces[0].text, traces[1].text
    return f"“{_excerpt(*texts)}”", f"“{_excerpt(*texts[::-1])}”"


def _other_in_full(both: Comparison) -> str:
    """The second side as a caption names it."""
    place, other = both.second.place, both.second.trace
    where = f"L{place.layer} H{place.head}"
    if both.is_two_models:
        return f"{other.model_name}, {place.site} {where}"
    return f"{where} on “{readable(other.text)}”"


def _excerpt(text: str, other: str) -> str:
    """The part of a text around the first place where it differs from another."""
    text, other = readable(text), readable(other)
    if len(text) <= EXCERPT:
        return text
    same = next(
        (i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b),
        min(len(text), len(other)),
    )
    # A few words before it, from the beginning of a word.
    start = text.rfind(" ", 0, max(0, min(same, len(text) - 1) - EXCERPT // 2)) + 1
    end = len(text) if start + EXCERPT >= len(text) else text.rfind(" ", start, start + EXCERPT)
    end = start + EXCERPT if end <= start else end
    return ("… " if start else "") + text[start:end] + (" …" if end < len(text) else "")


def _board(both: Comparison, ranking: Ranking | None) -> dict[str, Any]:
    if ranking is None:
        return {"note": "Heads are not ranked here."}
    values = ranking.bits.tolist()
    first, second = both.first.place, both.second.place
    is_index = ranking.kind == "index"
    other = both.second.trace.model_name
    warning = (
        " Heads of two models go together by index only where one model was made from the other."
        if both.is_two_models
        else ""
    )
    return {
        "n_layers": len(values),
        "n_heads": len(values[0]),
        "values": [[None if math.isnan(bits) else bits for bits in row] for row in values],
        "selected": [second.layer, second.head],
        "order": "largest" if is_index else "smallest",
        "title": "Which heads differ most?"
        if is_index
        else f"Which head of {other} reads like L{first.layer} H{first.head}?",
        "subtitle": "Jensen–Shannon divergence in bits: 0 reads alike, 1 reads nothing in common."
        + (warning if is_index else ""),
    }


def _notes(both: Comparison, bits: Tensor, kept: tuple[float, float]) -> tuple[str, ...]:
    """Say what is aligned, restricted, renormalised and left out."""
    n_empty = int(bits.isnan().sum())
    n_rows = len(both.queries.pairs) - n_empty
    whole = min(kept) > 0.9995
    share = "all" if whole else f"{kept[0]:.0%} and {kept[1]:.0%}"
    empty = f" {n_empty} rows read nothing but keys without a counterpart: not counted."
    notes = [
        f"Divergence: mean over {n_rows} aligned queries, over {len(both.keys.pairs)} aligned keys "
        f"only, each row renormalised (they hold {share} of its weight)."
        + (empty if n_empty else ""),
        "The difference map shows weights as they are, not renormalised.",
        BOLD_NOTE,
    ]
    if both.is_cut_differently:
        notes.insert(0, WORDS_NOTE)
    is_causal = both.first.trace.light(both.first.place.site, 0).is_causal
    if is_causal and not both.is_two_models:
        notes.append(CAUSAL_NOTE)
    return (*both.readers[0].notes(), *notes)


def _picture(both: Comparison, side: int, notes: tuple[str, ...]) -> Picture:
    one, reader = (both.first, both.second)[side], both.readers[side]
    title = "Do the two models read alike?" if both.is_two_models else "What changes with the text?"
    picture = picture_of(
        one.trace, one.place, title, shown=(reader.queries, reader.keys), notes=notes
    )
    labels = _labels(both)
    places = [f"L{s.place.layer} H{s.place.head}" for s in (both.first, both.second)]
    where = places[0] if places[0] == places[1] else " and ".join(places)
    return replace(
        picture,
        subtitle=f"{where}: {labels[0]} beside {labels[1]}",
        badge=_both_badges(both),
        caption=f"Attention compared with that of {_other_in_full(both)};",
    )


def _both_badges(both: Comparison) -> Badge:
    badges = [badge(side.trace, side.place) for side in (both.first, both.second)]
    details = (
        f"{name}, {line}"
        for name, one in zip(("First", "Second"), badges, strict=True)
        for line in one.details
    )
    return Badge(
        text=f"both maps: {max((one.text for one in badges), key=len)}",
        is_ok=all(one.is_ok for one in badges),
        details=tuple(details),
    )


def _most_changed(both: Comparison, patterns: tuple[Tensor, Tensor]) -> list[int]:
    """The aligned cell of ordinary tokens whose weight changes most: worth the first look."""
    p = patterns[0][both.queries.first][:, both.keys.first]
    q = patterns[1][both.queries.second][:, both.keys.second]
    change = (q - p).abs()
    if float(change.max()) == 0:
        change = p
    strips = both.readers[0].queries, both.readers[0].keys
    for strip, positions, axis in zip(
        strips, (both.queries.first, both.keys.first), (0, 1), strict=True
    ):
        plain = [not (strip.is_special and strip.is_special[i]) for i in positions]
        if any(plain):
            shape = (-1, 1) if axis == 0 else (1, -1)
            change = change * change.new_tensor(plain).reshape(shape)
    row, column = divmod(int(change.argmax()), change.shape[1])
    return [both.queries.first[row], both.keys.first[column]]


def _facts(both: Comparison) -> dict[str, Any]:
    return {
        name: [getattr(side.trace, name) for side in (both.first, both.second)]
        for name in ("model_id", "revision", "text", "target_text")
    } | {
        name: [getattr(side.place, name) for side in (both.first, both.second)]
        for name in ("site", "layer", "head")
    }


def _array(seen: Tensor | None) -> NDArray[np.bool_] | None:
    return None if seen is None else seen.numpy()
