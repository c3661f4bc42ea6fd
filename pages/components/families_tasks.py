"""What each family is for, done with the very trace that is drawn above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.cache import model_of, trace_of
from pages.components.families_vision import read_bars, theme
from pages.components.messages import plain
from pages.components.text import WHOLE, held

if TYPE_CHECKING:
    from transformer_core.tracing.trace import Trace

SECOND = "The dog stayed on the pavement, exhausted."
N_CANDIDATES = 5
TRANSLATION = "translation"


def similarity(model_id: str, trace: Trace) -> None:
    """Sentence similarity, and a hidden word where the model has the head for it."""
    from transformer_core.tasks.similarity import similarity as compare

    st.session_state.setdefault("families_second", SECOND)
    second = st.text_input(
        "How alike is a second sentence?",
        key="families_second",
        validate=WHOLE,
        persist_state="session",
    )
    held(second)
    model: Any = model_of(model_id)
    if second.strip():
        found = compare(trace, trace_of(model_id, second), task=model.card.task)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.metric("Cosine similarity", f"{found.cosine:.3f}", width="content")
            st.caption(
                "1 for the same direction, near 0 for unrelated sentences: the scalar product of "
                f"each sentence's mean token, {found.n_dimensions} numbers of length 1 "
                "(Reimers & Gurevych 2019, section 3; Explain links it)."
            )
        if not found.is_trained_for:
            st.caption(
                plain(f"{trace.model_name} was not trained for this: its cosines say little.")
            )
    _hidden_word(model, trace)


def _hidden_word(model: Any, trace: Trace) -> None:
    from transformer_core.figures.families_bars import probability_bars
    from transformer_core.tasks.masked_words import can_guess, guess

    if not can_guess(model, trace):
        st.caption(
            plain(
                f"Hidden words, BERT's own task, need a head that {trace.model_name} was saved "
                "without. bert-base-uncased has it: Open another model, above."
            )
        )
        return
    tokens = trace.source
    positions = [i for i in range(len(tokens)) if not tokens.is_special[i]]
    position = st.selectbox(
        "Hide a token, and let it be guessed",
        positions,
        index=len(positions) // 2,
        key=f"families_hidden_{trace.model_id}_{len(tokens)}",
        format_func=lambda i: f"{i} {tokens.display[i]}",
    )
    hidden = guess(model, trace, int(position), n_guesses=N_CANDIDATES)
    bars = [(one.token, one.probability) for one in hidden.guesses]
    st.altair_chart(probability_bars(bars, what="token", theme=theme()), width="stretch")
    st.caption(
        plain(
            f"“{hidden.token}” stood there: probability {hidden.probability:.3g}, place "
            f"{hidden.rank:,} of the vocabulary."
        )
    )


def next_token(model_id: str, trace: Trace) -> None:
    """The candidates for the token that comes next."""
    from transformer_core.figures.families_bars import probability_bars

    logits = trace.next_logits
    if logits is None:
        st.caption("This model was saved without the head that scores a vocabulary.")
        return
    tokenizer = model_of(model_id).tokenizer
    best = logits.float().softmax(dim=-1).topk(N_CANDIDATES)
    bars = [
        (tokenizer.show(int(token)), float(share))
        for share, token in zip(best.values, best.indices, strict=True)
    ]
    st.markdown("**What comes next?**")
    st.altair_chart(probability_bars(bars, what="next token", theme=theme()), width="stretch")
    st.caption(
        f"The {N_CANDIDATES} likeliest of {len(logits):,} tokens; softmax over all of them. "
        "Decoding writes on from here."
    )


def translation(model_id: str, trace: Trace) -> None:
    """What the decoder wrote."""
    is_translator = model_of(model_id).card.task == TRANSLATION
    st.markdown(f"**{'Translation' if is_translator else 'What it writes'}**")
    st.markdown(f"> {plain(trace.target_text or '')}")
    how = "Found with a beam of 4" if is_translator else "Written greedily"
    st.caption(f"{how}, token by token; the maps above show all of its steps, read in one pass.")


def digit(model_id: str, trace: Trace) -> None:
    """What the picture is taken for."""
    from transformer_core.figures.families_bars import probability_bars

    bars = read_bars(trace)
    if not bars:
        st.caption("This model has no classes: it was saved without the head that names them.")
        return
    best, share = max(bars, key=lambda bar: bar[1])
    st.markdown(f"**Read as {plain(best)}**, probability {share:.3f}")
    st.altair_chart(probability_bars(bars, what="class", theme=theme()), width="stretch")
    st.caption(f"Vision, above, lets you draw one. Model: {plain(model_id)}.")


TASKS: dict[str, Callable[[str, Trace], None]] = {
    "encoder": similarity,
    "decoder": next_token,
    "both": translation,
    "vision": digit,
}
"""By family."""
