"""Watch it learn: what the built-in translator looked at while it was trained."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.messages import plain, reason
from pages.components.theme import theme
from transformer_core.errors import FileFormatError
from transformer_core.figures.film import film as film_payload
from transformer_core.figures.learning_curves import learning_chart
from transformer_core.models.catalogue import SHIPPED

if TYPE_CHECKING:
    from transformer_core.figures.payload import Payload
    from transformer_core.training.learning import Learning

FOLDER = SHIPPED / "en-fr-small"
_NOTE = (
    "At every step the decoder reads the same translation, so that maps can be compared: what is "
    "shown is where it looks, not what it would have written."
)


@cache
def learning() -> Learning:
    """The record that ships with the translator.

    Raises:
        FileFormatError: If it is not there, or damaged.
    """
    from transformer_core.training.learning import Learning

    return Learning.load(FOLDER / "learning.npz")


def watch_learning() -> Payload | None:
    """Draw the record; return the film that is on the page."""
    try:
        record = learning()
    except FileFormatError as error:
        st.info(
            f"The record of the translator's training is not here. {reason(error)} Get it: "
            f"`git checkout -- {FOLDER.relative_to(SHIPPED.parents[1])}`"
        )
        return None
    names = [source.text for source in record.sources]
    asked = st.query_params.get("example", "0")
    if st.session_state.get("train_example") not in range(len(names)):
        is_known = asked.isdecimal() and int(asked) < len(names)
        st.session_state["train_example"] = int(asked) if is_known else 0
    example = st.selectbox(
        "Sentence",
        range(len(names)),
        key="train_example",
        format_func=names.__getitem__,
        label_visibility="collapsed",
        persist_state="session",
        width=520,
    )
    payload = film_of(record, int(example))
    attention_view(payload, key="train-learning")
    _curves(record)
    _translations(record, int(example))
    return payload


def film_of(record: Learning, example: int) -> Payload:
    """The film of one sentence; it opens at a head of the layer whose alignments are best."""
    from transformer_core.figures.film import formed_most
    from transformer_core.training.snapshots import Film

    film = Film.of_learning(record, example)
    layer = _aligned_layer(FOLDER / "alignment.json")
    patterns = film.patterns("cross")
    place = None
    if layer is not None and layer < patterns.shape[1]:
        place = (layer, formed_most(patterns[:, layer : layer + 1])[1])
    return film_payload(film, "cross", place=place, notes=(_NOTE,))


def _aligned_layer(path: Path) -> int | None:
    """The layer whose cross-attention reads most like alignments made by hand, as measured."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["layer"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _curves(record: Learning) -> None:
    left, right = st.columns(2)
    last = record.moments[-1]
    n_sentences = ", ".join(f"{n} {name}" for name, n in last.n_sentences.items())
    with left, st.container(border=True):
        st.markdown("**How well does it translate?**")
        st.altair_chart(learning_chart(record, "bleu", theme=theme()), width="stretch")
    with right, st.container(border=True):
        st.markdown("**How wrong is it?**")
        st.altair_chart(learning_chart(record, "nll", theme=theme()), width="stretch")
    st.caption(
        f"Held-out sentences ({n_sentences}), translated greedily; BLEU by sacrebleu. Step 0 is "
        "drawn at 1, as the axis is logarithmic."
    )


def _translations(record: Learning, example: int) -> None:
    rows = [
        {"step": f"{moment.step:,}", "translation": plain(moment.translations[example][:200])}
        for moment in record.moments
    ]
    with st.container(border=True):
        st.markdown("**What did it write?**")
        st.table(rows)
