"""Hugging Face models write a text token by token, with a cache, and note what each step saw."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_outputs import BaseModelOutput

from transformer_core.errors import InputError
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.capture import (
    Capture,
    Place,
    capturing,
    refuse_unsupported,
    scaling_of,
    split_mask,
)
from transformer_core.tracing.history import History, Noted, trace_of
from transformer_core.tracing.huggingface_cache import nbytes, new_cache, shortened
from transformer_core.tracing.huggingface_settings import (
    constraints_of,
    notes_of,
    room_for,
    start_id,
)
from transformer_core.tracing.huggingface_unembedding import unembed
from transformer_core.tracing.memory import TellsMemory
from transformer_core.tracing.records import Details
from transformer_core.tracing.stepping import Reading
from transformer_core.tracing.trace import Provenance, Trace

if TYPE_CHECKING:
    from transformer_core.tracing.huggingface import HuggingFaceModel


@dataclass
class StepCapture(Capture):
    """What one step of decoding sees; while the model runs, references are all that is taken.

    Attributes:
        n_before: Positions that the cache held before this step.
    """

    n_before: int = 0
    _attended: list[tuple[Place, Tensor, Tensor, Tensor | None, Any]] = field(default_factory=list)
    _stream: list[Tensor] = field(default_factory=list)

    @property
    def sees_layers(self) -> bool:
        """The residual stream is noted for the logit lens."""
        return True

    def attend(
        self,
        module: nn.Module,
        qkv: tuple[Tensor, Tensor, Tensor],
        mask: Tensor | None,
        options: Any,
    ) -> Tensor:
        """Compute a module's attention as SDPA does and note what is new in it."""
        refuse_unsupported(module, options)
        self._attended.append((self.place(module), qkv[0], qkv[1], mask, options))
        return sdpa_attention_forward(module, *qkv, mask, **options)[0]

    def saw_layer(self, module: nn.Module, entering: Tensor, leaving: Tensor) -> None:
        """Note the residual stream around a layer of the decoder."""
        site, layer = self.layout.layers[id(module)]
        if site == "decoder":
            if layer == 0:
                self._stream.append(entering)
            self._stream.append(leaving)

    def noted(self) -> Noted:
        """What this step leaves behind, in tensors that keep nothing else alive."""
        places, queries, _, masks, options = zip(*self._attended, strict=True)
        return Noted(
            places={place: index for index, place in enumerate(places)},
            q=_column(queries),
            k=_column([self._new(*record[:3]) for record in self._attended]),
            scaling=list(map(scaling_of, queries, options)),
            hidden=list(map(split_mask, masks, options)),
            resid=_last(self._stream),
        )

    def _new(self, place: Place, query: Tensor, key: Tensor) -> Tensor:
        """Those of the keys that are new."""
        if not self.n_before:
            return key
        n_new = 0 if place[0] == "cross" else query.shape[2]
        return key.narrow(2, key.shape[2] - n_new, n_new)


