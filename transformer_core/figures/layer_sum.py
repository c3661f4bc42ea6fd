"""The stream plus what a block writes, as three matrices with + and =: view ``sum``.

Options: ``terms`` (name, words), ``limit`` and ``peak`` shared by all, ``difference``. Arrays:
``term0``, ``term1``, ``total`` and, in a post-norm layer, ``normed``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transformer_core.figures.layer_stations import OUTS, STREAMS, TITLES, Floats, array, norm_name
from transformer_core.figures.numbers import written
from transformer_core.figures.payload import Payload, make_payload
from transformer_core.figures.picture import Badge, Picture, TokenStrip
from transformer_core.figures.wire import raw

if TYPE_CHECKING:
    from transformer_core.analysis.layer_walk import Block, LayerWalk
    from transformer_core.tracing.trace import Trace

MAX_EXACT_CELLS = 65_536
MAX_CELLS = 400_000


def layer_sum(trace: Trace, walk: LayerWalk, block: Block) -> Payload:
    """Is the stream after a block the stream before it plus what the block wrote?

    Args:
        trace: The trace.
        walk: The layer.
        block: Whose addition is shown.
    """
    matrices = [array(walk.entering(block)), *_writes(walk, block), array(block.total)]
    names = names_of(walk, block)
    arrays = dict(zip(("term0", "term1", "term2"), matrices[:-1], strict=False))
    arrays["total"] = matrices[-1]
    if block.after is not None:
        arrays["normed"] = array(block.leaving)
    shown, notes = _cut(arrays)
    is_small = shown["total"].size <= MAX_EXACT_CELLS
    encoded = {
        name: raw(values, "float32" if is_small else "float16") for name, values in shown.items()
    }
    if not is_small:
        worst = max(one.max_error for one in encoded.values())
        notes.append(
            f"Sent in half precision, off by {worst:.1g} at most; checked in full precision."
        )
    parts = np.abs(np.stack(matrices))
    options = {
        "terms": [{"name": name, "words": words} for name, words in names],
        "limit": float(np.quantile(parts, 0.99)) or 1.0,
        "peak": float(parts.max()),
        "difference": block.difference,
    }
    picture = _picture(trace, walk, block, tuple(notes), len(shown["total"]))
    return make_payload("sum", picture, options, encoded, unit="value")


def names_of(walk: LayerWalk, block: Block) -> list[tuple[str, str]]:
    """The terms, their total and, where there is one, the norm of it: names and words."""
    stream, streams = "resid_pre", ["resid_pre"]
    for one in walk.blocks:
        if one is block:
            break
        stream = "resid_pre" if walk.is_parallel else STREAMS[one.kind]
        streams.append(stream)
    blocks = walk.blocks if walk.is_parallel else (block,)
    outs = [
        (
            OUTS[one.kind]
            if one.out_norm is None
            else f"{norm_name(one.out_norm)}({OUTS[one.kind]})",
            f"written by {TITLES[one.kind].lower()}",
        )
        for one in blocks
    ]
    target = STREAMS["feed-forward"] if walk.is_parallel else STREAMS[block.kind]
    if block.after is None:
        return [(stream, "the stream before"), *outs, (target, "the stream behind")]
    norm = norm_name(block.after)
    return [
        (stream, "the stream before"),
        *outs,
        ("the sum", f"what {norm} reads"),
        (target, f"{norm} of the sum: the stream behind"),
    ]


def equation_of(walk: LayerWalk, block: Block) -> str:
    """The addition in one line, with names as in code."""
    names = [name for name, _ in names_of(walk, block)]
    if block.after is None:
        return f"{names[-1]} = {' + '.join(names[:-1])}"
    return f"{names[-1]} = {norm_name(block.after)}({' + '.join(names[:-2])})"


def _writes(walk: LayerWalk, block: Block) -> list[Floats]:
    blocks = walk.blocks if walk.is_parallel else (block,)
    return [array(one.written) for one in blocks]


def _cut(arrays: dict[str, Floats]) -> tuple[dict[str, Floats], list[str]]:
    """The first tokens of a text that is too long to send whole."""
    rows, columns = arrays["total"].shape
    most = max(1, MAX_CELLS // columns)
    if rows <= most:
        return arrays, []
    note = f"Shown: the first {most} of {rows} tokens; the sum is checked over all of them."
    return {name: values[:most] for name, values in arrays.items()}, [note]


def _picture(
    trace: Trace, walk: LayerWalk, block: Block, notes: tuple[str, ...], n_rows: int
) -> Picture:
    stack, layer = walk.place
    tokens = TokenStrip.of(trace.query_tokens(stack)).at(range(n_rows))
    equation = equation_of(walk, block)
    exact = block.difference == 0
    size = f"{walk.resid_pre.shape[0]} × {walk.resid_pre.shape[1]}"
    verdict = "to the bit" if exact else "to rounding"
    return Picture(
        title=equation,
        subtitle=f"Layer {layer} of the {stack}: tokens down, {walk.resid_pre.shape[1]} dimensions "
        "across, one colour scale for all, 99 % of the entries inside it.",
        hint="The same cell is marked in each; its numbers stand below.",
        queries=tokens,
        keys=tokens,
        model=trace.model_name,
        revision=trace.revision,
        text=trace.text,
        site=stack,
        layer=layer,
        badge=Badge(
            text=f"the sum equals the model's own tensor {verdict} · max |Δ| "
            f"{written(block.difference, 2)}",
            is_ok=block.difference <= 1e-4,
            details=(
                f"Both were added again in the model's order, all {size} entries, and compared "
                "with the tensor that the model itself went on with: largest difference "
                f"{written(block.difference)}.",
            ),
        ),
        notes=(*trace.notes, *notes),
        caption=f"{equation}, as matrices of {size} entries.",
    )
