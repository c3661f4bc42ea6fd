"""How a trace shows itself in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformer_core.figures.html import to_fragment
from transformer_core.figures.views import all_heads

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace


def trace_html(trace: Trace) -> str:
    """All heads of the trace's last site, as a frame."""
    return to_fragment(all_heads(trace, trace.sites[-1]))
