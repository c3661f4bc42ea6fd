"""Attention against length: step by step, and by the fused kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.components.cache import model_of
from pages.components.efficiency_jobs import counted, measured, theme
from pages.components.efficiency_method import Method, Shown, json_file, side_by_side
from transformer_core.figures import efficiency as figures

if TYPE_CHECKING:
    from transformer_core.background import Report
    from transformer_core.efficiency.attention_cost import LengthPoint

EXPLANATION = r"""
Written step by step, $\mathrm{softmax}(q k^\top / \sqrt{d})\, v$ makes two tensors of $n \times n$
numbers a head: scores and pattern. The fused kernel computes the same in blocks, keeping for each
query only the running maximum and sum of its exponentials
([Dao et al. 2022](https://arxiv.org/abs/2205.14135), section 3.1; the trick is
[Milakov & Gimelshein 2018](https://arxiv.org/abs/1805.02867)): memory grows with $n$, not $n^2$.
The
number of multiplications is the same.

Measured on two heads of random queries, keys and values as wide as the model's. Bytes are those of
tensors alive at once, counted by intercepting every operation; what a kernel uses inside itself is
not seen.
"""


def show(model_id: str, _: str) -> Shown:
    """Draw time and memory over length."""
    d_head = d_head_of(model_id)

    def compute(report: Report) -> list[LengthPoint]:
        from transformer_core.efficiency.attention_cost import LENGTHS, length_curve

        return length_curve(d_head=d_head, go_on=counted(report, len(LENGTHS) * 9))

    points: list[LengthPoint] | None = measured(
        ("length", d_head), compute, label="Measure up to 4,096 tokens",
        note=f"Two heads of {d_head} components; the longest takes some seconds.",
    )  # fmt: skip
    code = (
        "from transformer_core.efficiency.attention_cost import length_curve\n\n"
        f"for point in length_curve(d_head={d_head}):\n    print(point)\n"
    )
    if points is None:
        return Shown(code)
    with st.container(border=True):
        st.markdown("**How do time and memory grow with length?**")
        side_by_side(figures.length_charts(points, theme=theme()))
        last = points[-1]
        st.caption(
            f"At {last.length:,} tokens: {last.ratio.median:.1f} × as fast fused (quartiles "
            f"{last.ratio.low:.1f} to {last.ratio.high:.1f}), "
            f"{last.sdpa_bytes / 1e6:.1f} instead of {last.naive_bytes / 1e6:.0f} MB of tensors; "
            f"largest difference of the outputs {last.largest_difference:.1e}."
        )
    content = [point.to_dict() for point in points]
    return Shown(code, json_file("attention-length.json", lambda: content))


@st.cache_data(max_entries=32, show_spinner=False)
def d_head_of(model_id: str) -> int:
    """Components of a head of a model."""
    model = model_of(model_id)
    config = model.module.config  # type: ignore[attr-defined]
    width = getattr(config, "d_model", None) or config.hidden_size
    return int(getattr(config, "head_dim", None) or width // model.n_heads(model.sites[0]))


METHOD = Method("Long texts", "What does attention cost as texts get longer?", show, EXPLANATION)
