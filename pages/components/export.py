"""One head's numbers and picture as files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from transformer_core.figures import export, html

if TYPE_CHECKING:
    from pages.components.footer import Files
    from pages.components.views.view import Situation, View
    from transformer_core.tracing.trace import Trace


def files_of(view: View, now: Situation) -> Files:
    """What can be saved of a view; each file is made when it is asked for."""
    trace, place, picture = now.trace, now.place, view.payload
    name = f"{trace.model_name}-{place.site}-L{place.layer}-H{place.head}"
    files: dict[str, tuple[str, object]] = {}
    if picture is not None:
        files["HTML (self-contained)"] = (f"{name}.html", lambda: html.to_html(picture(now)))
    if view.files is not None:
        files |= view.files(now)
    else:
        files |= {
            "CSV": (f"{name}.csv", lambda: export.to_csv(trace, place)),
            "JSON": (f"{name}.json", lambda: export.to_json(trace, place)),
        }
    files["NPZ (whole trace)"] = (f"{trace.model_name}.npz", lambda: npz(trace))
    return files  # type: ignore[return-value]


def npz(trace: Trace) -> bytes:
    """A whole trace as the bytes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.npz"
        trace.save(path)
        return path.read_bytes()
