"""The stations of a layer's walk: every tensor between the stream that enters and that leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from transformer_core.analysis.layer_walk import Block, LayerWalk
    from transformer_core.tracing.parts import Part
    from transformer_core.tracing.records import AttentionRecord
    from transformer_core.tracing.trace import Trace

Floats = NDArray[np.float32]
Side = Literal["query", "key"]
RowKind = Literal["stream", "inner", "add", "norm", "heads", "neurons"]
TITLES = {
    "attention": "Self-attention",
    "cross": "Cross-attention",
    "feed-forward": "Feed-forward",
}
OUTS = {"attention": "attn_out", "cross": "cross_out", "feed-forward": "ff_out"}
STREAMS = {"attention": "resid_mid", "cross": "resid_cross", "feed-forward": "resid_post"}


@dataclass(frozen=True, eq=False)
class Station:
    """One tensor on the way.

    Attributes:
        id: Tells it from the others of its layer; stable from layer to layer.
        name: As in code: ``resid_mid``.
        words: What it is.
        values: The tensor itself.
        columns: What goes across: ``dimension``, ``neuron``, ``key``.
        rows: Whose tokens go down: the stack's own, or (``key``) the source's.
        across: Where keys go across: whose tokens they are.
        part: Colour of its name: ``query``, ``key``, ``value``, or none.
        is_weight: Weights from 0 to 1 rather than signed numbers.
    """

    id: str
    name: str
    words: str
    values: Floats
    columns: str = "dimension"
    rows: Side = "query"
    across: Side = "query"
    part: str = ""
    is_weight: bool = False


@dataclass(frozen=True)
class Row:
    """What stands side by side in the walk.

    Attributes:
        kind: On the stream, inside a block, a sum, a norm behind it, heads, or neurons.
        block: The block that it belongs to; −1 for the stream.
        stations: Ids of the stations.
        text: What happens there: an equation.
    """

    kind: RowKind
    block: int
    stations: tuple[str, ...] = ()
    text: str = ""


@dataclass(eq=False)
class Stations:
    """A layer's stations with their order.

    Attributes:
        stations: By id.
        rows: From top to bottom.
        records: Attention of each block that has any, by the block's index.
        writes: Norm of what each head writes, ``[head pos]``, by the block's index.
        ff_post: Activations, for their most active neurons.
    """

    stations: dict[str, Station] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    records: dict[int, AttentionRecord] = field(default_factory=dict)
    writes: dict[int, Floats] = field(default_factory=dict)
    ff_post: Floats | None = None

    def row(self, kind: RowKind, block: int, *stations: Station, text: str = "") -> None:
        """Add a row."""
        self.stations |= {station.id: station for station in stations}
        self.rows.append(Row(kind, block, tuple(station.id for station in stations), text))


def stations_of(trace: Trace, walk: LayerWalk, head: int) -> Stations:
    """Lay a layer's walk out.

    Args:
        trace: The trace; it holds queries, keys, values and patterns.
        walk: The layer.
        head: Whose q, k, v, pattern and output are shown.
    """
    found = Stations()
    stream = "resid_pre"
    comes_in = Station(stream, stream, "the residual stream comes in", array(walk.resid_pre))
    found.row("stream", -1, comes_in)
    for index, block in enumerate(walk.blocks):
        reads = stream if not walk.is_parallel else "resid_pre"
        if block.kind == "feed-forward":
            _feed_forward(found, block, index, reads)
        else:
            _attention(found, trace, walk, (index, block, reads), head)
        if walk.is_parallel and index < len(walk.blocks) - 1:
            continue
        stream = _joined(found, walk, index, stream)
    return found


def _read(found: Stations, block: Block, index: int, reads: str) -> None:
    if block.before is not None:
        name = f"{norm_name(block.before)}({reads})"
        words = f"{block.before.class_name}: what the block reads"
        found.row("inner", index, Station(f"{index}.in", name, words, array(block.reads)))


def _written(found: Stations, block: Block, index: int) -> str:
    """What a block writes, and the name of what is added."""
    name = OUTS[block.kind]
    has_bias = getattr(block.out.module, "bias", None) is not None
    words = "what the block writes" if block.kind == "feed-forward" else (
        "what all heads write together" + (", with the bias b_O" if has_bias else "")
    )  # fmt: skip
    found.row("inner", index, Station(name, name, words, array(block.out.leaving)))
    if block.out_norm is None:
        return name
    normed = f"{norm_name(block.out_norm)}({name})"
    words = "normed before it is added"
    found.row("inner", index, Station(f"{index}.out", normed, words, array(block.written)))
    return normed


def _attention(
    found: Stations, trace: Trace, walk: LayerWalk, what: tuple[int, Block, str], head: int
) -> None:
    index, block, reads = what
    site = "cross" if block.kind == "cross" else walk.place[0]
    record = trace.record(site, layer=walk.place[1])
    head = min(head, record.n_heads - 1)
    wrote = trace.head_output(site, layer=walk.place[1])
    found.records[index], found.writes[index] = record, array(wrote.norm(dim=-1))
    _read(found, block, index, reads)
    is_cross = site == "cross"
    side: Side = "key" if is_cross else "query"
    source = "the encoder's output" if is_cross else "the same tokens"
    found.row(
        "inner", index,
        Station(f"{index}.q", "q", "asks", array(record.queries(head)), part="query"),
        Station(f"{index}.k", "k", f"of {source}", array(record.keys(head)),
                rows=side, part="key"),
        Station(f"{index}.v", "v", f"of {source}", array(record.values(head)),
                rows=side, part="value"),
        text=f"head {head}",
    )  # fmt: skip
    causal = " (causal: none reads a later token)" if record.is_causal or _is_causal(record) else ""
    found.row("heads", index, text=f"pattern of each head{causal}; bar: length of what it writes")
    pattern = array(record.pattern(head))
    z = pattern @ array(record.values(head)) if record.z is None else array(record.z[head])
    found.row(
        "inner", index,
        Station(f"{index}.pattern", "pattern", "softmax(q kᵀ · scale)", pattern,
                columns="key", across=side, is_weight=True),
        Station(f"{index}.z", "z", "pattern · v", z),
        Station(f"{index}.head", f"z W_O^{head}", "what it writes", array(wrote[head])),
        text=f"head {head}",
    )  # fmt: skip
    _written(found, block, index)


def _is_causal(record: AttentionRecord) -> bool:
    """Whether a mask hides every later token."""
    visible = record.visible()
    if visible is None or record.n_query != record.n_key or record.n_query < 2:
        return False
    return not bool(visible.triu(1).any())


def _feed_forward(found: Stations, block: Block, index: int, reads: str) -> None:
    ff = block.ff
    if ff is None:
        return
    _read(found, block, index, reads)
    function = plain_function(ff.function)
    words = "x W_gate" if ff.is_gated else "x W₁" + (" + b₁" if ff.has_bias else "")
    pre = Station("ff_pre", "ff_pre", words, array(ff.pre), columns="neuron")
    if ff.up is None:
        found.row("inner", index, pre)
        words = f"{function}(ff_pre)"
    else:
        up = Station("ff_up", "ff_up", "x W_up", array(ff.up), columns="neuron")
        found.row("inner", index, pre, up)
        words = f"{function}(ff_pre) ⊙ ff_up"
    found.ff_post = array(ff.post)
    found.row("inner", index, Station("ff_post", "ff_post", words, found.ff_post, columns="neuron"))
    found.row("neurons", index)
    _written(found, block, index)


def _joined(found: Stations, walk: LayerWalk, index: int, stream: str) -> str:
    """The sum, and the norm behind it where the scheme is post-norm."""
    block = walk.blocks[index]
    writes = [OUTS[b.kind] for b in walk.blocks] if walk.is_parallel else [OUTS[block.kind]]
    if block.out_norm is not None:
        writes = [f"{norm_name(block.out_norm)}({name})" for name in writes]
    name, text = STREAMS[block.kind], " + ".join([stream, *writes])
    if block.after is None:
        words = "the residual stream leaves" if name == "resid_post" else "the residual stream"
        station = Station(name, name, words, array(block.total))
        found.row("add", index, station, text=f"{name} = {text}")
        return name
    total = Station(f"{index}.sum", text, "the sum", array(block.total))
    found.row("add", index, total, text=text)
    norm = norm_name(block.after)
    words = f"{block.after.class_name} of the sum"
    station = Station(name, name, words, array(block.leaving))
    found.row("norm", index, station, text=f"{name} = {norm}({text})")
    return name


def norm_name(norm: Part) -> str:
    """What papers call a norm, whatever the code does."""
    from torch import nn

    if isinstance(norm.module, nn.LayerNorm):
        return "LayerNorm"
    is_rms = "rms" in norm.class_name.lower() or norm.class_name == "T5LayerNorm"
    return "RMSNorm" if is_rms else norm.class_name


def plain_function(class_name: str) -> str:
    """A non-linearity as equations write it."""
    name = class_name.removesuffix("Activation").removeprefix("New") or "f"
    return {"SiLU": "SiLU", "GELU": "GELU", "GELUTanh": "GELU", "ReLU": "ReLU"}.get(name, name)


def array(tensor: Tensor) -> Floats:
    """A tensor as numbers to draw."""
    values: Floats = tensor.detach().float().cpu().numpy()
    return values


def pooled_extremes(values: Floats, size: tuple[int, int]) -> Floats:
    """Of each block the entry that is largest by magnitude; small matrices stay as they are."""
    low = high = values
    for axis in (1, 0):
        edges = _edges(values.shape[axis], size[axis])
        if len(edges) < values.shape[axis]:
            high = np.maximum.reduceat(high, edges, axis=axis)
            low = np.minimum.reduceat(low, edges, axis=axis)
    if high is values:
        return values
    pooled: Floats = np.where(high >= -low, high, low)
    return pooled


def _edges(length: int, most: int) -> Sequence[int]:
    n = min(length, most)
    return [i * length // n for i in range(n)]


def strongest(values: Floats, n: int) -> tuple[NDArray[np.int32], Floats]:
    """The n neurons of each position that are largest by magnitude, in order."""
    n = min(n, values.shape[1])
    size = np.abs(values)
    some = np.argpartition(-size, n - 1, axis=1)[:, :n]
    order = np.argsort(-np.take_along_axis(size, some, axis=1), axis=1, kind="stable")
    ids = np.take_along_axis(some, order, axis=1)
    return ids.astype(np.int32), np.take_along_axis(values, ids, axis=1)


def facts(station: Station) -> dict[str, Any]:
    """What is said of a station."""
    return {
        "id": station.id,
        "name": station.name,
        "words": station.words,
        "shape": list(station.values.shape),
        "columns": station.columns,
        "rows": station.rows,
        "across": station.across,
        "part": station.part,
        "is_weight": station.is_weight,
    }
