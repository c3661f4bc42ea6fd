"""Which layer the page is inside of, and its tensors, computed once for all who look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.components.cache import model_of, remembered

if TYPE_CHECKING:
    from transformer_core.analysis.layer_walk import LayerWalk
    from transformer_core.analysis.logit_attribution import Attribution
    from transformer_core.tracing.parts import Parts
    from transformer_core.tracing.trace import Trace

MAX_DIGITS = 6
MAX_KEPT = 32 * 2**20
"""Bytes of a text's layers that are kept, for the last few texts."""

BYTES_A_DIMENSION = 100
"""What a layer notes for a token and a dimension: some ten streams and feed-forward, 3 × 4."""

STACKS = {"encoder": "Encoder", "decoder": "Decoder"}


@dataclass(frozen=True)
class Inside:
    """Where the page is.

    Attributes:
        model_id: What ``tc.load`` takes.
        text: What was typed.
        trace: Its trace.
        stack: ``encoder`` or ``decoder``.
        layer: Counted from 0.
        head: Counted from 0.
    """

    model_id: str
    text: str
    trace: Trace
    stack: str
    layer: int
    head: int

    @property
    def opening(self) -> str:
        """The first lines of every piece of code on the page: from model and text to trace."""
        return (
            "import transformer_core as tc\n\n"
            f"model = tc.load({self.model_id!r})\n"
            f"trace = model.trace({self.trace.text!r})\n"
        )

    @property
    def name(self) -> str:
        """Begins the names of files."""
        return f"{self.trace.model_name}-{self.stack}-L{self.layer}"

    @property
    def walk(self) -> LayerWalk:
        """The layer, followed.

        Raises:
            NotInTraceError: If it cannot be; the message says which tensor is missing and why.
        """
        trace = self.trace
        return _walk(self.model_id, trace.text, trace.target_text, (self.stack, self.layer), trace)

    def attribution(self, position: int) -> Attribution:
        """The logits at a position, taken apart.

        Raises:
            NotInTraceError: If the model has none, or they cannot be.
        """
        trace = self.trace
        return _attribution(self.model_id, trace.text, trace.target_text, position, trace)


@remembered
def _walk(
    model_id: str, text: str, target: str | None, place: tuple[str, int], _trace: Trace
) -> LayerWalk:
    from transformer_core.analysis.layer_walk import walk
    from transformer_core.tracing.parts import watch_parts

    # A short text's layers are watched in one go: the slider then moves without running the model.
    if _is_small(_trace):
        return walk(_all_parts(model_id, text, target, _trace), place)
    return walk(watch_parts(model_of(model_id), _trace, layers={place}), place)


@remembered
def _all_parts(model_id: str, text: str, target: str | None, _trace: Trace) -> Parts:
    from transformer_core.tracing.parts import watch_parts

    del text, target  # with the model they tell one trace from another
    places = [(stack, i) for stack in _trace.sites if stack in STACKS
              for i in range(_trace.n_layers(stack))]  # fmt: skip
    return watch_parts(model_of(model_id), _trace, layers=places)


def _is_small(trace: Trace) -> bool:
    """Whether what goes through all layers may be kept, as far as it can be told beforehand."""
    n_bytes = 0
    for stack in trace.sites:
        if stack in STACKS:
            width = trace.n_heads(stack) * trace.light(stack, 0).d_head
            n_tokens = len(trace.query_tokens(stack))
            n_bytes += n_tokens * trace.n_layers(stack) * width * BYTES_A_DIMENSION
    return n_bytes <= MAX_KEPT


@remembered
def _attribution(
    model_id: str, text: str, target: str | None, position: int, _trace: Trace
) -> Attribution:
    from transformer_core.analysis.logit_attribution import attribute

    del text, target
    with st.spinner("Taking the logits apart"):
        return attribute(model_of(model_id), _trace, position)


def layer_controls(trace: Trace, *, with_layer: bool, with_head: bool) -> tuple[str, int, int]:
    """Let a person choose stack, layer and head; what the address names is checked."""
    problems: list[str] = []
    stack = _stack(trace, is_shown=with_layer)
    n_layers, n_heads = trace.n_layers(stack), trace.n_heads(stack)
    # What a view does not read is put right without a word.
    layer = _checked("layer", n_layers, problems if with_layer else [])
    head = _checked("head", n_heads, problems if with_head else [])
    if with_layer and n_layers > 1:
        layer = int(
            st.slider("Layer", 0, n_layers - 1, key="layer", width=min(420, 110 + 26 * n_layers))
        )
    if with_head:
        head = int(
            st.selectbox(
                "Head", range(n_heads), key="head", width=116, format_func="Head {}".format,
                label_visibility="collapsed",
            )
        )  # fmt: skip
    if problems:
        st.warning(" ".join(problems), icon=":material/info:")
    return stack, layer, head


def _stack(trace: Trace, *, is_shown: bool) -> str:
    stacks = [site for site in trace.sites if site in STACKS]
    kept = st.session_state.get("site")
    chosen = "decoder" if kept == "cross" else kept
    if chosen not in stacks:
        chosen = stacks[-1]
    st.session_state["stack"] = chosen
    if len(stacks) > 1 and is_shown:
        st.segmented_control(
            "Stack", stacks, key="stack", format_func=STACKS.__getitem__, required=True,
            label_visibility="collapsed", on_change=_keep_stack,
        )  # fmt: skip
    return str(chosen)


def _keep_stack() -> None:
    """The stack is the site of the other pages."""
    st.session_state["site"] = st.session_state["stack"]


def _checked(name: str, n: int, problems: list[str]) -> int:
    """A layer or head; one from the address that is out of range is said and brought into it."""
    value = str(st.session_state[name])
    if not value.isdecimal() or len(value) > MAX_DIGITS or int(value) >= n:
        asked = value if len(value) <= MAX_DIGITS else f"{value[:MAX_DIGITS]}…"
        if name in st.query_params:  # the page's own default needs no word
            problems.append(f"There is no {name} {asked}: they run from 0 to {n - 1}. Showing 0.")
        value = "0"
    st.session_state[name] = int(value)
    return int(value)
