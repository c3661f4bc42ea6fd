"""The browser component as one text: its modules in order, without imports, and its styles.

The files in ``assets/components/attention`` are ordinary ES modules. A browser that gets the
component as text cannot fetch them one by one, so they are joined here, once per process.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "components" / "attention"

MODULES = (
    "numbers.js",
    "dom.js",
    "decode.js",
    "palette.js",
    "matrix.js",
    "evidence.js",
    "stage.js",
    "colour_bar.js",
    "cells.js",
    "map_picture.js",
    "map_input.js",
    "heads_picture.js",
    "table.js",
    "why.js",
    "svg_context.js",
    "export.js",
    "frame.js",
    "view.js",
    "heatmap.js",
    "grid.js",
    "links_picture.js",
    "links.js",
    "dims_picture.js",
    "dims.js",
    "steps_numbers.js",
    "steps_words.js",
    "strips.js",
    "ledger.js",
    "steps_picture.js",
    "player.js",
    "steps.js",
    "board.js",
    "board_painter.js",
    "effect.js",
    "switchboard.js",
    "views.js",
    "mount.js",
)

STYLES = ("attention.css", "board.css")

_IMPORT = re.compile(r'^import\s[^;]*?from\s+"[^"]+";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)


@cache
def styles() -> str:
    """Return the component's style sheet."""
    return "".join((FOLDER / name).read_text(encoding="utf-8") for name in STYLES)


@cache
def library() -> str:
    """Return the component as one script that defines ``mount`` and the styles it adopts."""
    parts = [f"globalThis.attentionStyles = {_script_text(styles())};"]
    for name in MODULES:
        text = (FOLDER / name).read_text(encoding="utf-8")
        parts.append(_EXPORT.sub("", _IMPORT.sub("", text)))
    return "\n".join(parts)


@cache
def streamlit_library() -> str:
    """Return the library as a Streamlit component that draws nothing.

    It announces itself once; views that came first wait for it. Sent apart from the views because
    its message never changes: Streamlit's message cache then sends it once per browser, not with
    each picture.
    """
    announce = (FOLDER / "streamlit_library.js").read_text(encoding="utf-8")
    return f"{library()}\n{announce}"


@cache
def streamlit_view() -> str:
    """Return the small script of a Streamlit element that shows one picture."""
    return (FOLDER / "streamlit_view.js").read_text(encoding="utf-8")


def _script_text(text: str) -> str:
    """Quote a text for a script, also for one inside an HTML file."""
    return json.dumps(text).replace("<", "\\u003c")
