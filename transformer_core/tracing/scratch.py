"""Our own Transformer, traced through the same seat and into the same records as any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from transformer_core.decoding.strategies import Beam, Greedy, Strategy
from transformer_core.errors import ConfigError, InputError, TextTooLongError
from transformer_core.model import Transformer
from transformer_core.model.beam import BeamSettings, generate_beam
from transformer_core.model.generation import Hypothesis, generate_greedy, lay_out_for_decoding
from transformer_core.tokenization.tokens import Tokenizer, Tokens
from transformer_core.tracing.assembly import Batch, Padded, Run, assemble, assemble_apart
from transformer_core.tracing.batching import Batched
from transformer_core.tracing.decodable import Decodable
from transformer_core.tracing.interventions import Intervention
from transformer_core.tracing.memory import TellsMemory
from transformer_core.tracing.positions import check_positions, find_positions, watch_positions
from transformer_core.tracing.scratch_capture import ScratchCapture, install_hooks, layout_of
from transformer_core.tracing.scratch_decoding import ScratchStepper
from transformer_core.tracing.seat import Seat, capturing
from transformer_core.tracing.trace import Provenance, Trace

if TYPE_CHECKING:
    from transformer_core.models.catalogue import ModelCard


class OwnTokenizer(Tokenizer, Protocol):
    """What our own models ask of a tokenizer beyond the protocol of all."""

    def encode_target(self, text: str) -> Tokens:
        """Encode a text of the target side, its end token included."""

    def from_ids(self, ids: Sequence[int]) -> Tokens:
        """The tokens of ids that a decoder reads."""


class ScratchModel(Batched, Decodable):
    """Our own Transformer with its tokenizer; see :class:`TraceableModel`.

    Args:
        module: The model; it is this object's own from now on.
        tokenizer: Its tokenizer. Sources end in ``eos_id``.
        card: What the catalogue says of it.

    Raises:
        ArchitectureError: If its parts were exchanged so that they cannot be seen.
    """

    def __init__(self, module: Transformer, tokenizer: OwnTokenizer, card: ModelCard) -> None:
        self.layout = layout_of(module)
        self.module: Transformer = module.requires_grad_(False)
        self.module.train(False)
        self.card = card
        self.tokenizer = tokenizer
        lay_out_for_decoding(module)
        self.positions = find_positions(module)
        install_hooks(module, self.layout)
        watch_positions(self.positions)

    # -- facts ------------------------------------------------------------------------------

    @property
    def sites(self) -> tuple[str, ...]:
        """Attention sites, of ``encoder``, ``decoder``, ``cross``."""
        return self.layout.sites

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether a decoder reads an encoder's output."""
        return "cross" in self.sites

    @property
    def n_ctx(self) -> int:
        """Tokens that the model reads at most."""
        return self.module.config.n_ctx

    def n_layers(self, site: str) -> int:
        """Layers with attention at a site."""
        config = self.module.config
        return config.n_encoder_layers if site == "encoder" else config.n_decoder_layers

    def n_heads(self, site: str) -> int:  # noqa: ARG002 (the same at every site)
        """Query heads of a layer at a site."""
        return self.module.config.n_heads

    # -- tracing ----------------------------------------------------------------------------

    def trace(
        self,
        source: str | Tokens,
        target: str | Tokens | None = None,
        *,
        interventions: Sequence[Intervention] = (),
        keep_resid: bool = False,
    ) -> Trace:
        """Run the model on one input; see :class:`TraceableModel`.

        With ``keep_resid`` this very pass notes the residual stream, too; else whoever asks for it
        runs the model once more.
        """
        return self.trace_batch(
            [source], [target], interventions=interventions, keep_resid=keep_resid
        )[0]

    def trace_batch(
        self,
        sources: Sequence[str | Tokens],
        targets: Sequence[str | Tokens | None] | None = None,
        *,
        interventions: Sequence[Intervention] = (),
        keep_resid: bool = False,
    ) -> list[Trace]:
        """Trace several inputs in one padded forward pass; see :class:`TraceableModel`."""
        if not sources:
            return []
        read, written = self._read(sources, targets)
        check_positions(interventions, self.positions, self.card.id)
        run, padding = self._run(read, written, tuple(interventions), keep_resid=keep_resid)
        pairs = list(zip(read, written, strict=True))
        return assemble(run, pairs, padding, self._provenance, tuple(interventions))

    def _trace_padded(
        self,
        sources: Sequence[Any],
        targets: Sequence[str | Tokens | None] | None,
        *,
        detailed: bool = False,
    ) -> list[Trace]:
        read, written = self._read(sources, targets)
        run, padding = self._run(read, written)

        def alone(item: int) -> Run:
            return self._run([read[item]], [written[item]])[0]

        pairs = list(zip(read, written, strict=True))
        batch = Batch(run, alone)
        return assemble_apart(batch, pairs, padding, self._provenance, detailed=detailed)

    def _read(
        self, sources: Sequence[str | Tokens], targets: Sequence[str | Tokens | None] | None
    ) -> tuple[list[Tokens], list[Tokens | None]]:
        """Tokens that the encoder and those that the decoder reads."""
        read = [s if isinstance(s, Tokens) else self.tokenizer.encode(s) for s in sources]
        for tokens in read:
            self._check_length(len(tokens))
        if self.is_encoder_decoder:
            return read, [*self._targets(read, targets or [None] * len(read))]
        if any(text is not None for text in targets or ()):
            raise InputError(f"{self.card.id} has one stack of layers only: give it one text.")
        return read, [None] * len(read)

    def _run(
        self,
        read: list[Tokens],
        written: list[Tokens | None],
        interventions: tuple[Intervention, ...] = (),
        *,
        keep_resid: bool = False,
    ) -> tuple[Run, tuple[Padded, Padded | None]]:
        """What runs the model on a batch, and how that is padded."""
        source, target = self._padded([t.ids for t in read]), None
        if self.is_encoder_decoder:
            target = self._padded([t.ids for t in written if t is not None])

        def run(detailed: bool) -> tuple[Seat, Tensor | None]:
            seat = ScratchCapture(
                self.layout, interventions, detailed=detailed, keeps_resid=keep_resid
            )
            return seat, self._forward(seat, source, target)

        return run, (source, target)

    @property
    def _provenance(self) -> Provenance:
        card = self.card
        return Provenance(card.id, card.name, card.family, card.revision)

    @TellsMemory()
    @torch.inference_mode()
    def _forward(self, seat: ScratchCapture, source: Padded, target: Padded | None) -> Tensor:
        """Logits of a batch. Padding stands at the end: causality alone hides the target's."""
        mask = source.mask if source.is_ragged else None
        module: Any = self.module
        with capturing(seat):
            if target is not None:
                logits = module(source.ids, target.ids, src_mask=mask)
            elif self.sites == ("encoder",):
                logits = module.unembed(module.encode(source.ids, mask))
            else:
                logits = module.unembed(module.decode(source.ids, None, src_mask=None))
        result: Tensor = logits
        return result

    # -- writing ----------------------------------------------------------------------------

    @TellsMemory()
    def write(self, sources: Sequence[Sequence[int]], strategy: Strategy) -> list[Hypothesis]:
        """Write a target for each source, in one batch and in order, without tracing.

        Args:
            sources: Token ids, end token included.
            strategy: Greedy or by beam search.

        Raises:
            ConfigError: If the model is no encoder–decoder, or the strategy samples.
            TextTooLongError: If a source has more tokens than ``n_ctx``.
        """
        ids, mask = self._sources(sources)
        if isinstance(strategy, Beam):
            settings = BeamSettings(**asdict(strategy))
            return [best for best, *_ in generate_beam(self.module, ids, mask, settings)]
        if isinstance(strategy, Greedy):
            return generate_greedy(self.module, ids, mask, **asdict(strategy))
        raise ConfigError("A batch is written greedily or by beam search; to sample, use decode.")

    def stepper(self, source: str | Tokens, *, is_recording: bool = True) -> ScratchStepper:
        """A text that is to be written; see :class:`Decodable`."""
        if "decoder" not in self.sites:
            raise InputError(f"{self.card.id} has no decoder, so it cannot write.")
        tokens = source if isinstance(source, Tokens) else self.tokenizer.encode(source)
        self._check_length(len(tokens))
        return ScratchStepper(self, tokens, is_recording=is_recording)

    def _sources(self, sources: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor | None]:
        if not self.is_encoder_decoder:
            raise ConfigError(f"{self.card.id} is no encoder–decoder: it cannot translate.")
        for row in sources:
            self._check_length(len(row))
        padded = self._padded(sources)
        return padded.ids, padded.mask if padded.is_ragged else None

    # -- inputs -----------------------------------------------------------------------------

    def _padded(self, rows: Sequence[Sequence[int]]) -> Padded:
        return Padded.of([list(row) for row in rows], pad=self.module.config.pad_id)

    def _check_length(self, n_tokens: int) -> None:
        if n_tokens > self.n_ctx:
            raise TextTooLongError(n_tokens, self.n_ctx)

    def _targets(
        self, sources: list[Tokens], targets: Sequence[str | Tokens | None]
    ) -> list[Tokens]:
        """What the decoder reads: the start token, then the target (written greedily if none)."""
        config = self.module.config
        open_ones = [i for i, target in enumerate(targets) if target is None]
        written = self.write([sources[i].ids for i in open_ones], Greedy()) if open_ones else []
        ids = {i: w.ids for i, w in zip(open_ones, written, strict=True)}
        read = []
        for i, target in enumerate(targets):
            if isinstance(target, Tokens):
                read.append(target)
                continue
            if isinstance(target, str):
                row = self.tokenizer.encode_target(target).ids
                ids[i] = row[:-1] if row[-1:] == (config.eos_id,) else row
            read.append(self.tokenizer.from_ids([config.bos_id, *ids[i]]))
        for tokens in read:
            self._check_length(len(tokens))
        return read
