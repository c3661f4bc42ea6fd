"""One layer as a walk along its residual stream: what each block reads, writes and is added to.

The walk is read from what the model's own parts computed (:mod:`transformer_core.tracing.parts`),
not from a list of architectures: a block reads the stream, or a norm of it; what it writes is
added; and the sum is found again, to the bit, where the model itself goes on with it. A layer that
does anything else is refused rather than drawn wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import permutations
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.errors import NotInTraceError
from transformer_core.tracing.parts import Part, Parts, bias_of, is_same
from transformer_core.tracing.seat import Place

BlockKind = Literal["attention", "cross", "feed-forward"]
TOLERANCE = 1e-5
"""How far the model's sum may lie from ours, relative to its size, to be taken for the same."""


@dataclass(frozen=True, eq=False)
class FeedForward:
    """The numbers between the two matrices of a feed-forward block.

    Attributes:
        pre: Before the non-linearity.
        up: What the activated ones are multiplied by; None without a gate (GLU, Shazeer 2020).
        post: What the second matrix reads.
        function: The non-linearity, as the code calls it; empty where the code calls none by name.
        has_bias: Whether the first matrix adds one.
    """

    pre: Float[Tensor, "pos d_ff"]
    up: Float[Tensor, "pos d_ff"] | None
    post: Float[Tensor, "pos d_ff"]
    function: str
    has_bias: bool = False

    @property
    def is_gated(self) -> bool:
        """Whether a second matrix' output multiplies the activations."""
        return self.up is not None


@dataclass(frozen=True, eq=False)
class Block:
    """Self-attention, cross-attention or feed-forward, and how it is joined to the stream.

    Attributes:
        kind: Which of them.
        before: The norm of the stream that it reads; None where it reads the stream itself.
        reads: What it reads.
        out: Its last matrix: W_O, or W_2.
        out_norm: A norm of what it writes, before that is added (Gemma); usually None.
        written: What is added to the stream.
        total: The sum, as the model itself goes on with it.
        after: The norm of the sum (post-norm); None where the sum itself goes on.
        leaving: The stream behind it.
        difference: How far ``written`` plus the stream, added again here, is from ``total``.
        ff: Of a feed-forward block: its activations.
    """

    kind: BlockKind
    before: Part | None
    reads: Float[Tensor, "pos d_model"]
    out: Part
    out_norm: Part | None
    written: Float[Tensor, "pos d_model"]
    total: Float[Tensor, "pos d_model"]
    after: Part | None
    leaving: Float[Tensor, "pos d_model"]
    difference: float
    ff: FeedForward | None = None


@dataclass(frozen=True, eq=False)
class LayerWalk:
    """One layer from the residual stream that enters it to the one that leaves it.

    Attributes:
        place: Stack (``encoder`` or ``decoder``) and layer.
        name: The layer's class, as in code.
        resid_pre: The stream as it comes in.
        blocks: What is done to it, in order.
        resid_post: The stream as it leaves.
        is_parallel: Whether all blocks read the same stream and are added at once (GPT-J, NeoX).
    """

    place: Place
    name: str
    resid_pre: Float[Tensor, "pos d_model"]
    blocks: tuple[Block, ...]
    resid_post: Float[Tensor, "pos d_model"]
    is_parallel: bool

    @property
    def scheme(self) -> Literal["pre", "post"]:
        """Whether norms stand before the blocks or after the sums."""
        return "pre" if self.blocks[0].before is not None else "post"

    @property
    def difference(self) -> float:
        """The largest difference between a sum of the model and the same sum done here."""
        return max(block.difference for block in self.blocks)

    def block(self, kind: BlockKind) -> Block:
        """One block.

        Raises:
            NotInTraceError: If the layer has none of that kind.
        """
        for block in self.blocks:
            if block.kind == kind:
                return block
        raise NotInTraceError(f"Layer {self.place[1]} of the {self.place[0]} has no {kind} block.")

    def entering(self, block: Block) -> Float[Tensor, "pos d_model"]:
        """The stream that a block's output is added to."""
        index = 0 if self.is_parallel else self.blocks.index(block)
        return self.resid_pre if index == 0 else self.blocks[index - 1].leaving


