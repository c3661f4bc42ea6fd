"""Traces without a model: random queries, keys and values, for what draws them."""

from dataclasses import replace

import torch

from transformer_core.tokenization.tokens import Tokens
from transformer_core.tracing.records import AttentionRecord, Details
from transformer_core.tracing.trace import Provenance, Trace


def tokens_of(labels: list[str], *, special: tuple[int, ...] = ()) -> Tokens:
    """A text of one token a word; ``##x`` continues the word before it."""
    words, at = [], -1
    for i, label in enumerate(labels):
        at += not label.startswith("##")
        words.append(None if i in special else at)
    return Tokens(
        text=" ".join(labels).replace(" ##", ""),
        ids=tuple(range(len(labels))),
        display=tuple(label.removeprefix("##") for label in labels),
        is_special=tuple(i in special for i in range(len(labels))),
        spans=(None,) * len(labels),
        word_ids=tuple(words),
    )


def random_record(
    n_query: int, n_key: int | None = None, *, seed: int = 0, **changes: object
) -> AttentionRecord:
    """One layer of two heads, four wide, with values and the output that follows from them."""
    generator = torch.Generator().manual_seed(seed)
    n_key = n_query if n_key is None else n_key

    def normal(length: int) -> torch.Tensor:
        return torch.randn(2, length, 4, generator=generator)

    record = AttentionRecord(
        q=normal(n_query), k=normal(n_key), scaling=0.5, v=normal(n_key), **changes
    )
    return replace(record, z=record.pattern() @ record.v)


def trace_of(
    record: AttentionRecord,
    source: Tokens | None = None,
    target: Tokens | None = None,
    *,
    site: str = "encoder",
) -> Trace:
    """A trace of one layer at one site."""
    source = source or tokens_of([f"t{i}" for i in range(record.n_key)])
    details = Details(attention={site: (record,)}, resid={}, ff={})
    return Trace(
        provenance=Provenance("random", "random", revision="0123456789abcdef"),
        source=source,
        target=target,
        attention={site: (record.light(),)},
        recompute=lambda: details,
    )
