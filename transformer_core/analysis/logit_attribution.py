"""Direct logit attribution: which part of the model wrote how much of one logit.

The residual stream is a sum: embedding, positions, what every head and feed-forward block wrote. A
logit is linear in its last state, once the norms on the way are held at the scale they had
(:mod:`.frozen_norm`), so it is a sum of one number a part (Elhage et al. 2021, "A Mathematical
Framework for Transformer Circuits"; the norm as in nostalgebraist's logit lens, 2020). In a
post-norm model every layer's norms stand on the way, and each is held likewise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from transformer_core.analysis.frozen_norm import freeze
from transformer_core.analysis.layer_walk import Block, walk
from transformer_core.errors import InputError, NotInTraceError
from transformer_core.tracing.output_head import OutputHead, output_head
from transformer_core.tracing.parts import Part, Parts, bias_of, is_same, watch_parts, weight_of
from transformer_core.tracing.trace import Trace

Kind = Literal["embedding", "positions", "head", "feed-forward", "bias"]
SHORT = {"attention": "attention", "cross": "cross-attention", "feed-forward": "feed-forward"}
MEAN = -1
"""Stands for the mean over all tokens, where a token id is expected to compare with."""

TOLERANCE = 1e-4
"""How far the parts' sum may be from the logit, relative to the largest of the logits."""


@dataclass(frozen=True)
class Writer:
    """A part of the model that writes into the residual stream.

    Attributes:
        kind: What it is.
        layer: Its layer; −1 before the first, ``n_layers`` behind the last.
        site: For a head: ``encoder``, ``decoder`` or ``cross``.
        head: For a head: which.
        name: What people call it.
    """

    kind: Kind
    layer: int
    name: str
    site: str = ""
    head: int | None = None


@dataclass(frozen=True, eq=False)
class Attribution:
    """Every logit of one position, taken apart.

    Attributes:
        position: The position whose logits they are.
        stack: ``encoder`` or ``decoder``.
        n_layers: Layers of the stack.
        writers: The parts.
        wrote: What each of them contributes to the hidden state that the output matrix reads.
        head: The output matrix.
        logits: The model's own logits at the position.
        notes: What was held fixed on the way, in words.
    """

    position: int
    stack: str
    n_layers: int
    writers: tuple[Writer, ...]
    wrote: Float64[Tensor, "writer d_model"]
    head: OutputHead
    logits: Float[Tensor, " vocab"]
    notes: tuple[str, ...]

    def contributions(
        self, token_id: int, against: int | None = None
    ) -> Float64[Tensor, " writer"]:
        """What each writer contributes to a token's logit; they add up to it.

        Args:
            token_id: The token.
            against: Another token whose contributions are taken away, or :data:`MEAN` for the mean
                of all tokens; None for none. The same number added to every logit then falls out.

        Raises:
            InputError: If the vocabulary has no such token.
        """
        parts = self._parts(token_id)
        return parts if against is None else parts - self._parts(against)

    def logit(self, token_id: int, against: int | None = None) -> float:
        """The model's own logit, or how far it is above that of another token, or the mean."""
        logits = self.logits.double()
        logit = float(logits[token_id])
        if against is None:
            return logit
        return logit - float(logits.mean() if against == MEAN else logits[against])

    def difference(self, token_id: int, against: int | None = None) -> float:
        """How far the parts' sum is from the model's own number (before a cap, if it has one)."""
        total = float(self.contributions(token_id, against).sum())
        if self.head.cap is not None and against is None:
            total = self.head.cap * math.tanh(total / self.head.cap)
        return abs(total - self.logit(token_id, against))

    def is_proven(self, token_id: int, against: int | None = None) -> bool:
        """Whether the parts add up."""
        size = 1 + float(self.logits.abs().max())
        return self.difference(token_id, against) <= TOLERANCE * size

    def _parts(self, token_id: int) -> Float64[Tensor, " writer"]:
        if token_id != MEAN and not 0 <= token_id < len(self.logits):
            raise InputError(f"Token ids run from 0 to {len(self.logits) - 1}, not {token_id}.")
        weight, bias = self.head.weight, self.head.bias
        row = weight.double().mean(dim=0) if token_id == MEAN else weight[token_id].double()
        parts = self.wrote @ row * self.head.scale
        if bias is not None:
            # The last writer is the output bias, which belongs to the token.
            own = bias.double().mean() if token_id == MEAN else bias[token_id].double()
            parts[-1] += own * self.head.scale
        return parts


