"""What a view of the Attention page is, and what it gets to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.components.attention_view import attention_view
from transformer_core.figures.views import Place, Reading

if TYPE_CHECKING:
    from pages.components.footer import Files
    from transformer_core.figures.payload import Payload
    from transformer_core.tracing.trace import Trace


@dataclass(frozen=True)
class Situation:
    """What is on the page: a trace, the head that is looked at, and how tokens are read.

    Attributes:
        model_id: What ``tc.load`` takes.
        text: What was typed.
        trace: The trace of it.
        place: Site, layer and head.
        reading: Words or tokens; what is hidden.
        target: What an encoder–decoder's target was given to be; None: the model wrote it.
    """

    model_id: str
    text: str
    trace: Trace
    place: Place
    reading: Reading
    target: str | None = None

    @property
    def opening(self) -> str:
        """The first lines of every piece of code on the page: from model and text to trace."""
        file = self.trace.extra.get("file")
        if file is not None:
            return (
                "from pathlib import Path\n\n"
                "from transformer_core.tracing.imports import read_matrix\n\n"
                f"path = Path({file!r})\n"
                "trace = read_matrix(path.read_bytes(), path.name)\n"
            )
        return (
            "import transformer_core as tc\n\n"
            f"model = tc.load({self.model_id!r})\n"
            f"trace = model.trace({', '.join(map(repr, filter(None, (self.text, self.target))))})\n"
        )

    @property
    def where(self) -> str:
        """The head as arguments of the trace's methods."""
        return f"{self.place.site!r}, layer={self.place.layer}, head={self.place.head}"


@dataclass(frozen=True)
class View:
    """One view: a question, its picture, and what explains it.

    Attributes:
        name: In the row of views and in the address.
        show: Draws it.
        explanation: Markdown: what is seen, the equation, the paper.
        code: The lines of Python that make this very picture.
        payload: The picture as the component takes it, for the HTML file; None for charts.
        controls: The shared controls that it reads, of ``layer head words special sink``.
        files: Its numbers as files, where they are other than one head's pattern.
    """

    name: str
    show: Callable[[Situation], None]
    explanation: str
    code: Callable[[Situation], str]
    payload: Callable[[Situation], Payload] | None = None
    controls: frozenset[str] = frozenset({"layer", "head"})
    files: Callable[[Situation], Files] | None = None


def canvas(payload: Callable[[Situation], Payload]) -> Callable[[Situation], None]:
    """Show a payload in the browser's component; a click on a head opens its map."""

    def show(now: Situation) -> None:
        attention_view(payload(now), key="picture", on_head=open_head)

    return show


def open_head() -> None:
    """Open the head that was clicked in the picture."""
    opened = st.session_state["picture"]["head"]
    if opened is not None:
        st.session_state.update(layer=int(opened[0]), head=int(opened[1]), view="Heat map")
