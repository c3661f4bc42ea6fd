"""The vision part of the Families page: a picture, what it is taken for, where the model looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import is_loaded
from pages.components.families_image import DIGITS, Chosen, choose_image, preview, trace_of_image
from pages.components.footer import Files, footer
from pages.components.messages import plain, show_error
from pages.components.model_picker import choose_model, show_notices
from pages.components.own_matrix import open_trace
from pages.components.top_row import wait_for_model
from transformer_core.errors import TransformerCoreError
from transformer_core.figures.readings import Place

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace

EXPLANATION = r"""
A vision Transformer cuts a picture into patches, flattens each and projects it to a token; `[CLS]`,
a token of its own, is put in front, and positions are learnt
([Dosovitskiy et al. 2020](https://arxiv.org/abs/2010.11929), section 3.1):

$$z_0 = [x_\mathrm{class};\ x_p^1 E;\ \dots;\ x_p^N E] + E_\mathrm{pos}$$

From there on it is an encoder: every patch reads every patch, and the class is told from what
`[CLS]` has gathered. `digits-vit` cuts its 8 × 8 pixels into 4 × 4 patches of 2 × 2; ViT-Base cuts
224 × 224 pixels into 14 × 14 patches of 16 × 16.

One head's weights say where one layer looks. **Rollout** follows them down to the input, with half
an identity for the residual connection in each layer
([Abnar & Zuidema 2020](https://arxiv.org/abs/2005.00928), section 3):

$$\tilde A_\ell = \left(\tfrac12 \bar A_\ell + \tfrac12 I\right) \tilde A_{\ell-1}$$

where $\bar A_\ell$ is the mean over the layer's heads. Neither shows what *causes* the answer.
"""


def vision() -> None:
    """The whole part."""
    with st.container(width=320):
        model_id = choose_model("image", default=DIGITS)
    show_notices("image")
    if model_id is None:
        return
    if not is_loaded(model_id):
        wait_for_model(model_id)
        return
    left, right = st.columns([1, 2.6], gap="medium")
    with left:
        chosen = _chosen()
        trace = None if chosen is None else _traced(model_id, chosen)
        if chosen is not None and trace is not None:
            _read(trace, chosen)
    with right:
        if trace is None or chosen is None:
            st.info("Draw a digit or choose a picture: where the model looks is shown here.")
        else:
            _look(trace, chosen)


def theme() -> Literal["light", "dark"]:
    """The theme that the page is seen in."""
    return "dark" if st.context.theme.type == "dark" else "light"


def read_bars(trace: Trace) -> list[tuple[str, float]]:
    """What the picture is taken for; nothing for a model without classes."""
    from transformer_core.figures.families_bars import class_bars
    from transformer_core.tracing.vision import seen

    labels = seen(trace).labels
    return [] if trace.logits is None or not labels else class_bars(trace.logits, labels)


def _chosen() -> Chosen | None:
    try:
        return choose_image()
    except TransformerCoreError as error:
        show_error(error)
        return None


def _traced(model_id: str, chosen: Chosen) -> Trace | None:
    try:
        with st.spinner("Reading the picture"):
            return trace_of_image(model_id, chosen.image)
    except TransformerCoreError as error:
        show_error(error)
        return None


def _read(trace: Trace, chosen: Chosen) -> None:
    """The picture as it was given, and what it is taken for."""
    from transformer_core.figures.families_bars import probability_bars

    if isinstance(chosen.image, bytes) and st.session_state["image_source"] == "Upload":
        st.image(preview(chosen.image), width=200)
    bars = read_bars(trace)
    if not bars:
        st.caption("This model has no classes: it was saved without the head that names them.")
        return
    best, share = max(bars, key=lambda bar: bar[1])
    told = "" if chosen.shows is None else f" It shows a {chosen.shows}."
    st.markdown(f"**Read as {plain(best)}**, probability {share:.3f}.{told}")
    st.altair_chart(probability_bars(bars, what="class", theme=theme()), width="stretch")


@st.fragment
def _look(trace: Trace, chosen: Chosen) -> None:
    """Layer and head, and the picture under their weights."""
    from transformer_core.figures import patches

    with st.container(horizontal=True, vertical_alignment="center", key="vision-controls"):
        layer = _choice("Layer", trace.n_layers("encoder"), trace.n_layers("encoder") - 1)
        head = _choice("Head", trace.n_heads("encoder"), 0)
        st.space("stretch")
        if st.button(
            "Open on the Attention page",
            icon=":material/open_in_new:",
            type="tertiary",
            help="All its views; Export there saves it as a file that opens again.",
        ):
            open_trace(trace, f"{trace.model_name}.npz", layer=layer, head=head)
            st.switch_page("pages/attention.py")
    place = Place("encoder", layer, head)
    try:
        attention_view(patches.patches(trace, place), key="patches")
    except TransformerCoreError as error:
        show_error(error)
        return
    link = _link(trace, chosen, place)
    st.query_params.update(link)
    footer(
        key="vision",
        explanation=EXPLANATION,
        code=code_of(trace, chosen, place),
        files=files_of(trace, place),
        link=link,
    )


def _choice(name: str, n: int, default: int) -> int:
    """A layer or a head, kept within what the model has."""
    key = f"vision_{name.lower()}"
    asked = str(st.session_state.get(key, st.query_params.get(key, default)))
    st.session_state[key] = min(int(asked[:9]), n - 1) if asked.isdecimal() else default
    st.selectbox(
        name,
        range(n),
        key=key,
        width=116,
        label_visibility="collapsed",
        format_func=f"{name} {{}}".format,
    )
    return int(st.session_state[key])


def _link(trace: Trace, chosen: Chosen, place: Place) -> dict[str, str]:
    link = {
        "show": "Vision",
        "image_model": trace.model_id,
        "image": str(st.session_state["image_source"]),
        "vision_layer": str(place.layer),
        "vision_head": str(place.head),
    }
    return link | ({"example": str(chosen.image)} if isinstance(chosen.image, int) else {})


def code_of(trace: Trace, chosen: Chosen, place: Place) -> str:
    """The lines of Python that make this very picture."""
    is_example = isinstance(chosen.image, int)
    imports = (
        "from transformer_core.models.catalogue import SHIPPED\n"
        "from transformer_core.models.vision_digits import as_picture, held_out\n"
    )
    image = chosen.code
    if is_example and trace.model_id != DIGITS:
        image = f"as_picture({image})"
    return (
        "import transformer_core as tc\n"
        f"{imports if is_example else ''}\n"
        f"model = tc.load({trace.model_id!r})\n"
        f"trace = model.trace({image})\n"
        "print(trace.tokens[:3], trace.logits.softmax(-1).topk(1))\n\n"
        "from transformer_core.analysis.attribution import trace_rollout\n"
        "from transformer_core.figures import html, patches, views\n\n"
        f"pattern = trace.pattern('encoder', layer={place.layer}, head={place.head})\n"
        f"rollout = trace_rollout(trace, 'encoder', layer={trace.n_layers('encoder') - 1})\n"
        f"page = html.to_html(patches.patches(trace, views.{place!r}))\n"
    )


def files_of(trace: Trace, place: Place) -> Files:
    """What can be saved; each file is made when it is asked for."""
    from pages.components.export import npz
    from transformer_core.figures import html, patches
    from transformer_core.figures.families_bars import bars_to_csv

    name = f"{trace.model_name}-L{place.layer}-H{place.head}".replace("/", "-")
    files: dict[str, tuple[str, object]] = {
        "HTML (self-contained)": (
            f"{name}.html",
            lambda: html.to_html(patches.patches(trace, place)),
        ),
        "CSV (weights and rollout)": (f"{name}.csv", lambda: patches.to_csv(trace, place)),
        "NPZ (whole trace)": (f"{name}.npz", lambda: npz(trace)),
    }
    bars = read_bars(trace)
    if bars:
        files["CSV (classes)"] = (f"{name}-classes.csv", lambda: bars_to_csv(bars, "class"))
    return files  # type: ignore[return-value]
