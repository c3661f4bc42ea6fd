"""Hugging Face models, traced by the capture seat and a few forward hooks."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from transformer_core.errors import ArchitectureError, InputError
from transformer_core.tokenization.tokens import Tokenizer, Tokens
from transformer_core.tracing.assembly import Padded, assemble
from transformer_core.tracing.capture import ATTENTION_NAME, Capture, Layout, capturing, current
from transformer_core.tracing.decodable import Decodable
from transformer_core.tracing.huggingface_decoding import HuggingFaceStepper
from transformer_core.tracing.interventions import Intervention
from transformer_core.tracing.positions import check_positions, find_positions, watch_positions
from transformer_core.tracing.trace import Provenance, Trace
from transformer_core.tracing.vision import KEY as VISION
from transformer_core.tracing.vision import as_seen, read_for

if TYPE_CHECKING:
    from transformer_core.models.catalogue import ModelCard

MAX_KEPT_LOGITS = 8 * 2**20
"""Bytes of logits that a trace keeps; larger ones are computed again when asked for."""


class HuggingFaceModel(Decodable):
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
        _watch_layers(module, self.layout)
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
    ) -> Trace:
        """Run the model on one input; see :class:`TraceableModel`."""
        return self.trace_batch([source], [target], interventions=interventions)[0]

    def trace_batch(
        self,
        sources: Sequence[Any],
        targets: Sequence[str | Tokens | None] | None = None,
        *,
        interventions: Sequence[Intervention] = (),
    ) -> list[Trace]:
        """Trace several inputs in one padded forward pass; see :class:`TraceableModel`."""
        if not sources:
            return []
        if self._tokenizer is None:
            return self._trace_images(sources, tuple(interventions))
        encoded = [
            text if isinstance(text, Tokens) else self.tokenizer.encode(text) for text in sources
        ]
        source = self._padded([list(t.ids) for t in encoded])
        inputs: dict[str, Any] = {"input_ids": source.ids, "attention_mask": source.mask}
        read: list[Tokens | None] = [None] * len(encoded)
        target: Padded | None = None
        if self.is_encoder_decoder:
            read = [*self._targets(encoded, targets or [None] * len(encoded))]
            target = self._padded([list(t.ids) for t in read if t is not None])
            inputs |= {"decoder_input_ids": target.ids}
            if not bool(target.mask.all()):
                inputs |= {"decoder_attention_mask": target.mask}
        elif any(text is not None for text in targets or ()):
            raise InputError(f"{self.card.id} has no decoder of its own: give it one text.")
        if bool(source.mask.all()):
            del inputs["attention_mask"]
        return self._traces(
            inputs, list(zip(encoded, read, strict=True)), (source, target), interventions
        )

    def _trace_images(
        self, images: Sequence[Any], interventions: tuple[Intervention, ...]
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
            {"pixel_values": pixels}, [(t, None) for t in tokens], (whole, None), interventions
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
        interventions: Sequence[Intervention],
    ) -> list[Trace]:
        def run(detailed: bool) -> tuple[Capture, Tensor | None]:
            return self._forward(inputs, tuple(interventions), detailed=detailed)

        provenance = Provenance(self.card.id, self.card.name, self.card.family, self.card.revision)
        return assemble(run, tokens, padding, provenance, tuple(interventions))

    @torch.inference_mode()
    def _forward(
        self, inputs: dict[str, Any], interventions: tuple[Intervention, ...], *, detailed: bool
    ) -> tuple[Capture, Tensor | None]:
        check_positions(interventions, self.positions, self.card.id)
        if detailed:
            self._watch_matrices()
        with capturing(Capture(self.layout, interventions, detailed=detailed)) as capture:
            options: dict[str, Any] = {"use_cache": False} if "pixel_values" not in inputs else {}
            if not detailed and self._is_large(inputs):
                options["logits_to_keep"] = 1
            output = self.module(**inputs, **options)
        self._check_complete(capture)
        return capture, getattr(output, "logits", None)

    def _is_large(self, inputs: dict[str, Any]) -> bool:
        """Whether the logits of a decoder-only model are too large to keep."""
        if self.sites != ("decoder",) or "input_ids" not in inputs:
            return False
        n_logits: int = inputs["input_ids"].numel() * self.module.config.vocab_size
        is_large: bool = n_logits * self.module.dtype.itemsize > MAX_KEPT_LOGITS
        return is_large

    def _watch_matrices(self) -> None:
        """Watch the matrices, from the first detailed capture on: light ones pay nothing for it."""
        with self._matrices:
            if not self._are_matrices_watched:
                _watch_matrices(self.module, self.layout)
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


def find_layout(module: PreTrainedModel) -> Layout:
    """Find a model's layers and attention sites from its structure.

    A layer is an item of an outermost ``ModuleList``; in an encoder–decoder, those under the
    decoder are the decoder's. Whether a single stack is an encoder or a decoder is told by its
    causality.

    Raises:
        ArchitectureError: If no stack of layers is found.
    """
    two_stacks = bool(module.config.is_encoder_decoder)
    decoder = module.get_decoder() if two_stacks else None
    inside_decoder = {id(m) for m in decoder.modules()} if decoder is not None else set()
    causal = any(getattr(m, "is_causal", False) is True for m in module.modules())
    single = "decoder" if causal else "encoder"
    layers: dict[int, tuple[str, int]] = {}
    members: dict[int, tuple[str, int]] = {}
    for stack in module.modules():
        if not isinstance(stack, nn.ModuleList) or id(stack) in members:
            continue
        for index, layer in enumerate(stack):
            # Lists without attention in them (a head's norms, say) are passed over.
            if not any("attention" in type(m).__name__.lower() for m in layer.modules()):
                break
            site = (
                ("decoder" if id(layer) in inside_decoder else "encoder") if two_stacks else single
            )
            layers[id(layer)] = (site, index)
            members |= {id(m): (site, index) for m in layer.modules()}
    if not layers:
        raise ArchitectureError(
            f"{type(module).__name__} has no stack of attention layers that could be shown."
        )
    sites = ("encoder", "decoder", "cross") if two_stacks else (single,)
    return Layout(sites, layers, members)


def _watch_layers(module: PreTrainedModel, layout: Layout) -> None:
    """Hooks that note the residual stream, while a capture that wants it looks on."""

    def on_layer(layer: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        capture = current()
        if capture is not None and capture.sees_layers:
            entering = args[0] if args else kwargs["hidden_states"]
            leaving = output if isinstance(output, Tensor) else output[0]
            capture.saw_layer(layer, entering, leaving)

    for part in module.modules():
        if id(part) in layout.layers:
            part.register_forward_hook(on_layer, with_kwargs=True)


def _watch_matrices(module: PreTrainedModel, layout: Layout) -> None:
    """Hooks that note projections and activations, while a detailed capture looks on."""

    def on_linear(linear: nn.Module, args: Any) -> None:
        capture = current()
        if capture is not None and capture.detailed:
            capture.saw_linear(linear, args[0])

    for part in module.modules():
        if id(part) in layout.attention_layers and isinstance(part, nn.Linear | Conv1D):
            part.register_forward_pre_hook(on_linear)


def patch_labels(config: Any, pixels: Tensor) -> list[str]:
    """Names of a vision model's positions: special tokens, then the patches by row and column."""
    size = config.patch_size
    rows, columns = pixels.shape[-2] // size, pixels.shape[-1] // size
    special = ["[CLS]", "[DIST]"] if config.model_type == "deit" else ["[CLS]"]
    return special + [f"r{row}c{column}" for row in range(rows) for column in range(columns)]
