"""A picture of positions on the page: the browser's component, or a chart in a frame like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.messages import plain
from transformer_core.figures import positions_still
from transformer_core.figures.positions_charts import Chart

if TYPE_CHECKING:
    from pages.components.footer import Files
    from transformer_core.figures.positions_drawn import Drawn

PICTURE = "picture"


def show(drawn: Drawn, *, on_cell: Callable[[], None], on_head: Callable[[], None]) -> None:
    """Draw it.

    Args:
        drawn: What to draw.
        on_cell: Called when a cell, or a pair and a distance, was picked in the picture.
        on_head: Called when a head was picked.
    """
    if isinstance(drawn.picture, Chart):
        _chart(drawn.picture)
    else:
        attention_view(drawn.picture, key=PICTURE, on_cell=on_cell, on_head=on_head)


def _chart(chart: Chart) -> None:
    with st.container(border=True, key="positions-chart"):
        st.markdown(f"**{plain(chart.title)}**")
        if chart.subtitle:
            st.caption(plain(chart.subtitle))
        st.altair_chart(chart.to_altair(theme()), width="stretch")
        if chart.badge is not None:
            sign = "✓" if chart.badge.is_ok else "✗"
            st.caption(f"{sign} {plain(chart.badge.text)}")
        for note in chart.notes:
            st.caption(f"– {plain(note)}")


def theme() -> Literal["light", "dark"]:
    """The theme that the page is shown in."""
    return "dark" if st.context.theme.type == "dark" else "light"


def files_of(drawn: Drawn, name: str) -> Files:
    """What can be saved; each file is made when it is asked for."""
    files: dict[str, tuple[str, Callable[[], str | bytes]]] = {}
    picture = drawn.picture
    if isinstance(picture, Chart):
        shown = theme()
        files["PNG"] = (f"{name}.png", lambda: positions_still.to_png(picture, theme=shown))
        files["SVG"] = (f"{name}.svg", lambda: positions_still.to_svg(picture, theme=shown))
    else:
        files["HTML (self-contained)"] = (f"{name}.html", drawn.to_html)
    return {
        **files,
        "CSV": (f"{name}.csv", drawn.to_csv),
        "NPZ": (f"{name}.npz", drawn.to_npz),
    }