def walk(parts: Parts, place: Place) -> LayerWalk:
    """Follow one layer of a watched forward pass.

    Args:
        parts: What was seen.
        place: Stack and layer.

    Raises:
        NotInTraceError: If the layer was not watched, or does more to its stream than read it,
            norm it and add to it; the message says what was missing.
    """
    seen = parts.of(place)
    if not seen or seen[-1].kind != "layer":
        raise NotInTraceError(f"Layer {place[1]} of the {place[0]} was not watched.")
    layer, inside = seen[-1], seen[:-1]
    groups = _blocks(inside, place)
    first, *others = (_reads(matrices, inside, layer.entering) for matrices in groups.values())
    if first is None:
        raise _lost(layer, place, "what its attention reads (the stream, or a norm of it)")
    if all(read is not None and read[0] is not None for read in (first, *others)) and others:
        return _parallel(layer, inside, groups, place)
    blocks: list[Block] = []
    stream = layer.entering
    is_pre = first[0] is not None
    for kind, matrices in groups.items():
        read = _reads(matrices, inside, stream)
        if read is None:
            raise _lost(layer, place, f"what its {kind} block reads")
        block = _joined((stream, layer), inside, (kind, matrices, read), is_pre=is_pre)
        if block is None:
            raise _lost(layer, place, f"the sum of the stream and what its {kind} block writes")
        blocks.append(block)
        stream = block.leaving
    if not is_same(stream, layer.leaving):
        raise _lost(layer, place, "how the last sum becomes what leaves the layer")
    name = layer.class_name
    return LayerWalk(place, name, layer.entering, tuple(blocks), layer.leaving, is_parallel=False)


def _blocks(inside: Sequence[Part], place: Place) -> dict[BlockKind, list[Part]]:
    """The matrices of each block, in the order in which the blocks run."""
    matrices = [part for part in inside if part.kind == "matrix"]
    names = list(dict.fromkeys(part.group for part in matrices if part.group))
    kinds: tuple[BlockKind, ...] = ("attention", "cross")
    blocks: dict[BlockKind, list[Part]] = {
        kind: [part for part in matrices if part.group == name]
        for kind, name in zip(kinds, names, strict=False)
    }
    blocks["feed-forward"] = [part for part in matrices if not part.group]
    if not names or len(names) > len(kinds) or not 2 <= len(blocks["feed-forward"]) <= 3:
        found = f"{len(names)} attention blocks and {len(blocks['feed-forward'])} matrices beside"
        raise NotInTraceError(
            f"Layer {place[1]} of the {place[0]} cannot be drawn as a walk: it has {found}; "
            "attention and a feed-forward block of two or three matrices are understood, a "
            "mixture of experts is not."
        )
    return blocks


Read = tuple[Part | None, Tensor]


def _reads(matrices: Sequence[Part], inside: Sequence[Part], stream: Tensor) -> Read | None:
    """The norm of a stream that a block reads, or the stream itself; None if neither."""
    for norm in inside:
        is_read = any(is_same(matrix.entering, norm.leaving) for matrix in matrices)
        if norm.kind == "norm" and is_read and is_same(norm.entering, stream):
            return norm, norm.leaving
    if any(is_same(matrix.entering, stream) for matrix in matrices):
        return None, stream
    return None


def _joined(
    around: tuple[Tensor, Part],
    inside: Sequence[Part],
    what: tuple[BlockKind, Sequence[Part], Read],
    *,
    is_pre: bool,
) -> Block | None:
    """A block with the sum that the model made of it; None if the model goes on with another."""
    (stream, layer), (kind, matrices, (before, reads)) = around, what
    out = matrices[-1]
    out_norm, written = _written(out, inside)
    found = _found(stream + written, [*inside, layer])
    if found is None:
        return None
    total, difference = found
    after = None
    if not is_pre:
        after = next((p for p in inside if p.kind == "norm" and is_same(p.entering, total)), None)
        if after is None:
            return None
    return Block(
        kind=kind,
        before=before,
        reads=reads,
        out=out,
        out_norm=out_norm,
        written=written,
        total=total,
        after=after,
        leaving=total if after is None else after.leaving,
        difference=difference,
        ff=_feed_forward(matrices, inside) if kind == "feed-forward" else None,
    )


