"""The numbers behind a picture, as files."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from transformer_core.figures.views import Place, Reading, heat_map
from transformer_core.spreadsheets import TableWriter

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace


def to_json(trace: Trace, place: Place) -> str:
    """One head's pattern with its tokens and where it came from."""
    content = {
        **_source(trace, place),
        "tokens": trace.tokens,
        "target_tokens": trace.target_tokens,
        "pattern": trace.pattern(place.site, layer=place.layer, head=place.head).tolist(),
    }
    return json.dumps(content, ensure_ascii=False)


def to_csv(trace: Trace, place: Place) -> str:
    """One head's pattern as a table: a row a query, a column a key; the first line says whose."""
    out = io.StringIO()
    writer = TableWriter(out)
    source = _source(trace, place)
    writer.writerow(["# " + " · ".join(f"{name} {value}" for name, value in source.items())])
    writer.writerow(["query \\ key", *trace.key_tokens(place.site).display])
    pattern = trace.pattern(place.site, layer=place.layer, head=place.head).tolist()
    for token, row in zip(trace.query_tokens(place.site).display, pattern, strict=True):
        writer.writerow([token, *(f"{weight:.6g}" for weight in row)])
    return out.getvalue()


def to_html_page(trace: Trace, place: Place, reading: Reading) -> str:
    """The map as one self-contained page."""
    from transformer_core.figures.html import to_html

    return to_html(heat_map(trace, place, reading, with_overview=True))


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
