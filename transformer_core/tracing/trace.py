"""The Trace: what a forward pass computed for one input, and the source of every picture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from transformer_core.errors import InputError, NotInTraceError
from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.interventions import Intervention
from transformer_core.tracing.records import AttentionRecord, Details, Rows

T = TypeVar("T")
SITES = ("encoder", "decoder", "cross")


@dataclass(frozen=True)
class Provenance:
    """Where a trace came from.

    Attributes:
        model_id: What ``tc.load`` takes.
        model_name: What people call the model.
        family: "BERT", "GPT", "encoder–decoder", "ViT", …
        revision: Commit or content hash of the weights.
    """

    model_id: str
    model_name: str
    family: str = ""
    revision: str = ""


@dataclass(frozen=True, eq=False)
class Trace:
    """What a model computed for one input.

    The light capture (queries, keys, masks) is always there: O(n·d) numbers from which any pattern
    is computed when asked for. Values, outputs, residual stream and feed-forward activations come
    from one second forward pass, when first asked for; of a short text values and outputs are at
    hand before.

    Attributes:
        provenance: Model and revision.
        source: The input (of an encoder–decoder: of the encoder).
        target: What the decoder of an encoder–decoder read; None for other models.
        attention: Light records by site, in layer order.
        recompute: Runs the fuller forward pass; None where only the light capture exists.
        kept_logits: Logits of the light capture, where they are small enough to keep.
        kept_next: Where they are not: those at the last position, of the token that comes next.
        kept_resid: The residual stream by site, as in :class:`Details`, where it was asked for.
        interventions: What was changed in the model while it ran.
    """

    provenance: Provenance
    source: Tokens
    target: Tokens | None
    attention: Mapping[str, tuple[AttentionRecord, ...]]
    recompute: Callable[[], Details] | None = None
    kept_logits: Tensor | None = None
    interventions: tuple[Intervention, ...] = ()
    kept_next: Tensor | None = None
    kept_resid: Mapping[str, tuple[Tensor, ...]] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    # -- what it is about -------------------------------------------------------------------

    @property
    def model_id(self) -> str:
        """What ``tc.load`` takes."""
        return self.provenance.model_id

    @property
    def model_name(self) -> str:
        """What people call the model."""
        return self.provenance.model_name

    @property
    def family(self) -> str:
        """Kind of model."""
        return self.provenance.family

    @property
    def revision(self) -> str:
        """Commit or content hash of the weights."""
        return self.provenance.revision

    @property
    def text(self) -> str:
        """The text that was read."""
        return self.source.text

    @property
    def target_text(self) -> str | None:
        """The text on the decoder's side, if there is one."""
        return None if self.target is None else self.target.text

    @property
    def notes(self) -> tuple[str, ...]:
        """What every picture of this trace must say: that its text was cut, or where it is from."""
        return tuple(self.extra.get("notes", ()))

    @property
    def tokens(self) -> list[str]:
        """Tokens as people read them."""
        return list(self.source.display)

    @property
    def target_tokens(self) -> list[str] | None:
        """Tokens that the decoder read, the start token first; None without one of its own."""
        return None if self.target is None else list(self.target.display)

    @property
    def sites(self) -> tuple[str, ...]:
        """Attention sites that the model has, of ``encoder``, ``decoder``, ``cross``."""
        return tuple(self.attention)

    def query_tokens(self, site: str) -> Tokens:
        """Tokens along the rows of a pattern at this site (those that read)."""
        return self.source if self.target is None or site == "encoder" else self.target

    def key_tokens(self, site: str) -> Tokens:
        """Tokens along the columns of a pattern at this site (those that are read)."""
        return self.target if self.target is not None and site == "decoder" else self.source

    def n_layers(self, site: str) -> int:
        """Layers with attention at this site."""
        return len(self._at(self.attention, site))

    def n_heads(self, site: str) -> int:
        """Query heads of a layer at this site."""
        return self.light(site, 0).n_heads

    # -- what was computed ------------------------------------------------------------------

    def light(self, site: str, layer: int) -> AttentionRecord:
        """Queries, keys and mask of a layer, without another forward pass."""
        return self._layer(self._at(self.attention, site), layer)

    def pattern(
        self, site: str, *, layer: int, head: int | None = None, rows: Rows = slice(None)
    ) -> Float[Tensor, "*head query_pos key_pos"]:
        """Attention weights; each row sums to 1.

        Args:
            site: ``encoder``, ``decoder`` or ``cross``.
            layer: Counted from 0.
            head: Counted from 0; None for all heads of the layer.
            rows: Which query rows.

        Raises:
            NotInTraceError: If the model has no such site, layer or head.
        """
        return self.light(site, layer).pattern(head, rows)

    def attn_scores(
        self, site: str, *, layer: int, head: int | None = None, rows: Rows = slice(None)
    ) -> Float[Tensor, "*head query_pos key_pos"]:
        """Scores before softmax, scaled and masked (−∞).

        Raises:
            NotInTraceError: If the model has no such site, layer or head.
        """
        return self.light(site, layer).attn_scores(head, rows)

    def record(self, site: str, *, layer: int) -> AttentionRecord:
        """Queries, keys, values, mask, scaling and the module's own output per head.

        Raises:
            NotInTraceError: If there is no such site or layer, or no way to compute it.
        """
        return self._layer(self._at(self.details.attention, site), layer)

    def resid(self, site: str, *, layer: int) -> Float[Tensor, "pos d_model"]:
        """Residual stream after a layer; ``layer=-1`` is what goes into layer 0.

        Raises:
            NotInTraceError: If there is no such site or layer.
        """
        noted = self.details.resid if self.kept_resid is None else self.kept_resid
        stream = self._at(noted, "decoder" if site == "cross" else site)
        if not -1 <= layer < len(stream) - 1:
            raise NotInTraceError(
                f"There is no layer {layer} at {site!r}; layers run from 0 to {len(stream) - 2}, "
                "and −1 is the input of layer 0."
            )
        return stream[layer + 1]

    def ff(self, site: str, *, layer: int) -> Float[Tensor, "pos d_ff"]:
        """Feed-forward activations of a layer, after the non-linearity.

        Raises:
            NotInTraceError: If there is no such site or layer.
        """
        return self._layer(self._at(self.details.ff, "decoder" if site == "cross" else site), layer)

    def head_output(self, site: str, *, layer: int) -> Float[Tensor, "head pos d_model"]:
        """What each head writes into the residual stream: z_h W_O^h, without the shared bias.

        The heads' outputs and the output projection's bias add up to the attention block's output.

        Raises:
            NotInTraceError: If there is no such site or layer, or the trace was read from a file,
                which keeps no weights.
        """
        record = self.record(site, layer=layer)
        if self.details.out_proj is None or record.z is None:
            raise NotInTraceError(
                "A saved trace keeps no weights; trace the text again with a model."
            )
        w_o = self._layer(self._at(self.details.out_proj, site), layer)
        per_head = w_o.reshape(record.n_heads, record.z.shape[-1], w_o.shape[-1])
        return torch.einsum("hpd,hdm->hpm", record.z.float(), per_head.float())

    @property
    def logits(self) -> Tensor | None:
        """Logits [pos vocab] (or [n_classes]); None for a model without such a head."""
        return self.kept_logits if self.kept_logits is not None else self.details.logits

    @property
    def next_logits(self) -> Tensor | None:
        """Logits [vocab] at the last position: of the next token; None without such a head.

        Of a long text these are at hand where the logits of all positions would be too large.
        """
        if self.kept_next is not None:
            return self.kept_next
        logits = self.logits
        return None if logits is None or logits.dim() < 2 else logits[-1]

    @cached_property
    def details(self) -> Details:
        """Everything of the second, fuller forward pass.

        Raises:
            NotInTraceError: If only patterns are there, as in an imported matrix.
        """
        if self.recompute is None:
            raise NotInTraceError(
                "This trace holds attention only; values, outputs and the residual stream need a "
                "model."
            )
        return self.recompute()

    @property
    def has_details(self) -> bool:
        """Whether values, outputs and the residual stream can be had."""
        return self.recompute is not None

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors that the light capture keeps alive (shared storage counted once)."""
        storages = {
            tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
            for records in self.attention.values()
            for record in records
            for tensor in (*record.tensors, *record.overrides.values())
        }
        streams = chain.from_iterable((self.kept_resid or {}).values())
        for tensor in (self.kept_logits, self.kept_next, *streams):
            if tensor is not None:
                storage = tensor.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
        return sum(storages.values())

    @property
    def own_parts(self) -> tuple[object, ...]:
        """What is this trace's own memory: all but the model, its weights, and what runs it."""
        found: Details | None = self.__dict__.get("details")
        details = () if found is None else (found.attention, found.resid, found.ff, found.logits)
        kept = (self.kept_logits, self.kept_next, self.kept_resid)
        return (self.attention, *kept, self.extra, self.source, self.target, *details)

    @property
    def is_detailed(self) -> bool:
        """Whether the fuller pass was made already; a trace grows then."""
        return "details" in self.__dict__

    # -- files and notebooks ----------------------------------------------------------------

    def save(self, path: str | Path, *, details: bool = True) -> None:
        """Write the trace as NPZ (no pickles).

        Args:
            path: The file.
            details: Also values, outputs, residual stream, activations and logits.
        """
        from transformer_core.tracing.files import save_trace

        save_trace(self, Path(path), details=details and self.has_details)

    @classmethod
    def load(cls, path: str | Path) -> "Trace":
        """Read a trace that :meth:`save` wrote.

        Raises:
            FileFormatError: If the file is no trace.
        """
        from transformer_core.tracing.files import load_trace

        return load_trace(Path(path))

    @classmethod
    def from_patterns(
        cls,
        patterns: Mapping[str, Float[Tensor, "layer head query_pos key_pos"]],
        *,
        source: Tokens,
        target: Tokens | None = None,
        name: str = "imported",
    ) -> Self:
        """A trace of attention matrices that were computed elsewhere.

        Args:
            patterns: By site; rows must sum to 1.
            source: Tokens of the keys (and, without a target, of the queries).
            target: Tokens of the queries of ``decoder`` and ``cross``.
            name: What to call it.

        Raises:
            InputError: If shapes do not fit, a weight is negative, or a row does not sum to 1.
        """
        trace = cls(
            provenance=Provenance(model_id=name, model_name=name, family="imported"),
            source=source,
            target=target,
            attention={
                site: tuple(_imported(layer) for layer in layers)
                for site, layers in patterns.items()
            },
        )
        for site, layers in patterns.items():
            _check_imported(trace, site, layers)
        return trace

    def _repr_html_(self) -> str:
        from transformer_core.figures.notebook import trace_html

        return trace_html(self)

    def _at(self, by_site: Mapping[str, T], site: str) -> T:
        if site not in by_site:
            raise NotInTraceError(
                f"{self.model_name} has no attention site {site!r}; it has {', '.join(self.sites)}."
            )
        return by_site[site]

    def _layer(self, layers: tuple[T, ...], layer: int) -> T:
        if not 0 <= layer < len(layers):
            raise NotInTraceError(
                f"There is no layer {layer}; layers run from 0 to {len(layers) - 1}."
            )
        return layers[layer]


