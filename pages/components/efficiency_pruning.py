"""Pruning: heads by importance, small weights, whole layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.cache import model_of
from pages.components.efficiency_jobs import measured, theme
from pages.components.efficiency_method import (
    Method,
    Shown,
    choose,
    compared,
    comparison_files,
    json_file,
)
from pages.components.messages import show_error
from transformer_core.errors import TransformerCoreError
from transformer_core.figures import efficiency as figures

if TYPE_CHECKING:
    from transformer_core.background import Report
    from transformer_core.efficiency.curves import Pruning, PruningCurve

REFIT_HELP = (
    "It pays with hundreds of calibration pairs; the 32 that ship are few. On a file of your own: "
    "python -m transformer_core prune --heads 27 --by surgeon --refit --calibration 800 --data FILE"
)
WHAT = ("Heads", "Weights", "Layers")
EXPLANATION = r"""
**Heads.** A gate $\xi_h = 1$ stands after each head; how much the loss would change with it is the
head's importance, $I_h = \mathbb{E}_x \left| \partial \mathcal{L}(x) / \partial \xi_h \right|$
([Michel et al. 2019](https://arxiv.org/abs/1905.10650), section 4.1), or the loss is measured again
with each head taken out. *Surgeon* asks what the other heads
could not make up for, were they refitted
([Hassibi & Stork 1993](https://proceedings.neurips.cc/paper/1992/hash/303ed4c69846ab36c2904d3ba8573050-Abstract.html),
for whole heads). Heads go least important first; random orders stand beside. *Measure
again*
looks anew after some have gone, as heads stand in for one another. *Refit* then fits the output
matrices $W_O$ of the heads that stay by least squares, so that the residual stream is again what it
was, as nearly as they can
([He et al. 2017](https://arxiv.org/abs/1707.06168), section 3.1, for channels). In this project's
own
models pruned heads are cut out of the matrices; in others they are set to 0, which saves nothing.

**Weights.** The smallest $|w|$ of all linear maps together become 0
([Han et al. 2015](https://arxiv.org/abs/1506.02626)), by `torch.nn.utils.prune`. A CPU multiplies
zeros as fast as anything else: no time is gained.

**Layers.** A layer only adds to the residual stream, so it can be left out; what that costs is
shown.
"""


def show(model_id: str, _: str) -> Shown:
    """Draw what was chosen."""
    asked = st.query_params.get("what", "")
    what = choose("What goes", WHAT, key="prune_what", asked=asked, is_titled=True)
    shown = {"Heads": _heads, "Weights": _weights, "Layers": _layers}[what](model_id)
    return Shown(shown.code, shown.files, {"what": what, **shown.link})


def _heads(model_id: str) -> Shown:
    from transformer_core.efficiency.heads import check_number
    from transformer_core.efficiency.quality import kind_of

    model: Any = model_of(model_id)
    pruning = _pruning(model_id, model)
    try:
        check_number(model, pruning.n_heads)
    except TransformerCoreError as error:
        show_error(error)
        return Shown("")
    curve: PruningCurve | None = measured(
        ("heads", model_id, pruning),
        lambda report: _measure(model_id, pruning, report),
        label="Measure importance and prune",
        note="Importance on 32 pairs (or the passages), quality on 64 others.",
    )
    code = (
        "import transformer_core as tc\n"
        "from transformer_core.efficiency.curves import Pruning, pruning_curve\n"
        "from transformer_core.efficiency.evaluation import shipped\n\n"
        f"curve = pruning_curve(tc.load({model_id!r}), shipped(), {pruning!r})\n"
        "print(curve.order, curve.plain, curve.chosen)\n"
    )
    if curve is None:
        return Shown(code)
    _show_curve(curve, pruning, is_encoder=kind_of(model) == "similarity")
    return Shown(code, json_file("pruning.json", curve.to_dict))


def _pruning(model_id: str, model: Any) -> Pruning:
    """What is to go, and how it is chosen."""
    from transformer_core.efficiency.curves import Pruning
    from transformer_core.efficiency.quality import kind_of
    from transformer_core.efficiency.variants import all_heads
    from transformer_core.tracing.scratch import ScratchModel

    there = len(all_heads(model))
    own = isinstance(model, ScratchModel)
    ways = ["ablation"] if kind_of(model) == "similarity" else ["gradient", "ablation"]
    ways += ["surgeon"] if own else []
    with st.container(horizontal=True, vertical_alignment="bottom", key="prune-controls"):
        number = st.number_input(
            f"Heads to take out (of {there})", value=round(there / 3), step=1, width=210,
            key=f"prune_heads_{model_id}",
        )  # fmt: skip
        by: Any = choose(
            "Importance by", ways, key=f"prune_by_{len(ways)}", asked=ways[0], is_titled=True
        )
        again = own and st.toggle("Measure again every 3 heads", key="prune_again")
        refit = own and st.toggle("Refit the heads that stay", key="prune_refit", help=REFIT_HELP)
    return Pruning(int(number), by, 3 if again else 0, bool(refit))


def _measure(model_id: str, pruning: Pruning, report: Report) -> PruningCurve:
    from transformer_core.efficiency.curves import pruning_curve
    from transformer_core.efficiency.evaluation import shipped

    state = {"done": 0, "total": 20}

    def grew(_: PruningCurve, done: int, total: int) -> None:
        state.update(done=done, total=total)
        report(done, total)

    def go_on() -> None:
        report(state["done"], state["total"])

    return pruning_curve(model_of(model_id), shipped(), pruning, grew=grew, go_on=go_on)


def _show_curve(curve: PruningCurve, pruning: Pruning, *, is_encoder: bool) -> None:
    unit = "E |∂L/∂ξ|, nats a text"
    if pruning.by == "surgeon":
        unit = "rise of the loss, nats"
    if pruning.by == "ablation":
        unit = "drop of the cosine" if is_encoder else "rise of the loss, nats"
    with st.container(border=True):
        st.markdown("**How important is each head, one by one?**")
        bars = figures.importance_bars(curve.importance, curve.order, unit=unit, theme=theme())
        st.altair_chart(bars, width="stretch")
        if pruning.by == "surgeon":
            st.caption("Estimated, a token: each head out alone, the others of its layer refitted.")
        elif not is_encoder:
            what = "Mean over" if pruning.by == "gradient" else "Each head out alone, on"
            st.caption(f"{what} the calibration texts.")
    with st.container(border=True):
        st.markdown("**How much quality is left when heads go?**")
        st.altair_chart(figures.pruning_chart(curve, theme=theme()), width="stretch")
        whole, last = curve.plain, curve.chosen[max(curve.chosen)]
        if whole is not None:
            worst = [found[max(found)].value for found in curve.random.values()]
            st.markdown(
                f"{max(curve.chosen)} heads gone: {whole.kind} {last.value:.4g} instead of "
                f"{whole.value:.4g}; in random order {min(worst):.4g} to {max(worst):.4g}."
            )
        st.caption(
            "Both curves are treated alike"
            + (", the heads that stay refitted in both." if pruning.is_refitted else ".")
        )


def _weights(model_id: str) -> Shown:
    share = st.number_input(
        "Share of weights to set to 0", value=0.5, step=0.1, format="%.2f", width=230,
        key="prune_share",
    )  # fmt: skip
    code = (
        "import transformer_core as tc\n"
        "from transformer_core.efficiency.magnitude import without_small_weights\n\n"
        f"pruned = without_small_weights(tc.load({model_id!r}), {float(share)!r})\n"
    )
    if not 0 <= share < 1:
        show_error(f"The share of weights to prune is {share:g}; it must be from 0 to below 1.")
        return Shown(code)

    def variants(model: Any) -> list[Any]:
        from transformer_core.efficiency.magnitude import without_small_weights

        return [without_small_weights(model, float(share))]

    found = compared((model_id, float(share)), "weights by magnitude", variants, n_variants=1)
    if found is not None:
        packed = found.rows[1].facts["packed_bytes"] / 1e6
        st.caption(
            f"In memory a 0 takes as much as any number, and a CPU multiplies it as slowly. Packed "
            f"on a disk, the zeros left out and one bit a place kept, it would be {packed:.1f} MB."
        )
    return Shown(code, comparison_files(found, "weights"))


def _layers(model_id: str) -> Shown:
    model: Any = model_of(model_id)
    names = [
        f"{stack} {layer}"
        for stack in model.sites
        if stack != "cross"
        for layer in range(model.n_layers(stack))
    ]
    gone = st.multiselect(
        "Layers to leave out", names, default=names[-1:], key=f"prune_layers_{model_id}"
    )
    layers = [(name.split()[0], int(name.split()[1])) for name in gone]
    code = (
        "import transformer_core as tc\n"
        "from transformer_core.efficiency.cutting import without_layers\n\n"
        f"pruned = without_layers(tc.load({model_id!r}), {layers!r})\n"
    )
    for stack in {stack for stack, _ in layers}:
        if sum(at == stack for at, _ in layers) == model.n_layers(stack):
            show_error(f"All layers of the {stack} cannot go: at least one must stay.")
            return Shown(code)
    if not layers:
        st.info("Choose a layer to leave out.")
        return Shown(code)

    def variants(model: Any) -> list[Any]:
        from transformer_core.efficiency.cutting import without_layers

        return [without_layers(model, layers, name=f"without {', '.join(gone)}")]

    found = compared((model_id, *gone), "whole layers", variants, n_variants=1)
    return Shown(code, comparison_files(found, "layers"))


METHOD = Method("Pruning", "What can be taken out?", show, EXPLANATION)
