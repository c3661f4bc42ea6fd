"""From the capture of a padded batch to one trace an input."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.interventions import (
    Intervention,
    check_interventions,
    of_item,
)
from transformer_core.tracing.records import AttentionRecord, Details
from transformer_core.tracing.seat import Seat
from transformer_core.tracing.trace import Provenance, Trace

Run = Callable[[bool], tuple[Seat, Tensor | None]]


@dataclass(frozen=True)
class Padded:
    """Token ids as a rectangle, and which of it is real."""

    ids: Int[Tensor, "batch pos"]
    mask: Bool[Tensor, "batch pos"]

    @classmethod
    def of(cls, rows: list[list[int]], *, pad: int) -> "Padded":
        """Pad rows to the longest, at the end: learned positions then count from 0 in every row."""
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), pad)
        mask = torch.zeros(len(rows), longest, dtype=torch.bool)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = True
        return cls(ids, mask)

    @classmethod
    def full(cls, n_rows: int, n_columns: int) -> "Padded":
        """A rectangle without padding (and without ids: patches of images)."""
        return cls(
            torch.zeros(n_rows, n_columns, dtype=torch.long),
            torch.ones(n_rows, n_columns, dtype=torch.bool),
        )

    @property
    def is_ragged(self) -> bool:
        """Whether some row is shorter than another."""
        return not bool(self.mask.all())

    def span(self, item: int) -> slice:
        """Where an item's real positions stand."""
        real = self.mask[item].nonzero().flatten()
        return slice(int(real[0]), int(real[-1]) + 1)


def assemble(
    run: Run,
    tokens: list[tuple[Tokens, Tokens | None]],
    padding: tuple[Padded, Padded | None],
    provenance: Provenance,
    interventions: tuple[Intervention, ...],
) -> list[Trace]:
    """Run a batch and cut it into traces; the first asked for its details runs it again for all."""
    capture, logits = run(False)
    sites = capture.layout.sites
    check_interventions(
        interventions,
        capture.records.keys(),
        n_items=len(tokens),
        is_padded=any(p is not None and p.is_ragged for p in padding),
    )
    fuller = _Once(run)
    next_logits = None
    if logits is not None and logits.dim() == 3 and _is_last_only(logits, padding):
        next_logits = logits[:, -1] if logits.shape[1] else None
        logits = None
    traces = []
    for item, (source, target) in enumerate(tokens):
        spans = _Spans(
            padding[0].span(item), padding[1].span(item) if padding[1] is not None else None
        )
        traces.append(
            Trace(
                provenance=provenance,
                source=source,
                target=target,
                attention={site: _records(capture, site, item, spans) for site in sites},
                recompute=_Details(fuller, item, spans, is_alone=len(tokens) == 1),
                kept_logits=_logits(logits, item, spans),
                kept_next=None
                if next_logits is None or spans.source.stop < padding[0].mask.shape[1]
                else next_logits[item],
                kept_resid=_streams(capture, item, spans) if capture.keeps_resid else None,
                interventions=of_item(interventions, item),
            )
        )
    return traces


@dataclass(frozen=True)
class Batch:
    """A light pass over several inputs that have nothing to do with each other.

    Attributes:
        run: Makes the pass.
        alone: Makes the pass of one of the inputs, without the others.
        logits_at: Positions that the logits are of; None: all.
    """

    run: Run
    alone: Callable[[int], Run]
    logits_at: tuple[int, ...] | None = None


