"""Hugging Face models, traced by the capture seat and a few forward hooks."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from transformer_core.errors import ArchitectureError, InputError
from transformer_core.tokenization.tokens import Tokenizer, Tokens
from transformer_core.tracing.assembly import Batch, Padded, Run, assemble, assemble_apart
from transformer_core.tracing.batching import Batched
from transformer_core.tracing.capture import ATTENTION_NAME, Capture, capturing
from transformer_core.tracing.decodable import Decodable
from transformer_core.tracing.huggingface_decoding import HuggingFaceStepper
from transformer_core.tracing.huggingface_layout import (
    find_layout,
    patch_labels,
    watch_layers,
    watch_matrices,
)
from transformer_core.tracing.interventions import Intervention
from transformer_core.tracing.memory import TellsMemory
from transformer_core.tracing.positions import check_positions, find_positions, watch_positions
from transformer_core.tracing.trace import Provenance, Trace
from transformer_core.tracing.vision import KEY as VISION
from transformer_core.tracing.vision import as_seen, read_for

if TYPE_CHECKING:
    from transformer_core.models.catalogue import ModelCard

MAX_KEPT_LOGITS = 8 * 2**20
"""Bytes of logits that a trace keeps; larger ones are computed again when asked for."""


class HuggingFaceModel(Batched, Decodable):
    """A Transformers model whose every attention layer can be seen.

    Args:
        module: The model, loaded with ``attn_implementation=ATTENTION_NAME``.
        tokenizer: Its tokenizer; for a vision model None.
        card: What the catalogue says of it.
        image_processor: For a vision model, what turns an image into pixels.

    Raises:
        ArchitectureError: If the model's attention does not pass through the seat.
    """

    def __init__(
        self,
        module: PreTrainedModel,
        tokenizer: Tokenizer | None,
        card: "ModelCard",
        *,
        image_processor: Any = None,
    ) -> None:
        if module.config._attn_implementation != ATTENTION_NAME:
            raise ArchitectureError(
                f"{card.id}: load the model with attn_implementation={ATTENTION_NAME!r}, "
                f"not {module.config._attn_implementation!r}."
            )
        self.module = module.eval().requires_grad_(False)
        self.card = card
        self.image_processor = image_processor
        self._tokenizer = tokenizer
        self.layout = find_layout(module)
        self._matrices = threading.Lock()
        self._are_matrices_watched = False
        self.positions = find_positions(module)
        watch_layers(module, self.layout)
        watch_positions(self.positions)

    # -- facts ------------------------------------------------------------------------------

    @property
    def sites(self) -> tuple[str, ...]:
        """Attention sites, of ``encoder``, ``decoder``, ``cross``."""
        return self.layout.sites

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether a decoder reads an encoder's output."""
        return bool(self.module.config.is_encoder_decoder)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer.

        Raises:
            InputError: If the model reads images.
        """
        if self._tokenizer is None:
            raise InputError(f"{self.card.id} reads images, not text.")
        return self._tokenizer

    @property
    def n_ctx(self) -> int | None:
        """Tokens that the model reads at most; None if nothing limits it."""
        return None if self._tokenizer is None else self._tokenizer.n_ctx

    def n_layers(self, site: str) -> int:
        """Layers with attention at a site."""
        stack = "decoder" if site == "cross" else site
        return sum(place[0] == stack for place in self.layout.layers.values())

    def n_heads(self, site: str) -> int:
        """Query heads of a layer at a site."""
        config = self.module.config
        heads: int = config.num_attention_heads
        if self.is_encoder_decoder and site != "encoder":
            heads = getattr(config, "decoder_attention_heads", heads)
        return heads

    # -- tracing ----------------------------------------------------------------------------

    def trace(
        self,
        source: Any,
        target: str | Tokens | None = None,
        *,
        interventions: Sequence[Intervention] = (),
        keep_resid: bool = False,
        keep_logits: bool = True,
    ) -> Trace:
        """Run the model on one input; see :class:`TraceableModel`.

        With ``keep_resid`` this very pass notes the residual stream, too; else whoever asks for it
        runs the model once more. Without ``keep_logits`` a decoder-only model leaves its vocabulary
        out, for whoever asks for it later: a third of a small model's work on a short text.
        """
        return self.trace_batch(
            [source],
            [target],
            interventions=interventions,
            keep_resid=keep_resid,
            keep_logits=keep_logits,
        )[0]

    def trace_batch(
        self,
        sources: Sequence[Any],
        targets: Sequence[str | Tokens | None] | None = None,
        *,
        interventions: Sequence[Intervention] = (),
        keep_resid: bool = False,
        keep_logits: bool = True,
    ) -> list[Trace]:
        """Trace several inputs in one padded forward pass; see :class:`TraceableModel`."""
        if not sources:
            return []
        changes = tuple(interventions)
        leaves_out = not keep_logits and self.sites == ("decoder",)
        keep = {"keep_resid": keep_resid, "logits_at": () if leaves_out else None}
        if self._tokenizer is None:
            return self._trace_images(sources, changes, keep)
        encoded, read = self._read(sources, targets)
        inputs, padding = self._inputs(encoded, read)
        pairs = list(zip(encoded, read, strict=True))
        return self._traces(inputs, pairs, padding, changes, keep)

    def _trace_padded(
        self,
        sources: Sequence[Any],
        targets: Sequence[str | Tokens | None] | None,
        *,
        detailed: bool = False,
    ) -> list[Trace]:
        encoded, read = self._read(sources, targets)
        large = [self._is_large(len(tokens)) for tokens in encoded]
        if any(large) and not all(large):
            # Which logits a trace keeps does not depend on its neighbours: two batches.
            parts = ([i for i, one in enumerate(large) if one is side] for side in (True, False))
            found = {
                i: trace
                for part in parts
                for i, trace in zip(
                    part,
                    self._trace_padded(
                        [encoded[i] for i in part], [read[i] for i in part], detailed=detailed
                    ),
                    strict=True,
                )
            }
            return [found[i] for i in range(len(encoded))]
        inputs, padding = self._inputs(encoded, read)
        ends = tuple(sorted({len(tokens) - 1 for tokens in encoded})) if all(large) else None

        def run(detailed: bool) -> tuple[Capture, Tensor | None]:
            return self._forward(inputs, (), detailed=detailed, logits_at=ends)

        def alone(item: int) -> Run:
            whole, _ = self._inputs([encoded[item]], [read[item]])
            return lambda detailed: self._forward(whole, (), detailed=detailed)

        pairs = list(zip(encoded, read, strict=True))
        batch = Batch(run, alone, ends)
        with_details = detailed and ends is None
        return assemble_apart(batch, pairs, padding, self._provenance, detailed=with_details)

    def _read(
        self, sources: Sequence[Any], targets: Sequence[str | Tokens | None] | None
    ) -> tuple[list[Tokens], list[Tokens | None]]:
        """Tokens that the encoder and those that the decoder reads."""
        encoded = [
            text if isinstance(text, Tokens) else self.tokenizer.encode(text) for text in sources
        ]
        if self.is_encoder_decoder:
            return encoded, [*self._targets(encoded, targets or [None] * len(encoded))]
        if any(text is not None for text in targets or ()):
            raise InputError(f"{self.card.id} has no decoder of its own: give it one text.")
        return encoded, [None] * len(encoded)

    def _inputs(
        self, encoded: list[Tokens], read: list[Tokens | None]
    ) -> tuple[dict[str, Any], tuple[Padded, Padded | None]]:
        """What the model is called with, and how it is padded."""
        source, target = self._padded([list(t.ids) for t in encoded]), None
        inputs: dict[str, Any] = {"input_ids": source.ids}
        if source.is_ragged:
            inputs |= {"attention_mask": source.mask}
        if self.is_encoder_decoder:
            target = self._padded([list(t.ids) for t in read if t is not None])
            inputs |= {"decoder_input_ids": target.ids}
            if target.is_ragged:
                inputs |= {"decoder_attention_mask": target.mask}
        return inputs, (source, target)

    def _trace_images(
        self, images: Sequence[Any], interventions: tuple[Intervention, ...], keep: dict[str, Any]
    ) -> list[Trace]:
        if self.image_processor is None:
            raise InputError(f"{self.card.id} has neither a tokenizer nor an image processor.")
        read = [read_for(self.image_processor, image) for image in images]
        taken = [image for image, _ in read]
        pixels = self.image_processor(taken, return_tensors="pt")["pixel_values"]
        labels = patch_labels(self.module.config, pixels)
        special = [label.startswith("[") for label in labels]
        tokens = [Tokens.from_labels(labels, is_special=special)] * len(images)
        whole = Padded.full(len(images), len(labels))
        traces = self._traces(
            {"pixel_values": pixels},
            [(t, None) for t in tokens],
            (whole, None),
            interventions,
            keep,
        )
        config = self.module.config
        extras = (
            {"notes": notes, VISION: as_seen(one, tokens[0], self.image_processor, config)}
            for one, (_, notes) in zip(pixels, read, strict=True)
        )
        return [
            replace(trace, extra={**trace.extra, **extra})
            for trace, extra in zip(traces, extras, strict=True)
        ]

    def _traces(
        self,
        inputs: dict[str, Any],
        tokens: list[tuple[Tokens, Tokens | None]],
        padding: tuple[Padded, Padded | None],
        interventions: tuple[Intervention, ...],
        keep: dict[str, Any],
    ) -> list[Trace]:
        def run(detailed: bool) -> tuple[Capture, Tensor | None]:
            light = {} if detailed else keep
            return self._forward(inputs, interventions, detailed=detailed, **light)

        return assemble(run, tokens, padding, self._provenance, interventions)

    @property
    def _provenance(self) -> Provenance:
        card = self.card
        return Provenance(card.id, card.name, card.family, card.revision)

    @TellsMemory()
    @torch.inference_mode()
    def _forward(
        self,
        inputs: dict[str, Any],
        interventions: tuple[Intervention, ...],
        *,
        detailed: bool,
        keep_resid: bool = False,
        logits_at: tuple[int, ...] | None = None,
    ) -> tuple[Capture, Tensor | None]:
        check_positions(interventions, self.positions, self.card.id)
        if detailed:
            self._watch_matrices()
        seat = Capture(self.layout, interventions, detailed=detailed, keeps_resid=keep_resid)
        with capturing(seat) as capture:
            options: dict[str, Any] = {"use_cache": False} if "pixel_values" not in inputs else {}
            if logits_at is not None:
                options["logits_to_keep"] = torch.tensor(logits_at, dtype=torch.long)
            elif not detailed and self._is_large(_n_tokens(inputs)):
                options["logits_to_keep"] = 1
            output = self.module(**inputs, **options)
        self._check_complete(capture)
        return capture, getattr(output, "logits", None)

    def _is_large(self, n_tokens: int) -> bool:
        """Whether the logits of a decoder-only model are too large to keep."""
        if self.sites != ("decoder",):
            return False
        n_bytes: int = n_tokens * self.module.config.vocab_size * self.module.dtype.itemsize
        return n_bytes > MAX_KEPT_LOGITS

    def _watch_matrices(self) -> None:
        """Watch the matrices, from the first detailed capture on: light ones pay nothing for it."""
        with self._matrices:
            if not self._are_matrices_watched:
                watch_matrices(self.module, self.layout)
                self._are_matrices_watched = True

    def _check_complete(self, capture: Capture) -> None:
        for site in self.sites:
            found = sum(place[0] == site for place in capture.records)
            if found != self.n_layers(site):
                raise ArchitectureError(
                    f"{self.card.id} ({type(self.module).__name__}): {found} of "
                    f"{self.n_layers(site)} {site} layers attend through the interface of "
                    "Transformers; its attention cannot be shown whole, so it is not shown at all."
                )

    # -- writing ----------------------------------------------------------------------------

    def stepper(self, source: str | Tokens, *, is_recording: bool = True) -> HuggingFaceStepper:
        """A text that is to be written; see :class:`Decodable`."""
        if "decoder" not in self.sites:
            raise InputError(
                f"{self.card.id} has no decoder, so it cannot write. Decoder-only models (smollm2, "
                "gpt2) and encoder–decoders (en-fr-small, opus-mt, bart, t5) can."
            )
        if self.module.get_output_embeddings() is None:
            raise InputError(
                f"{self.card.id} was saved without the head that scores a vocabulary, so it cannot "
                "write. Save it from its …ForCausalLM or …ForConditionalGeneration class."
            )
        tokens = source if isinstance(source, Tokens) else self.tokenizer.encode(source)
        return HuggingFaceStepper(self, tokens, is_recording=is_recording)

    # -- inputs -----------------------------------------------------------------------------

    def _padded(self, ids: list[list[int]]) -> Padded:
        pad = self.module.config.pad_token_id
        return Padded.of(ids, pad=0 if pad is None else int(pad))

    def _targets(
        self, sources: list[Tokens], targets: Sequence[str | Tokens | None]
    ) -> list[Tokens]:
        """What the decoder reads: the start token, then the target (decoded greedily if not given).

        Tokens, such as another trace's target, are read as they are, start token included.
        """
        start = self.module.config.decoder_start_token_id
        read = []
        for source, text in zip(sources, targets, strict=True):
            if text is None:
                read.append(self._tokens_of(self._write(source)))
            elif isinstance(text, Tokens):
                read.append(text)
            else:
                read.append(self._tokens_of([int(start), *self._target_ids(text)]))
        return read

    def _target_ids(self, text: str) -> Sequence[int]:
        encode: Callable[[str], Tokens] = getattr(
            self.tokenizer, "encode_target", self.tokenizer.encode
        )
        return encode(text).ids

    def _tokens_of(self, ids: list[int]) -> Tokens:
        from_ids: Callable[[Sequence[int]], Tokens] = self.tokenizer.from_ids
        return from_ids(ids)

    def _write(self, source: Tokens) -> list[int]:
        """What the decoder reads if it writes by itself: the start token, then the greedy text."""
        decoding = self.decode(source, is_recording=False)
        written = [step.token_id for step in decoding]
        return [*decoding.prompt_ids, *(written[:-1] if decoding.ended == "eos" else written)]


def _n_tokens(inputs: dict[str, Any]) -> int:
    """Tokens of a batch, padding included; 0 where it reads images."""
    ids: Tensor | None = inputs.get("input_ids")
    return 0 if ids is None else ids.numel()
