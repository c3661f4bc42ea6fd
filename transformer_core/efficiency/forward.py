"""One padded forward pass of any model, with or without changes and gates in its attention.

A lean way beside ``trace_batch``: nothing is recorded, gradients may flow, logits come whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from transformer_core.errors import InputError
from transformer_core.model.attention import DotProductAttention, MultiHeadAttention
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.assembly import Padded
from transformer_core.tracing.interventions import AblateHead, InItem, Intervention
from transformer_core.tracing.scratch import ScratchModel
from transformer_core.tracing.scratch_capture import Attended, ScratchCapture, changed
from transformer_core.tracing.seat import Place, capturing

if TYPE_CHECKING:
    from transformer_core.tracing.capture import Capture

Gates = Mapping[Place, Float[Tensor, "batch head"]]
"""What each head's output is multiplied by (ξ of Michel et al. 2019, section 2)."""

_IGNORED = -100


@dataclass(frozen=True)
class Batch:
    """Texts as a model reads them, with the tokens that it should predict.

    Attributes:
        source: What the encoder, or the only stack, reads.
        target: What a decoder reads beside an encoder; None elsewhere.
        labels: The next token at each position, −100 where there is none to predict.
    """

    source: Padded
    target: Padded | None
    labels: Int[Tensor, "batch pos"]

    @property
    def n_labels(self) -> int:
        """Tokens to predict."""
        return int((self.labels != _IGNORED).sum())

    def part(self, items: slice) -> Batch:
        """Some of its texts."""
        target = None if self.target is None else _part(self.target, items)
        return Batch(_part(self.source, items), target, self.labels[items])


@dataclass
class LeanCapture(ScratchCapture):
    """Makes changes in a model of our own, and notes nothing.

    Attributes:
        gates: What heads' outputs are multiplied by, by place.
    """

    gates: Gates = field(default_factory=dict)

    def attended(self, place: Place, part: MultiHeadAttention, saw: Attended, z: Tensor) -> Tensor:
        """Return what an attention module is to have computed."""
        here = self.chosen(place, 1)[0]  # the same for every input: see check_lean
        off = [change.head for change in here if isinstance(change, AblateHead)]
        if len(off) < len(here):
            saw = changed(saw, [here] * len(z), is_self=place[0] != "cross")
            z = DotProductAttention.forward(part.attention, saw.q, saw.k, saw.v, **saw.options)
        if off:
            z = z.index_fill(1, torch.tensor(off), 0.0)
        gate = self.gates.get(place)
        return z if gate is None else z * gate[:, :, None, None]

    def saw_layer(self, module: Any, entering: Tensor, leaving: Tensor) -> None:
        """Note nothing."""


def check_lean(interventions: Sequence[Intervention]) -> None:
    """Refuse changes that a lean pass would not make as a traced one does.

    Raises:
        InputError: If a head is to be ablated otherwise than to zero, or one input of a batch alone
            is to be changed.
    """
    for change in interventions:
        if isinstance(change, InItem):
            raise InputError("Here a change concerns every text; trace a batch to change one.")
        if isinstance(change, AblateHead) and change.mode != "zero":
            raise InputError(f"Heads are pruned to zero here, not to {change.mode!r}.")


@contextmanager
def seated(
    model: Any, interventions: Sequence[Intervention] = (), gates: Gates | None = None
) -> Iterator[None]:
    """Let a model's forward passes be changed; without changes nothing is watched."""
    if not interventions and not gates:
        yield
        return
    check_lean(interventions)
    if isinstance(model, ScratchModel):
        seat: Any = LeanCapture(model.layout, tuple(interventions), gates=gates or {})
    else:
        seat = _hugging_face_seat(model, tuple(interventions), gates or {})
    with capturing(seat):
        yield