def assemble_apart(
    batch: Batch,
    tokens: list[tuple[Tokens, Tokens | None]],
    padding: tuple[Padded, Padded | None],
    provenance: Provenance,
    *,
    detailed: bool = False,
) -> list[Trace]:
    """Run a batch and cut it into traces that share nothing: neither memory nor a fuller pass.

    Each trace is what a pass over its input alone would have made of it. Whoever asks one for its
    details runs the model on that input only, unless this very pass is to note them.
    """
    capture, logits = batch.run(detailed)
    traces = []
    for item, (source, target) in enumerate(tokens):
        spans = _Spans(
            padding[0].span(item), padding[1].span(item) if padding[1] is not None else None
        )
        kept, following = None, None
        if batch.logits_at is None:
            kept = _own(_logits(logits, item, spans))
        elif logits is not None:
            following = _own(logits[item, batch.logits_at.index(spans.source.stop - 1)])
        records = {
            site: _apart(_records(capture, site, item, spans)) for site in capture.layout.sites
        }
        fuller = _Details(_Once(batch.alone(item)), 0, spans, is_alone=True)
        if detailed:
            fuller = replace(fuller, known=_known(capture, records, item, spans, kept))
        trace = Trace(
            provenance=provenance,
            source=source,
            target=target,
            attention=_light(records) if detailed else records,
            recompute=fuller,
            kept_logits=kept,
            kept_next=following,
        )
        if detailed:
            vars(trace)["details"] = fuller.known  # where its cached property keeps it
        traces.append(trace)
    return traces


def _light(
    records: Mapping[str, tuple[AttentionRecord, ...]],
) -> dict[str, tuple[AttentionRecord, ...]]:
    """Records without what the details hold."""
    return {site: tuple(record.light() for record in layers) for site, layers in records.items()}


def _known(
    capture: Seat,
    records: Mapping[str, tuple[AttentionRecord, ...]],
    item: int,
    spans: "_Spans",
    logits: Tensor | None,
) -> Details:
    """What a detailed pass over a batch noted of one item, in memory of its own."""

    def streams(noted: dict[tuple[str, int], Tensor], site: str) -> tuple[Tensor, ...]:
        span = spans.queries(site)
        return tuple(t[item][span].clone() for t in _in_order(noted, site))

    sites = capture.layout.sites
    stacks = [site for site in sites if site != "cross"]
    return Details(
        attention=records,
        resid={s: streams(capture.resid, s) for s in stacks},
        ff={s: streams(capture.ff, s) for s in stacks},
        out_proj={s: _in_order(capture.out_proj, s) for s in sites},
        logits=logits,
    )


def _own(tensor: Tensor | None) -> Tensor | None:
    """A tensor that keeps nothing else alive."""
    if tensor is None or tensor.untyped_storage().nbytes() <= tensor.nbytes:
        return tensor
    return tensor.clone()