def attribute(model: Any, trace: Trace, position: int) -> Attribution:
    """Take the logits at one position apart.

    Args:
        model: The model that made the trace.
        trace: The trace.
        position: Counted from 0, among the tokens that the model predicts from.

    Raises:
        NotInTraceError: If the model has no output logits, or does something on the way to them
            that cannot be taken apart; the message says what.
        InputError: If there is no such position.
    """
    head = output_head(model)
    stack = "decoder" if "decoder" in trace.sites else "encoder"
    n_positions = len(trace.query_tokens(stack))
    if not 0 <= position < n_positions:
        raise InputError(f"Positions run from 0 to {n_positions - 1}, not {position}.")
    parts = watch_parts(model, trace, position=position)
    if parts.logits is None:
        raise NotInTraceError(f"{trace.model_name} computed no logits for this text.")
    sum_of = _Sum(trace.query_tokens(stack).ids[position], model.module)
    sum_of.begin(parts, stack)
    for layer in range(trace.n_layers(stack)):
        sum_of.layer(parts, trace, stack, layer)
    sum_of.end(parts, head)
    attribution = Attribution(
        position=position,
        stack=stack,
        n_layers=trace.n_layers(stack),
        writers=tuple(sum_of.writers),
        wrote=torch.cat(sum_of.rows),
        head=head,
        logits=parts.logits[position].float(),
        notes=tuple(sum_of.notes),
    )
    best = int(attribution.logits.argmax())
    if not attribution.is_proven(best):
        raise NotInTraceError(
            f"{trace.model_name}: the parts add up to a logit that is off by "
            f"{attribution.difference(best):.3g}, so something on the way to it is not understood; "
            "nothing is shown rather than something wrong."
        )
    return attribution


