"""Post-norm and pre-norm side by side, as the browser component takes them: view ``schemes``.

Options: ``schemes`` (name, equation, paper, is_here), ``blocks`` (their titles), ``stack``, and
``norms``: mean length of the residual stream before the first layer and after each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformer_core.figures.layer_stations import TITLES
from transformer_core.figures.numbers import written
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Picture, TokenStrip

if TYPE_CHECKING:
    from transformer_core.analysis.layer_walk import LayerWalk
    from transformer_core.tracing.trace import Trace

NAMES = {"post": "post-norm", "pre": "pre-norm"}
EQUATIONS = {
    "post": "x ← LayerNorm(x + Sublayer(x))",
    "pre": "x ← x + Sublayer(LayerNorm(x))",
}
PAPERS = {
    "post": "Vaswani et al. 2017, sections 3.1 and 5.4",
    "pre": "Xiong et al. 2020; GPT-2, Llama and T5",
}


def layer_schemes(trace: Trace, walk: LayerWalk) -> Payload:
    """Where does the norm stand, and what does that do to the stream?

    Args:
        trace: The trace, whose stream is measured.
        walk: A layer of it, which tells its scheme.
    """
    stack, scheme = walk.place[0], walk.scheme
    norms = stream_lengths(trace, stack)
    tokens = TokenStrip.of(trace.query_tokens(stack))
    first, last = written(norms[0]), written(norms[-1])
    picture = Picture(
        title="Where does the norm stand?",
        subtitle=f"{trace.model_name} is {NAMES[scheme]}: found in what layer {walk.place[1]} of "
        f"its {stack} computes. The other scheme stands beside it for comparison.",
        queries=tokens,
        keys=tokens,
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site=stack,
        notes=(
            *trace.notes,
            *(
                ("The drawing shows blocks one after the other; in this model they read the same "
                 "stream and are added at once.",)
                if walk.is_parallel
                else ()
            ),
        ),
        caption="Post-norm: each norm stands on the stream, after a sum. Pre-norm: each norm "
        "stands before a block, beside the stream, which runs through. Mean length of this "
        f"{stack}'s stream: {first} before the first layer, {last} after the last.",
    )  # fmt: skip
    options = {
        "schemes": [
            {
                "name": name,
                "equation": EQUATIONS[name],
                "paper": PAPERS[name],
                "is_here": name == scheme,
            }
            for name in NAMES
        ],
        "blocks": [TITLES[block.kind] for block in walk.blocks],
        "stack": stack,
        "norms": norms,
    }
    return make_payload("schemes", picture, options, {}, unit="length")


def stream_lengths(trace: Trace, stack: str) -> list[float]:
    """Mean length of the residual stream before the first layer and after each."""
    layers = range(-1, trace.n_layers(stack))
    return [float(trace.resid(stack, layer=i).norm(dim=-1).mean()) for i in layers]