def _imported(patterns: Tensor) -> AttentionRecord:
    heads, n_query, n_key = patterns.shape
    return AttentionRecord(
        q=torch.empty(heads, n_query, 0),
        k=torch.empty(heads, n_key, 0),
        scaling=1.0,
        overrides=dict(enumerate(patterns.float())),
    )


def _check_imported(trace: Trace, site: str, layers: Tensor) -> None:
    wanted = (len(trace.query_tokens(site)), len(trace.key_tokens(site)))
    if tuple(layers.shape[2:]) != wanted:
        raise InputError(
            f"The matrix at {site!r} is {layers.shape[2]} × {layers.shape[3]}, but there are "
            f"{wanted[0]} query tokens and {wanted[1]} key tokens."
        )
    wrong = ~torch.isfinite(layers) | (layers < 0)
    if bool(wrong.any()):
        layer, head, query, key = (int(i) for i in wrong.nonzero()[0])
        raise InputError(
            f"Weights must be numbers from 0 to 1; L{layer} H{head} at {site!r} has "
            f"{float(layers[layer, head, query, key])} in row {query}, column {key}."
        )
    sums = layers.sum(-1)
    off = (sums - 1).abs()
    if bool((off > 1e-2).any()):
        layer, head, query = (int(i) for i in (off > 1e-2).nonzero()[0])
        raise InputError(
            "Rows must sum to 1, as attention weights do; "
            f"row {query} of L{layer} H{head} at {site!r} sums to "
            f"{float(sums[layer, head, query]):.4g}. Scores before softmax, or a row of padding?"
        )
