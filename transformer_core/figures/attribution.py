"""Attention or cause? What a token looks at beside what changes it, with their rank correlations.

Options of the payload: ``selected`` (a query); ``scopes`` (whose α: one head, all heads);
``measures``, a list of ``{key, name, short, unit, meaning, kind, maps, missing}`` where ``maps``
are the numbers of its maps in ``values`` by scope and ``missing`` says why there is none;
``least``, sources below which a query is left out of the mean. Arrays: ``values`` ``[map query
key]``; ``reach`` ``[query key]``, 1 where the key can influence the query; ``agreement`` ``[scope,
special, query + 1, measure, measure]``: ρ with and without special tokens, for each query and,
last, their mean; 9: none.
"""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from transformer_core.errors import InputError
from transformer_core.figures.payload import VERSION, Payload
from transformer_core.figures.readings import Place, picture_of
from transformer_core.figures.wire import raw
from transformer_core.figures.wire_theme import wire_theme
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from transformer_core.analysis.measures import Causes, Measure
    from transformer_core.tracing.trace import Trace

MAX_TOKENS = 128
"""Up to this many tokens the measures are shown: each is a number for every pair of tokens."""

NO_AGREEMENT = 9.0
NO_WEIGHTS = "needs the model's weights"

PER_HEAD = frozenset({"weight", "weighted_value"})
"""Measures that differ from head to head."""

Scopes: TypeAlias = "tuple[list[Measure], list[Measure]]"
"""The measures with the weights of one head, and with those of all heads of its layer."""


def attention_or_cause(
    trace: Trace, place: Place, causes: Causes | None = None, *, missing: str = "not measured"
) -> Payload:
    """Does attention show what matters? Five measures or six for each query, side by side.

    Args:
        trace: With details, for α‖v‖.
        place: The head; all heads of its layer go with it.
        causes: What was measured by taking tokens away.
        missing: Why it was not, in a few words.

    Raises:
        InputError: If the text has more than 128 tokens.
        NotInTraceError: If the model has no such place.
    """
    scopes = _scopes(trace, place, causes)
    maps, numbers = _maps(scopes)
    picture = picture_of(
        trace,
        place,
        "Does attention show what matters?",
        subtitle="For one token: what it looks at, and what changes it.",
        notes=_notes(trace, place, scopes[0]),
    )
    facts = picture.to_dict()
    what = (
        "Attention measures and causal measures of each source token, and their rank correlation."
    )
    header = {
        "version": VERSION,
        "view": "causes",
        **facts,
        "caption": facts["caption"].replace(picture.caption, what),
        "badge": _badge(trace, place, scopes[0]),
        "unit": "",
        "theme": wire_theme(),
        "options": _options(trace, place, scopes, numbers, missing),
    }
    arrays = {
        "values": raw(maps),
        "reach": raw(_reached(trace, place.site), "uint8"),
        "agreement": raw(_agreement(trace, place, scopes)),
    }
    return Payload(header, arrays)


def to_csv(trace: Trace, place: Place, causes: Causes | None = None) -> str:
    """Every number as a table: a row for each query and each key that can influence it."""
    out = io.StringIO()
    writer = TableWriter(out)
    source = " · ".join(f"{name} {value}" for name, value in _source(trace, place).items())
    writer.writerow(["# " + source])
    rows = _rows(trace, place, _scopes(trace, place, causes))
    writer.writerow(list(rows[0]))
    for row in rows:
        writer.writerow([_cell(value) for value in row.values()])
    return out.getvalue()


def to_json(trace: Trace, place: Place, causes: Causes | None = None) -> str:
    """Every number as JSON, and the rank correlation of every two measures for each query."""
    from transformer_core.analysis.measures import agreement, sources

    scopes = _scopes(trace, place, causes)
    seen = sources(trace, place.site)
    names = [m.key for m in scopes[0]]
    rho = [agreement(measures, seen).tolist() for measures in scopes]
    content = {
        **_source(trace, place),
        "measures": {m.key: {"unit": m.unit, "meaning": m.meaning} for m in scopes[0]},
        "rows": _rows(trace, place, scopes),
        "rank_correlation": {
            "of": names,
            **{
                scope: [[[_known(x) for x in row] for row in table] for table in tables]
                for scope, tables in zip(("head", "all_heads"), rho, strict=True)
            },
        },
    }
    return json.dumps(content, ensure_ascii=False)


def _scopes(trace: Trace, place: Place, causes: Causes | None) -> Scopes:
    from transformer_core.analysis.measures import measures_of

    n = max(len(trace.query_tokens(place.site)), len(trace.key_tokens(place.site)))
    if n > MAX_TOKENS:
        raise InputError(
            f"Attention and cause are compared for {MAX_TOKENS} tokens at most; here are {n}. "
            "Shorten the text."
        )
    one, together = (
        measures_of(trace, place.site, layer=place.layer, head=head, causes=causes)
        for head in (place.head, None)
    )
    return one, together


def _maps(scopes: Scopes) -> tuple[NDArray[np.float32], list[list[int]]]:
    """All maps, each once; and for each measure the numbers of its maps by scope."""
    maps: list[Tensor] = []
    numbers: list[list[int]] = []
    for measures in zip(*scopes, strict=True):
        if measures[0].values is None:
            numbers.append([])
            continue
        of_measure = measures if measures[0].key in PER_HEAD else measures[:1]
        first = len(maps)
        maps += [m.values for m in of_measure if m.values is not None]
        numbers.append([first, len(maps) - 1])
    return np.stack([one.numpy() for one in maps]), numbers


