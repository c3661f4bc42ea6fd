"""Our own models write a text token by token, with a cache, and note what each step saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from transformer_core.model.attention import MultiHeadAttention
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.history import History, Noted, trace_of
from transformer_core.tracing.huggingface_settings import room_for
from transformer_core.tracing.memory import TellsMemory
from transformer_core.tracing.records import Details
from transformer_core.tracing.scratch_capture import Attended, ScratchCapture
from transformer_core.tracing.seat import Place, capturing
from transformer_core.tracing.stepping import Constraints, Reading
from transformer_core.tracing.trace import Provenance, Trace

if TYPE_CHECKING:
    from transformer_core.tracing.scratch import ScratchModel


@dataclass
class ScratchStepCapture(ScratchCapture):
    """What one step of decoding sees; only what is new is noted.

    Attributes:
        n_before: Positions that the cache held before this step.
    """

    n_before: int = 0
    _attended: list[tuple[Place, Attended]] = field(default_factory=list)
    _stream: list[Tensor] = field(default_factory=list)

    @property
    def sees_layers(self) -> bool:
        """The residual stream is noted for the logit lens."""
        return True

    def attended(self, place: Place, part: MultiHeadAttention, saw: Attended, z: Tensor) -> Tensor:  # noqa: ARG002
        """Note what went into one attention module."""
        self._attended.append((place, saw))
        return z

    def saw_layer(self, module: nn.Module, entering: Tensor, leaving: Tensor) -> None:
        """Note the residual stream around a layer of the decoder."""
        site, layer = self.layout.layers[id(module)]
        if site == "decoder":
            self._stream += [entering, leaving] if layer == 0 else [leaving]

    def noted(self) -> Noted:
        """What this step leaves behind, in tensors that keep nothing else alive."""
        return Noted(
            places={place: index for index, (place, _) in enumerate(self._attended)},
            q=[saw.q.clone() for _, saw in self._attended],
            k=[self._new_keys(place, saw) for place, saw in self._attended],
            scaling=[float(saw.q.shape[-1] ** -0.5) for _, saw in self._attended],
            hidden=[
                (saw.mask, None if saw.bias is None else saw.bias[None])
                for _, saw in self._attended
            ],
            resid=torch.stack([resid[:, -1] for resid in self._stream]),
        )

    def _new_keys(self, place: Place, saw: Attended) -> Tensor:
        n_new = saw.k.shape[2]
        if self.n_before:
            n_new = 0 if place[0] == "cross" else saw.q.shape[2]
        return saw.k[:, :, saw.k.shape[2] - n_new :].clone()


class ScratchStepper:
    """One text being written by a model of our own; see :class:`Stepper`.

    Args:
        model: The model; shared and read only.
        source: What the encoder reads; of a decoder-only model the prompt.
        is_recording: Whether steps note what they saw.

    Raises:
        InputError: If the text leaves the model no room to write.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, model: ScratchModel, source: Tokens, *, is_recording: bool = True) -> None:
        config = model.module.config
        self.tokenizer = model.tokenizer
        self.vocab_size = config.vocab_size
        self.constraints = Constraints(
            end_ids=frozenset({config.eos_id}),
            banned=tuple((i,) for i in sorted({config.pad_id, config.bos_id} - {config.eos_id})),
        )
        self._model = model
        self._is_recording = is_recording
        self._is_pair = model.is_encoder_decoder
        if not self._is_pair and source.ids[-1:] == (config.eos_id,):
            # A prompt is gone on with: it does not end where it ends.
            source = self.tokenizer.from_ids(source.ids[:-1])
        self.source = source
        self.prompt_ids = (config.bos_id,) if self._is_pair else source.ids
        self.room = room_for(model.n_ctx, len(self.prompt_ids))
        self._memory: Tensor | None = None
        self._cache = model.module.new_cache()

    def start(self) -> Reading:
        """Read the source and the prompt."""
        return self._run(torch.tensor([self.prompt_ids]))

    def advance(
        self, token_ids: Int[Tensor, " row"], parents: Int[Tensor, " row"] | None = None
    ) -> Reading:
        """Read one more token in every row."""
        n_rows = self._cache.n_rows
        if parents is not None and parents.tolist() != list(range(n_rows)):
            # All rows read the same source: only their number counts.
            self._cache.select(parents, same_sources=len(parents) == n_rows)
        return self._run(token_ids[:, None])

    def fork(self, n_written: int) -> ScratchStepper:
        """Another text that shares the first tokens of this one."""
        other = ScratchStepper(self._model, self.source, is_recording=self._is_recording)
        other._memory = self._memory
        other._cache = self._cache.shortened(len(self.prompt_ids) + n_written)
        return other

    @torch.inference_mode()
    def unembed(self, resid: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos vocab"]:
        """Final norm and unembedding."""
        module = self._model.module
        return module.unembed(module.decoder.norm(resid)[None])[0]

    def tokens(self, written: Sequence[int]) -> Tokens:
        """What the decoder has read."""
        if not self._is_pair and not written:
            return self.source
        return self.tokenizer.from_ids([*self.prompt_ids, *written])

    def trace(self, history: History, written: Sequence[int], logits: Tensor) -> Trace:
        """Everything up to a step as a trace, without another forward pass."""
        card, read = self._model.card, self.tokens(written)
        source, target = (self.source, read) if self._is_pair else (read, None)
        return trace_of(
            history,
            (source, target),
            Provenance(card.id, card.name, card.family, card.revision),
            recompute=partial(_details, self._model, source, target),
            logits=logits,
        )

    @TellsMemory()
    @torch.inference_mode()
    def _run(self, ids: Int[Tensor, "row new_pos"]) -> Reading:
        if not self._is_recording:
            logits, noted = self._logits(ids), None
        else:
            capture = ScratchStepCapture(self._model.layout, n_before=self._cache.n_pos)
            with capturing(capture):
                logits = self._logits(ids)
            noted = capture.noted()
        return Reading(logits, self._cache.n_pos, self._cache.nbytes, noted)

    def _logits(self, ids: Int[Tensor, "row new_pos"]) -> Float[Tensor, "row vocab"]:
        module = self._model.module
        memory = None
        if self._is_pair:
            if self._memory is None:
                self._memory = module.encode(torch.tensor([self.source.ids]), None)
            memory = self._memory.expand(len(ids), -1, -1)
        hidden = module.decode(ids, memory, src_mask=None, cache=self._cache)
        return module.unembed(hidden[:, -1:])[:, 0]


def _details(model: ScratchModel, source: Tokens, target: Tokens | None) -> Details:
    """The fuller forward pass over what was read, made when somebody asks for it."""
    return model.trace(source, target).details
