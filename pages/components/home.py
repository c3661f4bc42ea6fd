"""What Home asks and shows: a sentence, its translation, and the map of the model behind it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.components.attention_view import attention_view
from pages.components.cache import remembered, writer_of
from pages.components.messages import show_warning
from pages.components.navigation import find_page
from transformer_core.figures import home
from transformer_core.figures.architecture import with_links
from transformer_core.figures.architecture_words import opens as page_name
from transformer_core.models.catalogue import find_card

if TYPE_CHECKING:
    from pages.components.navigation import PageEntry

MAP = "map"
_NEAREST = {"layer": "attention", "positions": "attention", "decoding": "translate"}
"""Where a page is not there: the one that shows most of the same."""


def has_model() -> bool:
    """Whether the translator is installed; says how to get it if not."""
    card = find_card(home.MODEL)
    if card is not None and card.is_available:
        return True
    how = card.how_to_get if card is not None else ""
    show_warning(f"The translator {home.MODEL} is not installed, so nothing can be typed. {how}")
    return False


def parts_of(text: str) -> list[str]:
    """The parts of a text that the model translates one by one."""
    return _parts_of(home.MODEL, text)


def pictures_of(text: str) -> home.Pictures:
    """Translate a sentence once, for everybody."""
    return _pictures_of(home.MODEL, text)


@remembered
def _parts_of(model_id: str, text: str) -> list[str]:
    return home.parts_of(writer_of(model_id), text)


@remembered
def _pictures_of(model_id: str, text: str) -> home.Pictures:
    return home.pictures_of(writer_of(model_id), text)


def choose_part(text: str) -> str:
    """The sentence to look at: of a longer text one part at a time, which one is asked."""
    parts = parts_of(text)
    if len(parts) == 1:
        return parts[0]
    with st.container(horizontal=True, vertical_alignment="center", key="parts"):
        index = st.selectbox(
            "Part",
            range(len(parts)),
            format_func=lambda i: f"{i + 1} of {len(parts):,}: {parts[i][:70]}",
            key="home_part",
            label_visibility="collapsed",
            width=460,
        )
        st.caption(f"The text has {len(parts):,} parts; the pictures show one at a time.")
        page = find_page("translate")
        if page is not None:
            # A page that runs by itself, as in its tests, knows no other.
            with suppress(StreamlitAPIException):
                st.page_link(page.path, label="Translate all of it", icon=":material/translate:")
    return parts[int(index)]


def show(pictures: home.Pictures, highlight: str | None) -> None:
    """The translation and the map; a block that is clicked opens its page."""
    if pictures.is_foreign:
        show_warning(home.NOT_ENGLISH)
    if highlight is None:
        attention_view(pictures.alignment, key="picture")
    blocks = pictures.architecture.header["options"]["blocks"]
    pages = {block: page_of(block) for block in blocks}
    opens = {block: page.title for block, page in pages.items() if page is not None}
    result = attention_view(with_links(pictures.architecture, opens, highlight), key=MAP)
    if highlight is not None:  # the tour is about a block: the map comes first
        attention_view(pictures.alignment, key="picture")
    asked = result.open
    if asked is not None:
        _open(str(asked[0]), int(asked[1]))


def page_of(block: str) -> PageEntry | None:
    """The page that a block opens: its own, or the nearest that there is."""
    wanted = page_name(block)
    found = find_page(wanted)
    return found or find_page(_NEAREST.get(wanted, wanted))


def _open(block: str, layer: int) -> None:
    """Go to a block's page with this model, this sentence and this layer."""
    page = page_of(block)
    if page is None:
        return
    st.session_state.update(settings_of(block, layer, Path(page.path).stem))
    st.switch_page(page.path)


def settings_of(block: str, layer: int, page: str) -> dict[str, object]:
    """What the page that a block opens is to show: this model, and the block's place in it."""
    side, _, part = block.partition(".")
    settings: dict[str, object] = {"model": home.MODEL, "decoding_model": home.MODEL}
    if side not in ("encoder", "decoder"):
        return settings
    is_cross = part.startswith("cross") and page == "attention"
    settings |= {"site": "cross" if is_cross else side, "layer": layer, "head": 0}
    return settings | ({"view": "Heat map"} if page == "attention" else {})