class _Sum:
    """The residual stream at one position as a sum, carried from the embedding to the logits."""

    def __init__(self, token_id: int, module: nn.Module) -> None:
        self.token_id = token_id
        self.module = module
        self.writers: list[Writer] = []
        self.rows: list[Tensor] = []
        self.notes: list[str] = []
        self.n_layers = 0
        self.n_frozen = 0

    def add(self, writers: Sequence[Writer], rows: Tensor) -> None:
        """More parts."""
        self.writers += writers
        self.rows.append(rows.double())

    def through(self, norm: Part, layer: int, name: str) -> None:
        """Take everything so far through a norm, held at its scale; ``name`` is its bias'."""
        frozen = freeze(norm)
        self.n_frozen += 1
        self.rows = [frozen.apply(torch.cat(self.rows))]
        if frozen.bias is not None:
            self.add([Writer("bias", layer, name)], frozen.bias[None])

    def begin(self, parts: Parts, stack: str) -> None:
        """The token's vector, and what is added to it before the first layer."""
        entering = walk(parts, (stack, 0)).resid_pre
        before = parts.noted[: parts.noted.index(parts.of((stack, 0))[0])]
        around = [part for part in before if part.place is None]
        norm = next((p for p in around if p.kind == "norm" and is_same(p.leaving, entering)), None)
        total = (entering if norm is None else norm.entering).double()
        token = self._token(around)
        if token is None or token.shape != total.shape:
            self.add([Writer("embedding", -1, "embedding, with positions")], total)
        else:
            self.add([Writer("embedding", -1, "token embedding")], token)
            rest = total - token
            # A scale that is rounded to single precision leaves a speck that is no position.
            if float(rest.abs().max()) > 1e-6 * (1 + float(total.abs().max())):
                config: Any = self.module.config
                has_types = bool(getattr(config, "type_vocab_size", 0))
                name = "positions and token type" if has_types else "positions"
                self.add([Writer("positions", -1, name)], rest)
        if norm is not None:
            self.through(norm, -1, "embedding norm bias")

    def _token(self, around: Sequence[Part]) -> Tensor | None:
        """The token's own vector as it enters the stream; None if it is not found as such."""
        for part in reversed(around):
            rows = getattr(part.module, "weight", None)
            if part.kind != "embedding" or rows is None or part.entering.dim() != 1:
                continue
            # A table of positions has other rows, and may be asked for a row of the same number.
            if int(part.entering[0]) == self.token_id and len(rows) == self._vocabulary():
                return part.leaving.double() * self._embed_scale(part)
        return None

    def _vocabulary(self) -> int:
        config: Any = self.module.config
        return int(getattr(config, "decoder_vocab_size", None) or config.vocab_size)

    def _embed_scale(self, part: Part) -> float:
        """Marian and Pegasus scale beside the embedding, others inside it or not at all."""
        config: Any = self.module.config
        is_beside = type(part.module) is nn.Embedding and getattr(config, "scale_embedding", False)
        return float(config.d_model**0.5) if is_beside else 1.0

    def layer(self, parts: Parts, trace: Trace, stack: str, layer: int) -> None:
        """What one layer's blocks write."""
        self.n_layers = layer + 1
        for block in walk(parts, (stack, layer)).blocks:
            if block.kind == "feed-forward":
                self._feed_forward(block, layer)
            else:
                site = "cross" if block.kind == "cross" else stack
                self._heads(block, site, layer, trace.n_heads(site))
            if block.after is not None:
                self.through(block.after, layer, f"L{layer} bias of norm after {SHORT[block.kind]}")

    def _heads(self, block: Block, site: str, layer: int, n_heads: int) -> None:
        z = block.out.entering[0].double().reshape(n_heads, -1)
        w_o = weight_of(block.out).double().reshape(n_heads, z.shape[1], -1)
        rows = torch.einsum("hd,hdm->hm", z, w_o)
        kind = "cross " if site == "cross" else ""
        names = [Writer("head", layer, f"L{layer} {kind}H{h}", site, h) for h in range(n_heads)]
        self._written(block, names, rows, layer)

    def _feed_forward(self, block: Block, layer: int) -> None:
        rows = block.out.entering.double() @ weight_of(block.out).double()
        self._written(block, [Writer("feed-forward", layer, f"L{layer} feed-forward")], rows, layer)

    def _written(self, block: Block, writers: Sequence[Writer], rows: Tensor, layer: int) -> None:
        """Add what a block writes, each part through the norm that Gemma puts after it."""
        writers, bias = list(writers), bias_of(block.out)
        if bias is not None:
            writers.append(Writer("bias", layer, f"L{layer} bias of {SHORT[block.kind]}"))
            rows = torch.cat([rows, bias.double()[None]])
        if block.out_norm is not None:
            frozen = freeze(block.out_norm)
            self.n_frozen += 1
            rows = frozen.apply(rows)
            if frozen.bias is not None:
                name = f"L{layer} bias of norm of {SHORT[block.kind]}"
                writers.append(Writer("bias", layer, name))
                rows = torch.cat([rows, frozen.bias[None]])
        self.add(writers, rows)

    def end(self, parts: Parts, head: OutputHead) -> None:
        """From the last layer to what the output matrix reads."""
        called = [part for part in parts.noted if part.module is head.module]
        last = max(i for i, part in enumerate(parts.noted) if part.kind == "layer")
        stream = parts.noted[last].leaving
        if not called:
            raise NotInTraceError("The output matrix was not called as a module of its own.")
        for part in parts.noted[last + 1 : parts.noted.index(called[-1])]:
            if part.place is None and part.kind in ("norm", "matrix"):
                self._link(stream, part.entering)
                if part.kind == "norm":
                    self.through(part, self.n_layers, "final norm bias")
                else:
                    self._matrix(part)
                stream = part.leaving
        self._link(stream, called[-1].entering)
        # The output bias belongs to a token; its place in the sum is kept for it.
        self.add([Writer("bias", self.n_layers, "output bias")], torch.zeros(1, stream.shape[-1]))
        norms = "the norm" if self.n_frozen == 1 else f"{self.n_frozen} norms"
        if self.n_frozen:
            self.notes.insert(
                0,
                f"Linear once {norms} on the way {'is' if self.n_frozen == 1 else 'are'} held at "
                "the scale of this text: how a part changes that scale is not in its bar.",
            )

    def _matrix(self, part: Part) -> None:
        self.rows = [torch.cat(self.rows) @ weight_of(part).double()]
        bias = bias_of(part)
        if bias is not None:
            self.add([Writer("bias", self.n_layers, "bias before the output matrix")], bias[None])

    def _link(self, before: Tensor, behind: Tensor) -> None:
        """Between two modules: nothing, a scale (T5), or a non-linearity, held at its ratio."""
        if is_same(before, behind):
            return
        if before.shape != behind.shape:
            raise NotInTraceError("Between the last layer and the logits the width changes unseen.")
        x, y = before[0].double(), behind[0].double()
        ratio = torch.where(x == 0, torch.zeros_like(x), y / torch.where(x == 0, 1.0, x))
        self.rows = [torch.cat(self.rows) * ratio]
        if float(ratio.std()) > 1e-5 * float(ratio.abs().max()):
            self.notes.append(
                "The head has a non-linearity of its own before the output matrix; it is held at "
                "the ratio of output to input that it had in each dimension."
            )