def _apart(records: tuple[AttentionRecord, ...]) -> tuple[AttentionRecord, ...]:
    """Records that keep nothing of their batch alive; what layers share stays shared."""
    copies: dict[tuple[int, ...], Tensor | None] = {}
    masks: dict[tuple[int, ...], tuple[Tensor | None, bool]] = {}

    def shared(tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        return copies.setdefault((tensor.data_ptr(), *tensor.shape), _own(tensor))

    apart = []
    for record in records:
        mask, is_causal = record.mask, record.is_causal
        if mask is not None:
            key = (mask.data_ptr(), *mask.shape)
            if key not in masks:
                masks[key] = _in_short(mask, is_causal=is_causal)
            mask, is_causal = masks[key]
        apart.append(
            replace(
                record,
                mask=shared(mask),
                bias=shared(record.bias),
                is_causal=is_causal,
                v=_own(record.v),
                z=_own(record.z),
            )
        )
    return tuple(apart)


def _in_short(mask: Tensor, *, is_causal: bool) -> tuple[Tensor | None, bool]:
    """A mask without what it says of padding: none at all, or causality alone, where it is that."""
    if bool(mask.all()):
        return None, is_causal
    if mask.shape[-2] == mask.shape[-1] and torch.equal(mask, torch.ones_like(mask).tril()):
        return None, True
    return mask, is_causal


def _is_last_only(logits: Tensor, padding: tuple[Padded, Padded | None]) -> bool:
    """Where logits are large, a light pass of a decoder computes them at the last position only."""
    return padding[1] is None and logits.shape[1] < padding[0].mask.shape[1]


@dataclass
class _Once:
    """The fuller forward pass of a batch, made when its first trace asks, for all of its traces.

    Their details are views of the same tensors, so keeping the result costs nothing more.
    """

    run: Run
    _result: tuple[Seat, Tensor | None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> tuple[Seat, Tensor | None]:
        with self._lock:
            if self._result is None:
                self._result = self.run(True)
            return self._result


@dataclass(frozen=True)
class _Spans:
    """Real positions of one item on the source's and the target's side."""

    source: slice
    target: slice | None

    def queries(self, site: str) -> slice:
        return self.source if self.target is None or site == "encoder" else self.target

    def keys(self, site: str) -> slice:
        return self.target if self.target is not None and site == "decoder" else self.source


@dataclass(frozen=True)
class _Details:
    """Runs the fuller forward pass for one item of a batch."""

    fuller: _Once
    item: int
    spans: _Spans
    is_alone: bool = False
    known: Details | None = None

    def again(self) -> Tensor | None:
        """Make another fuller pass, for whoever watches the model meanwhile; return its logits."""
        _, logits = self.fuller.run(True)
        return _logits(logits, self.item, self.spans)

    def __call__(self) -> Details:
        if self.known is not None:
            return self.known
        capture, logits = self.fuller()
        sites = capture.layout.sites
        stacks = [site for site in sites if site != "cross"]
        return Details(
            attention={s: _records(capture, s, self.item, self.spans) for s in sites},
            resid={s: self._stream(capture.resid, s) for s in stacks},
            ff={s: self._stream(capture.ff, s) for s in stacks},
            out_proj={s: _in_order(capture.out_proj, s) for s in sites},
            logits=_logits(logits, self.item, self.spans),
        )

    def _stream(self, noted: dict[tuple[str, int], Tensor], site: str) -> tuple[Tensor, ...]:
        span = self.spans.queries(site)
        return tuple(t[self.item][span] for t in _in_order(noted, site))


def _streams(capture: Seat, item: int, spans: _Spans) -> dict[str, tuple[Tensor, ...]]:
    """The residual stream of one item by site, in memory of its own."""
    stacks = [site for site in capture.layout.sites if site != "cross"]
    return {
        site: tuple(_own(t[item][spans.queries(site)]) for t in _in_order(capture.resid, site))  # type: ignore[misc]
        for site in stacks
    }


def _in_order(noted: dict[tuple[str, int], Tensor], site: str) -> tuple[Tensor, ...]:
    layers = sorted(layer for at, layer in noted if at == site)
    return tuple(noted[site, layer] for layer in layers)


def _logits(logits: Tensor | None, item: int, spans: _Spans) -> Tensor | None:
    if logits is None:
        return None
    one = logits[item]
    if one.dim() < 2 or one.shape[0] == 1:
        return one  # a classifier's, without positions
    span = spans.source if spans.target is None else spans.target
    return one[span]


def _records(capture: Seat, site: str, item: int, spans: _Spans) -> tuple[AttentionRecord, ...]:
    layers = sorted(layer for at, layer in capture.records if at == site)
    rows, columns = spans.queries(site), spans.keys(site)
    cuts: dict[tuple[int, int], Tensor] = {}
    return tuple(_cut(capture.records[site, layer][item], rows, columns, cuts) for layer in layers)


def _cut(
    record: AttentionRecord, rows: slice, columns: slice, cuts: dict[tuple[int, int], Tensor]
) -> AttentionRecord:
    """Leave the padding out. Masks that layers share stay shared, or the trace would grow by n²."""
    if _is_all(rows, record.n_query) and _is_all(columns, record.n_key):
        return record

    def square(tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        key = (tensor.data_ptr(), tensor.shape[-1])
        if key not in cuts:
            cuts[key] = tensor[:, rows, columns].clone()
        return cuts[key]

    mask = square(record.mask)
    return replace(
        record,
        q=record.q[:, rows].clone(),
        k=record.k[:, columns].clone(),
        mask=None if mask is None or bool(mask.all()) else mask,
        bias=square(record.bias),
        v=None if record.v is None else record.v[:, columns].clone(),
        z=None if record.z is None else record.z[:, rows].clone(),
        overrides={h: p[rows, columns] for h, p in record.overrides.items()},
    )


def _is_all(span: slice, n: int) -> bool:
    return (span.start, span.stop) == (0, n)