class HuggingFaceStepper:
    """One text being written by a Hugging Face model; see :class:`Stepper`.

    Args:
        model: The model; shared and read only.
        source: The prompt, or what the encoder reads.
        is_recording: Whether steps note what they saw.

    Raises:
        InputError: If the text leaves the model no room to write.
    """

    def __init__(
        self, model: HuggingFaceModel, source: Tokens, *, is_recording: bool = True
    ) -> None:
        self.source = source
        self.tokenizer = model.tokenizer
        self._model = model
        self._module: Any = model.module
        self._is_recording = is_recording
        self._is_pair = model.is_encoder_decoder
        self._memory: Tensor | None = None
        self._cache = new_cache(is_pair=self._is_pair)
        self._bytes_each = self._bytes_fixed = 0
        self._options: dict[str, Any] = {"use_cache": True, "return_dict": True}
        if "logits_to_keep" in inspect.signature(type(self._module).forward).parameters:
            self._options["logits_to_keep"] = 1
        self.vocab_size = len(self._module.get_output_embeddings().weight)
        settings = self._module.generation_config
        self.prompt_ids = (start_id(self._module),) if self._is_pair else source.ids
        self.room = room_for(model.n_ctx, len(self.prompt_ids))
        self.constraints = constraints_of(settings, len(self.prompt_ids))
        self.notes = notes_of(settings)

    def start(self) -> Reading:
        """Read the source and the prompt."""
        read = torch.tensor([self.prompt_ids])
        if not self._is_pair:
            return self._run({"input_ids": read}, n_before=0)
        source = torch.tensor([self.source.ids])
        return self._run({"input_ids": source, "decoder_input_ids": read}, n_before=0)

    def advance(
        self, token_ids: Int[Tensor, " row"], parents: Int[Tensor, " row"] | None = None
    ) -> Reading:
        """Read one more token in every row."""
        if parents is not None:
            self._select(parents)
        n_before = self._cache.get_seq_length()
        if not self._is_pair:
            return self._run({"input_ids": token_ids[:, None]}, n_before=n_before)
        if self._memory is None:
            raise InputError("A text is started before it is gone on with.")
        memory = self._memory.expand(len(token_ids), -1, -1)
        inputs = {
            "encoder_outputs": BaseModelOutput(last_hidden_state=memory),
            "decoder_input_ids": token_ids[:, None],
        }
        return self._run(inputs, n_before=n_before)

    def fork(self, n_written: int) -> HuggingFaceStepper:
        """Another text that shares the first tokens of this one."""
        other = HuggingFaceStepper(self._model, self.source, is_recording=self._is_recording)
        other._memory = self._memory
        other._bytes_each, other._bytes_fixed = self._bytes_each, self._bytes_fixed
        other._cache = shortened(self._cache, len(self.prompt_ids) + n_written)
        return other

    @torch.inference_mode()
    def unembed(self, resid: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos vocab"]:
        """Final norm and unembedding."""
        return unembed(self._module, self._model.layout, resid).float()

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
    def _run(self, inputs: dict[str, Any], *, n_before: int) -> Reading:
        noted = None
        if self._is_recording:
            capture = StepCapture(self._model.layout, n_before=n_before)
            with capturing(capture):
                output = self._module(**inputs, cache=self._cache, **self._options)
            noted = capture.noted()
        else:
            output = self._module(**inputs, cache=self._cache, **self._options)
        if self._is_pair and self._memory is None:
            self._memory = output.encoder_last_hidden_state
        n_pos = self._cache.get_seq_length()
        if not n_before:
            self._measure(n_pos)
        logits = output.logits[:, -1].float()
        if output.logits.shape[1] > 1:  # or the logits of a whole prompt would be kept alive
            logits = logits.clone()
        size = len(logits) * (self._bytes_each * n_pos + self._bytes_fixed)
        return Reading(logits, n_pos, size, noted)

    def _measure(self, n_pos: int) -> None:
        """How many bytes a position takes, and the memory's keys and values, in one row."""
        own = self._cache.self_attention_cache if self._is_pair else self._cache
        self._bytes_each = nbytes(own) // n_pos
        self._bytes_fixed = nbytes(self._cache.cross_attention_cache) if self._is_pair else 0

    @torch.inference_mode()
    def _select(self, parents: Tensor) -> None:
        """Let each row go on from a row of the step before."""
        own = self._cache.self_attention_cache if self._is_pair else self._cache
        n_rows = own.layers[0].keys.shape[0]
        if n_rows == len(parents) and torch.equal(parents, torch.arange(n_rows)):
            return
        own.reorder_cache(parents)
        if self._is_pair and n_rows != len(parents):
            # All rows read the same source: only their number counts.
            self._cache.cross_attention_cache.reorder_cache(parents)


def _details(model: HuggingFaceModel, source: Tokens, target: Tokens | None) -> Details:
    """The fuller forward pass over what was read, made when somebody asks for it."""
    return model.trace(source, target).details


def _last(stream: list[Tensor]) -> Tensor:
    """The last position of each tensor [entry row d_model]."""
    if stream[0].shape[1] == 1:
        return torch.stack(stream)[:, :, 0]
    return torch.stack([hidden[:, -1] for hidden in stream])


def _column(tensors: Sequence[Tensor]) -> Tensor | list[Tensor]:
    """Copies, as a view of a whole cache would keep it alive; in one tensor if they are alike."""
    shape = tensors[0].shape
    if all(tensor.shape == shape for tensor in tensors):
        return torch.stack(tensors)  # type: ignore[arg-type]
    return [tensor.clone() for tensor in tensors]