def logits_of(
    model: Any,
    batch: Batch,
    interventions: Sequence[Intervention] = (),
    gates: Gates | None = None,
) -> Float[Tensor, "batch pos vocab"]:
    """Scores of the next token at every position.

    Raises:
        InputError: If the model predicts no tokens.
    """
    with seated(model, interventions, gates):
        if isinstance(model, ScratchModel):
            return _own_logits(model, batch)
        inputs: dict[str, Any] = {"input_ids": batch.source.ids, "use_cache": False}
        if batch.source.is_ragged:
            inputs["attention_mask"] = batch.source.mask
        if batch.target is not None:
            inputs["decoder_input_ids"] = batch.target.ids
            if batch.target.is_ragged:
                inputs["decoder_attention_mask"] = batch.target.mask
        logits = getattr(model.module(**inputs), "logits", None)
    if logits is None:
        raise InputError(f"{model.card.id} predicts no tokens.")
    result: Tensor = logits
    return result


def pair_batch(model: Any, sources: Sequence[str], targets: Sequence[str]) -> Batch:
    """Sources and the targets that an encoder–decoder should write, its start token in front."""
    config = model.module.config
    own = isinstance(model, ScratchModel)
    start = config.bos_id if own else int(config.decoder_start_token_id)
    read = [list(model.tokenizer.encode(text).ids) for text in sources]
    encode = getattr(model.tokenizer, "encode_target", model.tokenizer.encode)
    labels = [list(encode(text).ids) for text in targets]
    pad = _pad_of(model)
    target = Padded.of([[start, *row[:-1]] for row in labels], pad=pad)
    return Batch(Padded.of(read, pad=pad), target, _labels(labels))


def text_batch(model: Any, texts: Sequence[str | Tokens]) -> Batch:
    """Texts in which each token but the first is to be predicted from those before it."""
    tokens = [t if isinstance(t, Tokens) else model.tokenizer.encode(t) for t in texts]
    rows = [list(t.ids) for t in tokens]
    padded = Padded.of(rows, pad=_pad_of(model))
    return Batch(padded, None, _labels([[*row[1:], _IGNORED] for row in rows]))


def losses(logits: Float[Tensor, "batch pos vocab"], batch: Batch) -> Float[Tensor, " batch"]:
    """Cross-entropy of the labels in nats, summed over each text."""
    each = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), batch.labels, ignore_index=_IGNORED, reduction="none"
    )
    return each.sum(dim=1)


def _own_logits(model: ScratchModel, batch: Batch) -> Tensor:
    module: Any = model.module
    source = batch.source
    if batch.target is not None:
        mask = source.mask if source.is_ragged else None
        result: Tensor = module(source.ids, batch.target.ids, src_mask=mask)
        return result
    if model.sites != ("decoder",):
        raise InputError(f"{model.card.id} predicts no tokens.")
    alone: Tensor = module.unembed(module.decode(source.ids, None, src_mask=None))
    return alone


def _hugging_face_seat(
    model: Any, interventions: tuple[Intervention, ...], gates: Gates
) -> Capture:
    from transformer_core.tracing.capture import Capture

    @dataclass
    class Gated(Capture):
        """Multiplies heads' outputs; the last record that was noted tells the place."""

        def attend(self, module: Any, qkv: Any, mask: Any, options: Any) -> Tensor:
            output = super().attend(module, qkv, mask, options)  # [batch pos head d_head]
            gate = gates.get(next(reversed(self.records)))
            return output if gate is None else output * gate[:, None, :, None]

    return Gated(model.layout, interventions)


def _pad_of(model: Any) -> int:
    config = model.module.config
    pad = config.pad_id if isinstance(model, ScratchModel) else config.pad_token_id
    return 0 if pad is None else int(pad)


def _labels(rows: list[list[int]]) -> Tensor:
    return Padded.of(rows, pad=_IGNORED).ids


def _part(padded: Padded, items: slice) -> Padded:
    return Padded(padded.ids[items], padded.mask[items])
