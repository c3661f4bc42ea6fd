"""The key-value cache, on and off, and fewer heads in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.components.cache import model_of
from pages.components.efficiency_jobs import counted, measured, theme
from pages.components.efficiency_method import (
    Method,
    Shown,
    compared,
    comparison_files,
    json_file,
    side_by_side,
)
from pages.components.messages import plain
from transformer_core.figures import efficiency as figures

if TYPE_CHECKING:
    from transformer_core.background import Report
    from transformer_core.efficiency.key_values import CachePoint

EXPLANATION = r"""
While a model writes, the keys and values of the tokens before do not change: a cache keeps them, so
each step computes one position in place of all. It takes
$2 \cdot \text{layers} \cdot h_{kv} \cdot n \cdot d_\mathrm{head}$ numbers.

**Fewer key-value heads.** Queries keep their heads, groups of them share keys and values
([Ainslie et al. 2023](https://arxiv.org/abs/2305.13245), section 2.1; one for all is
[Shazeer 2019](https://arxiv.org/abs/1911.02150)). A model is converted by the *mean* of each
group's
projections; the paper then trains on for a while, which is not done here: what is shown is the loss
of the conversion alone. Keys are computed as often as before, so time is not gained here; the
cache's size is what it would be.
"""


def show(model_id: str, _: str) -> Shown:
    """Draw the next token's cost, then what sharing keys does."""
    model: Any = model_of(model_id)
    if "decoder" not in model.sites:
        st.info(
            plain(
                f"{model.card.name} has no decoder: it writes nothing, so it caches nothing. "
                "Choose en-fr-small or smollm2."
            )
        )
        return Shown("")
    points = _curve(model_id)
    if points is not None:
        with st.container(border=True):
            st.markdown("**What does the next token cost?**")
            side_by_side(figures.cache_charts(points, theme=theme()))
            last = points[-1]
            ratio = last.without.median / last.with_cache.median
            st.caption(
                f"After {last.length} tokens: {ratio:.1f} × as fast with the cache, which holds "
                f"{last.cache_bytes / 1e6:.2f} MB. Medians and quartiles, turn about."
            )
    found = _shared_keys(model_id, model)
    code = (
        "import transformer_core as tc\n"
        "from transformer_core.efficiency.key_values import cache_curve, with_fewer_kv_heads\n\n"
        f"model = tc.load({model_id!r})\n"
        "for point in cache_curve(model):\n    print(point)\n"
        "shared = with_fewer_kv_heads(model, 1)\n"
    )
    files = comparison_files(found, "shared-keys")
    if points is not None:
        content = [point.to_dict() for point in points]
        files = {"JSON (cache)": json_file("cache.json", lambda: content)["JSON"], **files}
    return Shown(code, files)


def _curve(model_id: str) -> list[CachePoint] | None:
    def compute(report: Report) -> list[CachePoint]:
        from transformer_core.efficiency.key_values import LENGTHS, cache_curve

        model: Any = model_of(model_id)
        return cache_curve(model, go_on=counted(report, len(LENGTHS) * 13))

    return measured(
        ("cache", model_id), compute, label="Time the next token, with and without the cache"
    )


def _shared_keys(model_id: str, model: Any) -> Any:
    from transformer_core.efficiency.key_values import n_kv_heads

    there = n_kv_heads(model)
    st.markdown("#### How many key-value heads are needed?")
    st.caption(
        plain(f"{model.card.name}: {model.n_heads('decoder')} query heads, {there} of keys.")
    )
    fewer = [n for n in range(1, there) if there % n == 0]
    if not fewer:
        st.info("There is one key-value head already.")
        return None

    def variants(model: Any) -> list[Any]:
        from transformer_core.efficiency.key_values import with_fewer_kv_heads

        return [with_fewer_kv_heads(model, n) for n in reversed(fewer)]

    return compared(
        (model_id,), "fewer key-value heads", variants, n_variants=len(fewer),
        label="Share keys and measure",
    )  # fmt: skip


METHOD = Method("KV cache", "What does the cache save, and what does it take?", show, EXPLANATION)
