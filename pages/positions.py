"""Positions: how does a Transformer know where a token stands?"""

from __future__ import annotations

import streamlit as st

from pages.components.footer import footer
from pages.components.messages import show_error
from pages.components.navigation import set_up
from pages.components.positions import KINDS, live
from pages.components.positions.controls import CONTROLS, begin, settings_row
from pages.components.positions.picture import PICTURE, files_of, show
from pages.components.positions.view import PositionsView, Settings
from pages.components.top_row import top_row
from transformer_core.errors import TransformerCoreError
from transformer_core.figures import first_paint

KIND, VIEW = "positions_kind", "positions_view"

set_up("Positions")
st.session_state.setdefault(KIND, st.query_params.get("kind", next(iter(KINDS))))
if st.session_state[KIND] not in KINDS:
    st.session_state[KIND] = next(iter(KINDS))
model_id, text = top_row(first_paint.TEXT, default_model=first_paint.MODEL)


def pick_cell(view: PositionsView) -> None:
    """Keep what was picked in the picture; a dimension opens where the view says."""
    cell = st.session_state[PICTURE]["cell"]
    if cell is None:
        return
    picked = [int(index) for index in cell]
    if "distance" in view.picked:
        values = {"pair": picked[0], "distance": picked[1]}
    elif "pair" in view.picked:  # the cosines of all pairs, then their sines
        values = {"pair": picked[1] % (int(st.session_state[CONTROLS["d_head"].key]) // 2)}
    elif "dim" in view.picked:
        values = {"dim": picked[1]}
    else:
        return
    for name, value in values.items():
        st.session_state[CONTROLS[name].key] = value
        st.session_state[f"{CONTROLS[name].key}_typed"] = value
    if view.on_cell:
        st.session_state[VIEW] = view.on_cell


def pick_head() -> None:
    """Look at the head that was picked in the picture."""
    head = st.session_state[PICTURE]["head"]
    if head is not None:
        for name, value in zip(("layer", "head"), head, strict=True):
            st.session_state[CONTROLS[name].key] = int(value)
            st.session_state[f"{CONTROLS[name].key}_typed"] = int(value)


def tops(kind: str) -> dict[str, int]:
    """The largest layer, head and dimension here."""
    if kind == live.KIND.name:
        return live.tops(model_id)
    state = st.session_state
    for name in ("heads", "width", "d_head"):
        begin(name)
    heads, width, d_head = (int(state[CONTROLS[n].key]) for n in ("heads", "width", "d_head"))
    dims = {"Sinusoidal": {"dim": width - 1}, "Rotary": {"pair": d_head // 2 - 1}}
    return {"head": heads - 1, **dims.get(kind, {})}


@st.fragment
def page() -> None:
    """Kind, view, settings, the picture, and what belongs to it."""
    with st.container(horizontal=True, key="positions-choice"):
        kind = KINDS[
            str(
                st.segmented_control(
                    "Kind", list(KINDS), key=KIND, required=True, label_visibility="collapsed",
                    persist_state="session",
                )
            )
        ]  # fmt: skip
    asked = st.session_state.get(VIEW, st.query_params.get("view"))
    st.session_state[VIEW] = asked if asked in kind.views else next(iter(kind.views))
    name = str(
        st.segmented_control(
            "View", list(kind.views), key=VIEW, required=True, label_visibility="collapsed",
            persist_state="session",
        )
    )  # fmt: skip
    view = kind.views[name]
    values = settings_row(view.controls, view.picked, tops(kind.name))
    now = Settings(model_id, text, values)
    link = {"kind": kind.name, "view": name, **{key: str(value) for key, value in values.items()}}
    if kind.name in {"Learned", live.KIND.name} and model_id is not None:
        link = {"model": model_id, **link}
    for old in set(CONTROLS) - set(values):
        st.query_params.pop(old, None)
    st.query_params.update(link)
    try:
        drawn = view.draw(now)
        if drawn is None:
            return
        show(drawn, on_cell=lambda: pick_cell(view), on_head=pick_head)
    except TransformerCoreError as error:
        show_error(error)
        return
    footer(
        key="positions",
        explanation=f"{kind.explanation}\n\n**{name}.** {view.explanation}",
        code=view.code(now),
        files=files_of(drawn, f"positions-{kind.name}-{name}".lower().replace(" ", "-")),
        link=link,
        text=text if kind.name == live.KIND.name else None,
    )


page()
