"""The views of the page Inside a layer: the walk, its sums, a logit's parts, the two schemes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.components.attention_view import attention_view
from pages.components.layer_logit import (
    LOGIT_EXPLANATION,
    logit_code,
    logit_files,
    logit_link,
    show_logit,
)
from pages.components.layer_situation import Inside

if TYPE_CHECKING:
    from pages.components.footer import Files
    from transformer_core.analysis.layer_walk import Block

WALK_EXPLANATION = r"""
A layer reads a **residual stream** (one vector a token), and adds to it. Each head asks with
$q = xW_Q$, is found by $k = xW_K$, hands over $v = xW_V$, and reads
$z = \mathrm{softmax}\!\left(\tfrac{qk^\top}{\sqrt{d_k}}\right)v$
([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), eq. 1, section 3.2.1). What the heads
write is one sum, $\mathrm{attn\_out} = \mathrm{Concat}(z_0, \dots, z_{H-1})\,W_O + b_O = \sum_h z_h
W_O^h + b_O$ (section 3.2.2). The feed-forward block works on each token by itself,
$\mathrm{FFN}(x) = \max(0,\, xW_1 + b_1)\,W_2 + b_2$ (eq. 2, section 3.3); newer models put GELU or
SiLU in place of $\max(0,\cdot)$, or a gate beside it, $(\mathrm{SiLU}(xW_{gate}) \odot xW_{up})
W_{down}$ ([Shazeer 2020](https://arxiv.org/abs/2002.05202)). A *neuron* is one entry of
`ff_post`. Both blocks are added to the stream (residual connections,
[He et al. 2015](https://arxiv.org/abs/1512.03385)), with
$\mathrm{LayerNorm}(x) = \gamma \odot \tfrac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta$
([Ba et al. 2016](https://arxiv.org/abs/1607.06450)) or
$\mathrm{RMSNorm}(x) = \gamma \odot \tfrac{x}{\sqrt{\mathrm{mean}(x^2) + \epsilon}}$
([Zhang & Sennrich 2019](https://arxiv.org/abs/1910.07467)) before the block or after the sum.
"""
SUM_EXPLANATION = r"""
What a block writes is **added** to the stream: $x_{mid} = x_{pre} + \mathrm{attn\_out}$ (residual
connection, [He et al. 2015](https://arxiv.org/abs/1512.03385);
[Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), section 3.1). So the stream carries
everything that earlier layers wrote, and every block reads their sum
([Elhage et al. 2021](https://transformer-circuits.pub/2021/framework/index.html)). In a post-norm
layer the sum goes through a norm before it goes on. The matrices are the model's own tensors; both
were added again in the model's order and compared with the tensor that it went on with, bit by bit.
"""
SCHEMES_EXPLANATION = r"""
**Post-norm**, the paper's: $x_{l+1} = \mathrm{LayerNorm}(x_l + \mathrm{Sublayer}(x_l))$
([Vaswani et al. 2017](https://arxiv.org/abs/1706.03762), section 3.1; the dropout of section 5.4
is on what a sub-layer writes, before it is added). Its gradients near the output are large at the
start, so it needs a learning-rate warm-up. **Pre-norm**: $x_{l+1} = x_l +
\mathrm{Sublayer}(\mathrm{LayerNorm}(x_l))$; gradients are even over the layers, it trains without
warm-up ([Xiong et al. 2020](https://arxiv.org/abs/2002.04745)), and since nothing norms the stream
itself, it grows from layer to layer, and one more norm stands before the output.
"""


@dataclass(frozen=True)
class LayerView:
    """One view: how it is shown, explained, written as code and saved.

    Attributes:
        show: Draws it.
        explanation: Markdown.
        code: The lines of Python that make it.
        files: What can be saved.
        with_layer: Whether it reads the chosen stack and layer.
        with_head: Whether it reads the chosen head.
        link: What else of its state the address carries.
    """

    show: Callable[[Inside], None]
    explanation: str
    code: Callable[[Inside], str]
    files: Callable[[Inside], Files]
    with_layer: bool = True
    with_head: bool = False
    link: Callable[[Inside], dict[str, str]] = lambda _: {}


# -- the walk -------------------------------------------------------------------------------


def show_walk(now: Inside) -> None:
    """The walk, with a tensor opened beside it."""
    from transformer_core.figures.layer import layer_walk

    payload = layer_walk(now.trace, now.walk, _looking(now))
    attention_view(payload, key="picture", on_head=_pick_head, on_open=_open)


def _looking(now: Inside) -> Looking:
    from transformer_core.figures.layer import Looking

    asked = st.query_params.get("open", "resid_mid")
    opened = str(st.session_state.setdefault("layer_open", asked))
    # The first token of a text is often one that the model adds; the second is a word.
    return Looking(now.head, opened, token=min(1, len(now.trace.query_tokens(now.stack)) - 1))


def _pick_head() -> None:
    picked = st.session_state["picture"]["head"]
    if picked is not None:
        st.session_state["head"] = int(picked[1])


def _open() -> None:
    opened = st.session_state["picture"]["open"]
    if opened is not None:
        st.session_state["layer_open"] = str(opened)


def walk_link(_: Inside) -> dict[str, str]:
    """The tensor that is shown large."""
    return {"open": str(st.session_state["layer_open"])}


def walk_code(now: Inside) -> str:
    """Watch one layer, follow it, and make the same picture as a page of its own."""
    return (
        f"{now.opening}\n"
        "from transformer_core.analysis.layer_walk import walk\n"
        "from transformer_core.figures import html, layer\n"
        "from transformer_core.tracing.parts import watch_parts\n\n"
        f"place = ({now.stack!r}, {now.layer})\n"
        "found = walk(watch_parts(model, trace, layers={place}), place)\n"
        "for block in found.blocks:\n"
        "    print(block.kind, tuple(block.written.shape), float(block.written.norm()))\n"
        f"looking = layer.{_looking(now)!r}\n"
        "page = html.to_html(layer.layer_walk(trace, found, looking))\n"
    )


def walk_files(now: Inside) -> Files:
    """The picture, every tensor, and the open one as a table."""
    from transformer_core.figures import html
    from transformer_core.figures.layer import layer_walk
    from transformer_core.figures.layer_files import to_csv, to_npz

    looking = _looking(now)
    return {
        "HTML (self-contained)": (
            f"{now.name}.html",
            lambda: html.to_html(layer_walk(now.trace, now.walk, looking)),
        ),
        "NPZ (every tensor)": (
            f"{now.name}.npz",
            lambda: to_npz(now.trace, now.walk, now.head),
        ),
        f"CSV ({looking.opened})": (
            f"{now.name}-{looking.opened}.csv",
            lambda: to_csv(now.trace, now.walk, now.head, looking.opened),
        ),
    }


# -- the sum --------------------------------------------------------------------------------


def show_sum(now: Inside) -> None:
    """Three matrices with + and =."""
    from transformer_core.figures.layer_sum import equation_of, layer_sum

    walk = now.walk
    equations = {block.kind: equation_of(walk, block) for block in walk.blocks}
    if walk.is_parallel:
        equations = {walk.blocks[0].kind: equations[walk.blocks[0].kind]}
    asked = st.session_state.get("layer_sum", st.query_params.get("sum"))
    st.session_state["layer_sum"] = asked if asked in equations else next(iter(equations))
    if len(equations) > 1:
        st.segmented_control(
            "Sum", list(equations), key="layer_sum", required=True, label_visibility="collapsed",
            format_func=lambda kind: equations[kind],
        )  # fmt: skip
    attention_view(layer_sum(now.trace, walk, _summed(now)), key="picture")


def _summed(now: Inside) -> Block:
    walk = now.walk
    kinds = [block.kind for block in walk.blocks]
    kind = st.session_state.get("layer_sum")
    return walk.block(kind if kind in kinds else kinds[0])


def sum_link(now: Inside) -> dict[str, str]:
    """Which block is added."""
    return {"sum": _summed(now).kind}


def sum_code(now: Inside) -> str:
    """Add again and compare, bit by bit."""
    block = _summed(now)
    walk = now.walk
    written = "block.written"
    if walk.is_parallel:
        written = "sum(one.written for one in found.blocks)"
    return (
        f"{now.opening}\n"
        "from transformer_core.analysis.layer_walk import walk\n"
        "from transformer_core.figures import html\n"
        "from transformer_core.figures.layer_sum import layer_sum\n"
        "from transformer_core.tracing.parts import watch_parts\n\n"
        f"place = ({now.stack!r}, {now.layer})\n"
        "found = walk(watch_parts(model, trace, layers={place}), place)\n"
        f"block = found.block({block.kind!r})\n"
        f"total = found.entering(block) + {written}\n"
        "print(float((total - block.total).abs().max()))\n"
        "page = html.to_html(layer_sum(trace, found, block))\n"
    )


def sum_files(now: Inside) -> Files:
    """The picture and the matrices."""
    from transformer_core.figures import html
    from transformer_core.figures.layer_files import to_npz
    from transformer_core.figures.layer_sum import layer_sum

    return {
        "HTML (self-contained)": (
            f"{now.name}-sum.html",
            lambda: html.to_html(layer_sum(now.trace, now.walk, _summed(now))),
        ),
        "NPZ (every tensor)": (f"{now.name}.npz", lambda: to_npz(now.trace, now.walk, now.head)),
    }


# -- post-norm and pre-norm -----------------------------------------------------------------


def _schemes(now: Inside) -> Payload:
    from transformer_core.figures.layer_schemes import layer_schemes

    return layer_schemes(now.trace, now.walk)


def show_schemes(now: Inside) -> None:
    """The two schemes side by side, and how the stream of this model grows."""
    attention_view(_schemes(now), key="picture")


def schemes_code(now: Inside) -> str:
    """The lengths of the stream, and the drawing."""
    return (
        f"{now.opening}\n"
        f"for layer in range(-1, trace.n_layers({now.stack!r})):\n"
        f"    stream = trace.resid({now.stack!r}, layer=layer)  # [pos d_model]\n"
        "    print(layer, float(stream.norm(dim=-1).mean()))\n\n"
        "from transformer_core.analysis.layer_walk import walk\n"
        "from transformer_core.figures import html\n"
        "from transformer_core.figures.layer_schemes import layer_schemes\n"
        "from transformer_core.tracing.parts import watch_parts\n\n"
        f"place = ({now.stack!r}, {now.layer})\n"
        "found = walk(watch_parts(model, trace, layers={place}), place)\n"
        "print(found.scheme)\n"
        "page = html.to_html(layer_schemes(trace, found))\n"
    )


def schemes_files(now: Inside) -> Files:
    """The drawing, and the lengths."""
    from transformer_core.figures import html
    from transformer_core.figures.layer_files import lengths_to_csv

    return {
        "HTML (self-contained)": (
            f"{now.trace.model_name}-{now.stack}-schemes.html",
            lambda: html.to_html(_schemes(now)),
        ),
        "CSV (length of the stream)": (
            f"{now.trace.model_name}-{now.stack}-stream.csv",
            lambda: lengths_to_csv(now.trace, now.stack),
        ),
    }


if TYPE_CHECKING:
    from transformer_core.figures.layer import Looking
    from transformer_core.figures.payload import Payload

VIEWS = {
    "The walk": LayerView(
        show_walk, WALK_EXPLANATION, walk_code, walk_files, with_head=True, link=walk_link
    ),
    "The sum": LayerView(show_sum, SUM_EXPLANATION, sum_code, sum_files, link=sum_link),
    "A logit's parts": LayerView(
        show_logit, LOGIT_EXPLANATION, logit_code, logit_files, with_layer=False, link=logit_link
    ),
    "Post-norm, pre-norm": LayerView(
        show_schemes, SCHEMES_EXPLANATION, schemes_code, schemes_files
    ),
}
