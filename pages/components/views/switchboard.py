"""Switchboard: what changes when heads are off?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.cache import model_of, remembered
from pages.components.sweep import Asked, sweep_controls, sweep_of
from pages.components.views.view import Situation, View
from transformer_core.errors import InputError
from transformer_core.figures import ablation as figures
from transformer_core.figures.payload import Payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pages.components.footer import Files
    from transformer_core.analysis.ablation import Effect
    from transformer_core.analysis.proof import Check
    from transformer_core.tracing.interventions import AblationMode
    from transformer_core.tracing.trace import Trace

EXPLANATION = r"""
Each square is one **head**. Off, it writes nothing ($z_h = 0$), its mean over the positions of
this text ($z_h = \bar z_h$), or what it would write if it read all visible keys equally; all that
follows is computed anew by the model. Beside the board stands what that does to the output: for an
encoder the cosine distance $1 - \cos(e, e')$ of the sentence embeddings, for a model that predicts
tokens $\mathrm{KL}(p \,\|\, p') = \sum_t p_t \log_2 (p_t / p'_t)$ bits, on the next token or
averaged over the target.

*Sweep* switches off each head alone and colours the board. Most heads can go with little change, a
few cannot ([Michel et al. 2019](https://arxiv.org/abs/1905.10650),
[Voita et al. 2019](https://arxiv.org/abs/1905.09418)). But one text is not a task, and heads that
stand in for one another look unimportant alone: switch several off and compare with their sum.
"""
LABELS = {"zero": "Zero", "mean": "Mean", "uniform": "Uniform"}
MAX_PROVEN = 128
"""Up to so many tokens a decoder's switches are proved unasked: that takes another forward pass."""

Switches = tuple[tuple[int, int, "AblationMode"], ...]


def show(now: Situation) -> None:
    """Draw board and effect, and below them the heads that a sweep found to matter most.

    Raises:
        InputError: If the trace was opened from a file that no model stands behind.
    """
    if not now.trace.has_details or not now.trace.text:
        raise InputError("Switching a head off runs the model again.")
    asked, unit = _asked(now), figures.unit_of(now.trace)
    with st.container(horizontal=True, vertical_alignment="center", key="switch-controls"):
        mode = _mode_control(asked)
        sweep = sweep_of(asked, mode, now.trace)
        sweep_controls(asked, mode, sweep, unit)
    payload = figures.switchboard(now.trace, now.place, _board(now, is_live=True))
    attention_view(payload, key="picture", on_switches=partial(_keep, asked))
    if sweep.is_complete:
        unit = f"{unit}, head alone off ({LABELS[mode].lower()})"
        chart = figures.importance_chart(sweep.importance, unit=unit, theme=_theme())
        with st.container(border=True, width=620):
            st.markdown("**Which heads matter most?**")
            st.altair_chart(chart, width="stretch")


def payload(now: Situation) -> Payload:
    """The board as a picture of its own, which nobody listens to."""
    return figures.switchboard(now.trace, now.place, _board(now, is_live=False))


def code(now: Situation) -> str:
    """Switch off, measure, sweep, and the same picture as a page of its own."""
    site, mode = now.place.site, _mode()
    off = {(layer, head): how for layer, head, how in _switches(now)}
    return (
        f"{now.opening}\n"
        "from transformer_core.analysis import ablation\n\n"
        f"off = {off!r}  # (layer, head): how\n"
        f"changed = ablation.switch_off(model, trace, {site!r}, off)\n"
        "effect = ablation.effect_on(model, trace, changed)\n"
        f"importance = ablation.head_importance(model, trace, {site!r}, mode={mode!r})\n\n"
        "from transformer_core.figures import ablation as figures, html, views\n\n"
        f"board = figures.Board(off, mode={mode!r}, effect=effect, importance=importance)\n"
        f"place = views.{now.place!r}\n"
        "page = html.to_html(figures.switchboard(trace, place, board))\n"
    )


def files(now: Situation) -> Files:
    """Switches, effect and importance as files."""
    name = f"{now.trace.model_name}-{now.place.site}-switchboard"
    trace, place = now.trace, now.place
    return {
        "CSV": (
            f"{name}.csv",
            lambda: figures.to_csv(trace, place, _board(now, is_live=False)),
        ),
        "JSON": (
            f"{name}.json",
            lambda: figures.to_json(trace, place, _board(now, is_live=False)),
        ),
    }


def _asked(now: Situation) -> Asked:
    return Asked(now.model_id, now.trace.text, now.trace.target_text, now.place.site)


def _theme() -> Literal["light", "dark"]:
    return "dark" if st.context.theme.type == "dark" else "light"


def _mode_control(asked: Asked) -> AblationMode:
    """What "off" means."""
    st.session_state.setdefault("switch_mode", "zero")
    st.caption("Off means", width="content")
    st.segmented_control(
        "Off means",
        list(LABELS),
        key="switch_mode",
        format_func=LABELS.__getitem__,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
        on_change=partial(_change_modes, asked),
    )
    return _mode()


def _mode() -> AblationMode:
    mode: AblationMode = st.session_state.get("switch_mode", "zero")
    return mode


def _board(now: Situation, *, is_live: bool) -> figures.Board:
    switches, mode = _switches(now), _mode()
    effect, checks = _effect(_asked(now), switches, now.trace)
    sweep = sweep_of(_asked(now), mode, now.trace)
    return figures.Board(
        {(layer, head): how for layer, head, how in switches},
        mode=mode,
        effect=effect,
        checks=checks,
        importance=sweep.importance if sweep.n_done else None,
        is_live=is_live,
    )


def _switches(now: Situation) -> Switches:
    """Heads that are off, as far as this trace has them."""
    kept: Mapping[str, Switches] = st.session_state.get("switches", {})
    n_layers, n_heads = now.trace.n_layers(now.place.site), now.trace.n_heads(now.place.site)
    return tuple(
        switch
        for switch in kept.get(f"{now.model_id} {now.place.site}", ())
        if switch[0] in range(n_layers) and switch[1] in range(n_heads)
    )


def _keep(asked: Asked) -> None:
    """Keep what was switched in the browser, for this model and site."""
    found: Sequence[Sequence[object]] = st.session_state["picture"]["switches"] or ()
    kept = tuple(
        (int(str(layer)), int(str(head)), _known_mode(mode)) for layer, head, mode in found
    )
    st.session_state.setdefault("switches", {})[f"{asked.model_id} {asked.site}"] = kept


def _known_mode(mode: object) -> AblationMode:
    found: AblationMode = mode if mode in LABELS else "zero"  # type: ignore[assignment]
    return found


def _change_modes(asked: Asked) -> None:
    """Heads that are off are off in the way that was chosen last."""
    kept = st.session_state.get("switches", {})
    name, mode = f"{asked.model_id} {asked.site}", _mode()
    kept[name] = tuple((layer, head, mode) for layer, head, _ in kept.get(name, ()))


@remembered
def _effect(asked: Asked, switches: Switches, _trace: Trace) -> tuple[Effect | None, list[Check]]:
    """What the switches do, and how that was checked."""
    from transformer_core.analysis import ablation

    if not switches:
        return None, []
    off = {(layer, head): mode for layer, head, mode in switches}
    model = model_of(asked.model_id)
    changed = ablation.switch_off(model, _trace, asked.site, off)
    effect = ablation.effect_on(model, _trace, changed)
    is_encoder = _trace.sites == ("encoder",)
    is_small = len(_trace.source) + len(_trace.target or ()) <= MAX_PROVEN
    checks = ablation.prove_off(_trace, changed, asked.site, off) if is_encoder or is_small else []
    return effect, checks


VIEW = View(
    "Switchboard",
    show,
    EXPLANATION,
    code,
    payload=payload,
    controls=frozenset(),
    files=files,
)
