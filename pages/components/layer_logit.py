"""A logit's parts: which layer and head wrote how much of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import model_of
from pages.components.layer_situation import Inside
from pages.components.messages import show_error, show_warning
from transformer_core.errors import InputError

if TYPE_CHECKING:
    from pages.components.footer import Files
    from transformer_core.analysis.logit_attribution import Attribution
    from transformer_core.analysis.logit_candidates import Candidate

LOGIT_EXPLANATION = r"""
The stream behind the last layer is a sum, $x = x_{embed} + \sum_{l} \bigl(\sum_h z_{l,h} W_O^{l,h}
+ \mathrm{ff}_l\bigr) + \text{biases}$, and the logit of a token $t$ is linear in it once the norm
before it is held at the scale that it had: $\mathrm{logit}_t = w_t \cdot \bigl(\gamma \odot
\tfrac{x - \mu(x)}{\sigma}\bigr) + w_t \cdot \beta + b_t$. So each part has a number of its own,
and they add up to the logit: *direct logit attribution*
([Elhage et al. 2021](https://transformer-circuits.pub/2021/framework/index.html); the norm as in
the [logit lens](https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens)
of nostalgebraist 2020). In a **post-norm** model every layer's norms stand on the way; each is held
at its scale likewise.

*Direct* is meant: what a head does by way of later layers counts for those. And a fixed scale hides
what a part does to the scale itself.
"""
N_OFFERED = 12
MAX_DIGITS = 9
NOTHING = -2
"""Stands for no comparison among the token ids that one can be made with."""


def show_logit(now: Inside) -> None:
    """Bars by layer, for the position and the token that are chosen."""
    from transformer_core.figures.layer_logit import layer_logit

    with st.container(horizontal=True, key="logit-controls"):
        position = _position(now)
        found = now.attribution(position)
        asked = _asked(now, found)
        _against(now, found, asked)
    attention_view(layer_logit(now.trace, found, _figure(now, found)), key="picture")


def _position(now: Inside) -> int:
    """Where the model predicts from; at first the last token, or the first that is masked."""
    stack = "decoder" if "decoder" in now.trace.sites else "encoder"
    tokens = now.trace.query_tokens(stack).display
    masked = [i for i, token in enumerate(tokens) if token in ("[MASK]", "<mask>")]
    first = len(tokens) - 1 if stack == "decoder" else min(1, len(tokens) - 1)
    first = masked[0] if masked else first
    kept = st.session_state.get("logit_position")
    if "logit_of" not in st.session_state:
        kept = st.session_state["logit_position"] = _in_address("at", len(tokens))
        st.session_state["logit_of"] = tokens
    if kept is None or kept >= len(tokens) or st.session_state.get("logit_of") != tokens:
        st.session_state["logit_position"] = first
        st.session_state["logit_of"] = tokens
    after = "at" if stack == "encoder" else "after"
    return int(
        st.selectbox(
            "Position", range(len(tokens)), key="logit_position", width=230,
            label_visibility="collapsed", format_func=lambda i: f"{after} {i}  {tokens[i]}",
        )
    )  # fmt: skip


def _asked(now: Inside, found: Attribution) -> Candidate:
    """The token whose logit is taken apart: one of the likeliest, or one that is typed."""
    from transformer_core.analysis.logit_candidates import candidate, likeliest

    tokenizer = model_of(now.model_id).tokenizer
    offered = {f"#{one.token_id}": one for one in likeliest(found.logits, tokenizer, N_OFFERED)}
    kept = st.session_state.get("logit_token")
    here = (now.trace.text, found.position)
    if "logit_at" not in st.session_state:
        st.session_state["logit_at"] = here
        linked = _in_address("token", len(found.logits))
        st.session_state["logit_linked"] = linked, here
        kept = st.session_state["logit_token"] = None if linked is None else f"#{linked}"
    linked, there = st.session_state.get("logit_linked", (None, None))
    if linked is not None and there == here:
        offered[f"#{linked}"] = candidate(found.logits, tokenizer, linked)
    if kept is None or st.session_state.get("logit_at") != here:
        st.session_state["logit_token"] = next(iter(offered))
        st.session_state["logit_at"] = here
    elif kept not in offered:
        offered[kept] = _typed(now, found, kept) or next(iter(offered.values()))
    chosen = st.selectbox(
        "Output token", list(offered), key="logit_token", width=320, accept_new_options=True,
        label_visibility="collapsed", placeholder="Choose or type an output token",
        format_func=lambda name: _label(offered[name]) if name in offered else name,
    )  # fmt: skip
    one = offered.get(str(chosen))
    if one is None:
        one = _typed(now, found, str(chosen)) or next(iter(offered.values()))
    st.session_state["logit_token_id"] = one.token_id
    return one


def _label(one: Candidate) -> str:
    return f"{one.token.strip() or repr(one.token)} · {one.probability:.3g}"


def _typed(now: Inside, found: Attribution, typed: str) -> Candidate | None:
    """The token that was typed; None, and a word about it, if there is none."""
    from transformer_core.analysis.logit_candidates import candidate, token_named

    tokenizer = model_of(now.model_id).tokenizer
    try:
        token_id, n_tokens = token_named(tokenizer, typed, found.logits)
    except InputError as error:
        show_error(error)
        return None
    one = candidate(found.logits, tokenizer, token_id)
    if n_tokens > 1:
        show_warning(f"{typed!r} is {n_tokens} tokens here; shown is the first, {one.token!r}.")
    return one


def _against(now: Inside, found: Attribution, asked: Candidate) -> None:
    """What the logit is compared with: nothing, the mean of all tokens, or another token."""
    from transformer_core.analysis.logit_attribution import MEAN
    from transformer_core.analysis.logit_candidates import likeliest

    names = {NOTHING: "by itself", MEAN: "over the mean of all tokens"}
    for one in likeliest(found.logits, model_of(now.model_id).tokenizer, N_OFFERED):
        if one.token_id != asked.token_id:
            names[one.token_id] = f"over {_quoted(one.token)}"
    if "logit_against" not in st.session_state:
        asked_for = st.query_params.get("against", "")
        st.session_state["logit_against"] = next(
            (name for name in names if str(name) == asked_for), NOTHING
        )
    if st.session_state["logit_against"] not in names:
        st.session_state["logit_against"] = NOTHING
    st.selectbox(
        "Against", list(names), key="logit_against", width=260, label_visibility="collapsed",
        format_func=names.__getitem__,
    )  # fmt: skip


def _in_address(name: str, limit: int) -> int | None:
    """A number of the address, None where there is none below the limit."""
    value = st.query_params.get(name, "")
    is_number = value.isdecimal() and len(value) <= MAX_DIGITS
    return int(value) if is_number and int(value) < limit else None


def _quoted(token: str) -> str:
    return f"“{token.strip() or token}”"


def _figure(now: Inside, found: Attribution) -> Asked:
    """What the picture shows."""
    from transformer_core.analysis.logit_attribution import MEAN
    from transformer_core.analysis.logit_candidates import candidate
    from transformer_core.figures.layer_logit import Asked

    tokenizer = model_of(now.model_id).tokenizer
    one = candidate(found.logits, tokenizer, int(st.session_state["logit_token_id"]))
    against = int(st.session_state["logit_against"])
    if against == NOTHING:
        return Asked(one.token_id, one.token, one.probability, one.rank)
    other = "the mean" if against == MEAN else _quoted(tokenizer.show(against))
    return Asked(one.token_id, one.token, one.probability, one.rank, against, other)


def _chosen(now: Inside) -> tuple[Attribution, Asked]:
    """What the picture shows, for code and files."""
    found = now.attribution(int(st.session_state["logit_position"]))
    return found, _figure(now, found)


def logit_link(_: Inside) -> dict[str, str]:
    """Position, token and comparison, as the address carries them."""
    names = {"at": "logit_position", "token": "logit_token_id", "against": "logit_against"}
    return {name: str(st.session_state[key]) for name, key in names.items()}


def logit_code(now: Inside) -> str:
    """Take the logit apart and list the largest parts."""
    found, asked = _chosen(now)
    return (
        f"{now.opening}\n"
        "from transformer_core.analysis.logit_attribution import attribute\n"
        "from transformer_core.figures import html\n"
        "from transformer_core.figures.layer_logit import Asked, layer_logit\n\n"
        f"found = attribute(model, trace, {found.position})\n"
        f"parts = found.contributions({asked.token_id}, {asked.against})  # of {asked.token!r}\n"
        f"print(float(parts.sum()), found.logit({asked.token_id}, {asked.against}))\n"
        "for index in parts.abs().argsort(descending=True)[:10].tolist():\n"
        "    print(found.writers[index].name, float(parts[index]))\n"
        f"page = html.to_html(layer_logit(trace, found, {asked!r}))\n"
    )


def logit_files(now: Inside) -> Files:
    """The picture and the parts."""
    from transformer_core.figures import html
    from transformer_core.figures.layer_logit import layer_logit, to_csv

    found, asked = _chosen(now)
    name = f"{now.trace.model_name}-logit-{found.position}-{asked.token_id}"
    return {
        "HTML (self-contained)": (
            f"{name}.html",
            lambda: html.to_html(layer_logit(now.trace, found, asked)),
        ),
        "CSV (every part)": (f"{name}.csv", lambda: to_csv(now.trace, found, asked)),
    }


if TYPE_CHECKING:
    from transformer_core.figures.layer_logit import Asked