def _options(
    trace: Trace, place: Place, scopes: Scopes, numbers: list[list[int]], missing: str
) -> dict[str, Any]:
    from transformer_core.analysis.measures import N_LEAST

    return {
        "selected": _first_query(trace, place),
        "scopes": [f"L{place.layer} H{place.head}", f"all heads of L{place.layer}"],
        "least": N_LEAST,
        "measures": [
            {
                "key": m.key,
                "name": m.name,
                "short": m.short,
                "unit": m.unit,
                "meaning": m.meaning,
                "kind": "cause" if m.is_cause else "attention",
                "maps": of_measure,
                "missing": "" if of_measure else missing if m.is_cause else NO_WEIGHTS,
            }
            for m, of_measure in zip(scopes[0], numbers, strict=True)
        ],
    }


def _reached(trace: Trace, site: str) -> NDArray[np.uint8]:
    from transformer_core.analysis.attribution import reach

    return reach(trace, site).numpy().astype(np.uint8)


def _agreement(trace: Trace, place: Place, scopes: Scopes) -> NDArray[np.float32]:
    """Rank correlations; the axes are those of the module's ``agreement``."""
    import torch

    from transformer_core.analysis.measures import agreement, mean_agreement, sources

    queries, keys = trace.query_tokens(place.site), trace.key_tokens(place.site)
    seen = sources(trace, place.site)
    ordinary = seen & ~torch.tensor(keys.is_special) & ~torch.tensor(queries.is_special)[:, None]
    tables = []
    for measures in scopes:
        for counted in (seen, ordinary):
            by_query = agreement(measures, counted)
            tables.append(torch.cat([by_query, mean_agreement(by_query, counted)[None]]))
    stacked = torch.stack(tables).nan_to_num(NO_AGREEMENT)
    known: NDArray[np.float32] = stacked.reshape(2, 2, *tables[0].shape).numpy()
    return known


def _first_query(trace: Trace, place: Place) -> int:
    """An ordinary token with sources enough that looks hard at an ordinary one, no sink."""
    import torch

    from transformer_core.analysis.measures import N_LEAST, sources

    queries, keys = trace.query_tokens(place.site), trace.key_tokens(place.site)
    seen = sources(trace, place.site)
    plain = seen & ~torch.tensor(keys.is_special) & ~torch.tensor(queries.is_special)[:, None]
    plain &= seen.sum(dim=-1, keepdim=True) >= N_LEAST
    plain[:, 0] = False
    if not bool(plain.any()):
        ordinary = [i for i, special in enumerate(queries.is_special) if not special]
        return (ordinary or [len(queries) - 1])[-1]
    pattern = trace.pattern(place.site, layer=place.layer, head=place.head)
    return int(pattern.where(plain, -1.0).amax(dim=-1).argmax())


def _notes(trace: Trace, place: Place, measures: list[Measure]) -> tuple[str, ...]:
    notes = [
        "Each column's bars are scaled to its own largest value: compare their order, not lengths "
        "across columns.",
        "ρ: Spearman's rank correlation over the tokens that can influence the chosen one, without "
        "itself.",
    ]
    if place.site == "cross":
        notes.append(
            "Rollout: this layer's weights, followed through the encoder; what the decoder passes "
            "on between its layers is left out."
        )
    special = trace.key_tokens(place.site).is_special
    if any(m.is_cause and m.values is not None for m in measures) and any(special):
        notes.append("Special tokens count as sources unless they are left out.")
    return tuple(notes)


def _badge(trace: Trace, place: Place, measures: list[Measure]) -> dict[str, Any]:
    """Check the numbers against the model's own, here and now."""
    from transformer_core.analysis.measures import prove_measures

    checks = prove_measures(
        trace, place.site, layer=place.layer, head=place.head, measures=measures
    )
    worst = max(check.difference for check in checks)
    return {
        "text": " · ".join(check.name for check in checks) + f" · max |Δ| {worst:.1e}",
        "ok": all(check.is_ok for check in checks),
        "details": [f"{check.name}: largest difference {check.difference:.2e}" for check in checks],
    }


def _rows(trace: Trace, place: Place, scopes: Scopes) -> list[dict[str, Any]]:
    """A row for each query and each key that can influence it."""
    queries, keys = trace.query_tokens(place.site), trace.key_tokens(place.site)
    columns: dict[str, list[list[float]] | None] = {}
    for one, together in zip(*scopes, strict=True):
        columns[one.key] = None if one.values is None else one.values.tolist()
        if one.key in PER_HEAD:
            both = together.values
            columns[f"{one.key}_all_heads"] = None if both is None else both.tolist()
    return [
        {
            "query": int(query),
            "query_token": queries.display[query],
            "source": int(key),
            "source_token": keys.display[key],
            **{name: values and values[query][key] for name, values in columns.items()},
        }
        for query, key in zip(*np.nonzero(_reached(trace, place.site)), strict=True)
    ]


def _source(trace: Trace, place: Place) -> dict[str, Any]:
    return {
        "model": trace.model_id,
        "revision": trace.revision,
        "text": trace.text,
        "target_text": trace.target_text,
        "site": place.site,
        "layer": place.layer,
        "head": place.head,
    }


def _cell(value: str | float | None) -> str:
    """A number with six digits, or a token."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.6g}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
