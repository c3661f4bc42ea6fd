"""Variants beside the plain model: quality, time and size, measured here and now, turn about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from transformer_core.efficiency.evaluation import EvaluationSet
from transformer_core.efficiency.forward import logits_of, pair_batch, seated, text_batch
from transformer_core.efficiency.quality import GoOn, Kind, Quality, embeddings, kind_of, measure
from transformer_core.efficiency.timing import Spread, n_threads, ratios, take_turns
from transformer_core.efficiency.variants import Variant

N_TIMED = 16
"""Sentences of a timed round: they are read, or translated, together."""
_GAIN = 0.95
"""What takes more than this share of the plain model's time counts as no gain."""


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        name: What it is called.
        quality: How good it is.
        seconds: One round of work.
        time_ratio: Its time a token ÷ the plain model's, round by round.
        tokens_per_second: Tokens written (a translator) or read (others).
        size_bytes: Its weights in memory.
        facts: What was done.
    """

    name: str
    quality: Quality
    seconds: Spread
    time_ratio: Spread
    tokens_per_second: float
    size_bytes: int
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """The plain model and its variants; the plain one first.

    Attributes:
        method: What was compared.
        model_id: Whose variants they are.
        texts: What quality was measured on.
        work: What was timed.
        rows: The variants.
        threads: Threads that torch computed with.
    """

    method: str
    model_id: str
    texts: str
    work: str
    rows: tuple[Row, ...]
    threads: int

    @property
    def plain(self) -> Row:
        """The untouched model."""
        return self.rows[0]

    def speed(self, row: Row) -> float:
        """Tokens a second, the plain model's at 1."""
        return row.tokens_per_second / self.plain.tokens_per_second

    def size(self, row: Row) -> float:
        """Size, the plain model's at 1."""
        return row.size_bytes / self.plain.size_bytes

    def quality(self, row: Row) -> float:
        """Quality, the plain model's at 1; more is better."""
        return row.quality.relative_to(self.plain.quality)

    def remark(self, row: Row) -> str:
        """One honest sentence about a variant: what is gained, and what is not."""
        gains = []
        if row.time_ratio.high < 1 and row.time_ratio.median < _GAIN:
            gains.append(f"{1 / row.time_ratio.median:.2f} × as fast")
        if self.size(row) < _GAIN:
            gains.append(f"{self.size(row):.0%} of the size")
        if (cache := cache_share(row)) < _GAIN:
            gains.append(f"{cache:.0%} of the cache")
        lost = self.plain.quality.value - row.quality.value
        kind = row.quality.kind
        worse = lost if row.quality.higher_is_better else -lost
        change = f"{kind} {row.quality.value:.4g} instead of {self.plain.quality.value:.4g}"
        cost = change if abs(worse) > 1e-9 else f"{kind} unchanged"
        if not gains:
            return f"Nothing is gained here: not faster, not smaller; {cost}."
        not_faster = "" if row.time_ratio.median < _GAIN else ", not faster here"
        return f"{' and '.join(gains)}{not_faster}; {cost}."

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with everything relative to the plain model."""
        return {
            "method": self.method,
            "model": self.model_id,
            "texts": self.texts,
            "work": self.work,
            "threads": self.threads,
            "rows": [
                {
                    **row.to_dict(),
                    "relative": {
                        "quality": self.quality(row),
                        "time": row.time_ratio.to_dict(),
                        "tokens_per_second": self.speed(row),
                        "size": self.size(row),
                    },
                    "remark": "" if row is self.plain else self.remark(row),
                }
                for row in self.rows
            ],
        }


def cache_share(row: Row) -> float:
    """A variant's key-value cache, the plain model's at 1."""
    if "plain_cache_bytes" not in row.facts:
        return 1.0
    return float(row.facts["cache_bytes"] / row.facts["plain_cache_bytes"])


def compare(
    method: str,
    variants: Sequence[Variant],
    on: EvaluationSet,
    *,
    rounds: int = 5,
    go_on: GoOn = lambda: None,
) -> Comparison:
    """Measure variants of one model; the first is the plain one.

    Args:
        method: What is compared.
        variants: The variants.
        on: The texts.
        rounds: How often each is timed.
        go_on: Called between parts; raises to end it.
    """
    first = variants[0]
    kind = kind_of(first.model)
    with torch.inference_mode():
        reference = embeddings(first, on, go_on) if kind == "similarity" else None
    quality = [measure(v, on, reference=reference, go_on=go_on) for v in variants]
    writes = _writes(variants)
    works = {str(i): _work(variant, on, writes=writes) for i, variant in enumerate(variants)}
    tokens = {name: work() for name, work in works.items()}
    seconds = take_turns(works, rounds=rounds, go_on=go_on)
    # A token: a variant may write more or fewer of them.
    a_token = {name: [s / tokens[name] for s in each] for name, each in seconds.items()}
    rows = [
        Row(
            name=variant.name,
            quality=quality[i],
            seconds=(spread := Spread.of(seconds[str(i)])),
            time_ratio=ratios(a_token[str(i)], a_token["0"]),
            tokens_per_second=tokens[str(i)] / spread.median,
            size_bytes=variant.size_bytes,
            facts=variant.facts,
        )
        for i, variant in enumerate(variants)
    ]
    return Comparison(
        method, first.model.card.id, on.name, _what(kind, writes), tuple(rows), n_threads()
    )


def n_parts(model: Any, n_variants: int, *, rounds: int = 5) -> int:
    """How often :func:`compare` calls ``go_on`` on the shipped set, about: how far it is."""
    each = {"BLEU": 2, "similarity": 2, "perplexity": 6}[kind_of(model)]
    return n_variants * (each + rounds + 1) + 2


def _writes(variants: Sequence[Variant]) -> bool:
    """Whether writing is timed: by translators that need no seat to be what they are."""
    is_translator = kind_of(variants[0].model) == "BLEU"
    return is_translator and not any(variant.interventions for variant in variants)


def _what(kind: Kind, writes: bool) -> str:
    if writes:
        return f"{N_TIMED} sentences written greedily, as one batch"
    if kind == "BLEU":
        return f"{N_TIMED} sentences read together with their references"
    return "texts read" + (", as one batch" if kind == "similarity" else ", one after the other")


def _work(variant: Variant, on: EvaluationSet, *, writes: bool) -> Callable[[], int]:
    """One round of work; it returns the number of tokens."""
    model, kind = variant.model, kind_of(variant.model)
    if writes:
        from transformer_core.decoding.strategies import Greedy

        ids = [model.tokenizer.encode(r.source).ids for r in on.pairs[:N_TIMED]]
        limit = 2 * max(map(len, ids)) + 10

        def write() -> int:
            found = model.write(ids, Greedy(max_new_tokens=limit))
            return sum(one.n_tokens for one in found)

        return write
    if model.is_encoder_decoder:
        pairs = on.pairs[:N_TIMED]
        batches = [pair_batch(model, [r.source for r in pairs], [r.targets[0] for r in pairs])]
    elif kind == "similarity":
        batches = [text_batch(model, [r.source for r in on.pairs[:N_TIMED]])]
    else:
        batches = [text_batch(model, [passage]) for passage in on.passages[:2]]

    @torch.inference_mode()
    def read() -> int:
        for batch in batches:
            if kind == "similarity":
                with seated(model, variant.interventions):
                    _encode(model, batch)
            else:
                logits_of(model, batch, variant.interventions)
        return sum(int(batch.source.mask.sum()) for batch in batches)

    return read


def _encode(model: Any, batch: Any) -> None:
    from transformer_core.tracing.scratch import ScratchModel

    if isinstance(model, ScratchModel):
        model.module.encode(batch.source.ids, batch.source.mask)
    else:
        model.module(input_ids=batch.source.ids, attention_mask=batch.source.mask)