def _written(out: Part, inside: Sequence[Part]) -> tuple[Part | None, Tensor]:
    """What a block adds: its last matrix' output, or a norm of it."""
    for norm in inside:
        if norm.kind == "norm" and is_same(norm.entering, out.leaving):
            return norm, norm.leaving
    return None, out.leaving


def _found(total: Tensor, among: Sequence[Part]) -> tuple[Tensor, float] | None:
    """Where the model itself goes on with a sum, and how far its sum is from this one."""
    scale = float(total.abs().max()) + 1.0
    best: tuple[Tensor, float] | None = None
    for part in among:
        # A layer ends in its sum (pre-norm); a norm reads it.
        tensor = part.leaving if part.kind == "layer" else part.entering
        if part.kind in ("layer", "norm") and tensor.shape == total.shape:
            difference = float((tensor - total).abs().max())
            if difference <= TOLERANCE * scale and (best is None or difference < best[1]):
                best = (tensor, difference)
    return best


def _parallel(
    layer: Part, inside: Sequence[Part], groups: dict[BlockKind, list[Part]], place: Place
) -> LayerWalk:
    """A layer whose blocks all read the stream that enters it; it is added up once, at the end."""
    writes = {kind: _written(matrices[-1], inside) for kind, matrices in groups.items()}
    terms = [layer.entering, *(written for _, written in writes.values())]
    # Which two are added first is the code's choice, and shows in the last bit.
    sums = [reduce(torch.add, order) for order in permutations(terms)]
    difference = min(float((total - layer.leaving).abs().max()) for total in sums)
    if difference > TOLERANCE * (1 + float(layer.leaving.abs().max())):
        raise _lost(layer, place, "the sum of the stream and its parallel blocks")
    blocks = []
    for kind, matrices in groups.items():
        before, reads = _reads(matrices, inside, layer.entering) or (None, layer.entering)
        out_norm, written = writes[kind]
        block = Block(
            kind=kind,
            before=before,
            reads=reads,
            out=matrices[-1],
            out_norm=out_norm,
            written=written,
            total=layer.leaving,
            after=None,
            leaving=layer.leaving,
            difference=difference,
            ff=_feed_forward(matrices, inside) if kind == "feed-forward" else None,
        )
        blocks.append(block)
    name = layer.class_name
    return LayerWalk(place, name, layer.entering, tuple(blocks), layer.leaving, is_parallel=True)


def _feed_forward(matrices: Sequence[Part], inside: Sequence[Part]) -> FeedForward:
    """Which of the first matrices' outputs goes through the non-linearity, and which multiplies."""
    *first, out = matrices
    post = out.entering
    called = [part for part in inside if part.kind == "function"]
    halves = [part.leaving for part in first]
    has_bias = bias_of(first[0]) is not None
    if len(first) == 1 and first[0].leaving.shape[-1] == 2 * post.shape[-1]:
        halves = list(first[0].leaving.chunk(2, dim=-1))  # gate and up in one matrix (Phi-3)
    if len(halves) == 1:
        name = next((f.class_name for f in called if is_same(f.entering, halves[0])), "")
        return FeedForward(halves[0], None, post, name, has_bias)
    for function in called:
        for gate, up in (halves, halves[::-1]):
            if is_same(function.entering, gate):
                return FeedForward(gate, up, post, function.class_name, has_bias)
    return FeedForward(halves[0], halves[1], post, "", has_bias)


def _lost(layer: Part, place: Place, what: str) -> NotInTraceError:
    return NotInTraceError(
        f"Layer {place[1]} of the {place[0]} ({layer.class_name}) cannot be drawn as a walk: "
        f"{what} was not found among the tensors that it computes."
    )
