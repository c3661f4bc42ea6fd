"""The numbers of decoding steps as they travel: scores of the vocabulary, attention, the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transformer_core.errors import NotInTraceError
from transformer_core.figures.wire import EncodedArray, quantise, raw

if TYPE_CHECKING:
    from transformer_core.decoding.steps import DecodingStep

MAX_WHOLE = 600_000
"""Up to so many scores (steps × vocabulary) all of them travel."""

MAX_WEIGHTS = 2_000_000
"""Up to so many attention weights those of every head travel; beyond, the heads' means."""

N_NAMED = 64
"""So many of the best tokens of each step travel exactly and by name."""

N_SENT = 1000
"""So many do where the whole vocabulary does not travel."""

N_BUCKETS = 256
"""Into so many groups of like tokens the rest is gathered then."""

_LOWEST = -60_000.0


def is_whole(steps: Sequence[DecodingStep]) -> bool:
    """Whether every score of every step travels."""
    return len(steps) * len(steps[0].logits) <= MAX_WHOLE


def score_arrays(steps: Sequence[DecodingStep]) -> dict[str, EncodedArray]:
    """Scores of each step: the best exactly, the rest in half precision or gathered.

    Arrays: ``best_ids`` and ``best`` ``[step rank]`` (ids padded by −1), ``peak`` ``[step]``; then
    ``offsets`` ``[step vocab]``, scores minus the peak, or ``buckets`` and ``bucket_sizes``
    ``[step bucket]``: the logarithm of the mean weight of tokens that stand side by side in order
    of their scores, and how many they are.
    """
    scores = [_scores(step) for step in steps]
    peaks = raw([row.max() for row in scores])
    if is_whole(steps):
        best = [_best(row, N_NAMED) for row in scores]
        offsets = np.stack([np.maximum(row - row.max(), _LOWEST) for row in scores])
        return {**_exact(scores, best), "peak": peaks, "offsets": raw(offsets, "float16")}
    best = [
        np.union1d(_best(row, N_SENT), _special_ids(step))
        for row, step in zip(scores, steps, strict=True)
    ]
    gathered = [_buckets(row, ids) for row, ids in zip(scores, best, strict=True)]
    return {
        **_exact(scores, best),
        "peak": peaks,
        "buckets": raw(np.stack([values for values, _ in gathered])),
        "bucket_sizes": raw(np.stack([sizes for _, sizes in gathered]), "int32"),
    }


def attention_arrays(
    steps: Sequence[DecodingStep],
) -> tuple[dict[str, EncodedArray], dict[str, Any], float]:
    """Rows of every step, layer and head by site: ``attention_<site>`` ``[step layer head key]``.

    Returns:
        The arrays; by site whether heads were averaged (``isMean``), layers and heads; and how far
        a row's sum is from 1 at most.
    """
    arrays: dict[str, EncodedArray] = {}
    facts: dict[str, Any] = {}
    off = 0.0
    for site in steps[-1].sites:
        n_keys, n_layers = len(steps[-1].key_tokens(site).display), steps[-1].n_layers(site)
        n_heads = steps[-1].record(site, layer=0).q.shape[0]
        is_mean = len(steps) * n_layers * n_heads * n_keys > MAX_WEIGHTS
        shape = (len(steps), n_layers, 1 if is_mean else n_heads, n_keys)
        weights = np.zeros(shape, dtype=np.float32)
        seen = np.zeros(shape, dtype=bool)
        for step in steps:
            for layer in range(n_layers):
                pattern = step.pattern(site, layer=layer).numpy()
                off = max(off, float(np.abs(pattern.sum(axis=-1) - 1).max()))
                rows = pattern.mean(axis=0, keepdims=True) if is_mean else pattern
                weights[step.index - steps[0].index, layer, :, : rows.shape[1]] = rows
                seen[step.index - steps[0].index, layer, :, : rows.shape[1]] = True
        arrays[f"attention_{site}"] = quantise(weights, allowed=seen, fine=False)
        facts[site] = {"layers": n_layers, "heads": n_heads, "isMean": is_mean}
    return arrays, facts, off


def cache_facts(steps: Sequence[DecodingStep]) -> dict[str, Any]:
    """What the cache spares: its keys and values need no second projection.

    A projection of one position takes d_model · d_kv multiplications, twice (keys and values) in
    each layer. What else earlier positions would cost again is left out: it is a lower bound.
    """
    last = steps[-1]
    record = last.record("decoder", layer=0)
    d_kv = record.k.shape[0] * record.k.shape[2]
    d_model = d_model_of(last)
    is_cross = "cross" in last.sites
    return {
        "perPosition": 2 * last.n_layers("decoder") * d_model * d_kv,
        "nSource": len(last.key_tokens("cross").display) if is_cross else 0,
        "formula": (
            f"2 · {last.n_layers('decoder')} layers · d_model {d_model} · d_kv {d_kv} "
            "multiplications a position"
        ),
    }


def d_model_of(step: DecodingStep) -> int:
    """Width of the residual stream.

    Raises:
        NotInTraceError: If the text was written without recording.
    """
    if step.answer.history is None:
        raise NotInTraceError("This text was written without recording its steps.")
    return int(step.answer.history.resid().shape[-1])


def _scores(step: DecodingStep) -> NDArray[np.float32]:
    scores = step.logits.log_softmax(dim=-1) if step.answer.is_log else step.logits
    return np.asarray(scores.numpy(), dtype=np.float32)


def _best(scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    n = min(n, len(scores))
    return np.asarray(np.argpartition(scores, len(scores) - n)[len(scores) - n :])


def _special_ids(step: DecodingStep) -> NDArray[np.int64]:
    """Tokens that a penalty or a ban concerns, and the one that was written."""
    bans = step.answer.bans
    ids = {step.token_id, *step.answer.stepper.prompt_ids, *step.answer.written}
    if bans is not None:
        ids.update(bans.only, *bans.cut.values())
    return np.array(sorted(i for i in ids if i < len(step.logits)), dtype=np.int64)


def _exact(
    scores: Sequence[NDArray[np.float32]], best: Sequence[NDArray[np.int64]]
) -> dict[str, EncodedArray]:
    width = max(map(len, best))
    ids = np.full((len(best), width), -1, dtype=np.int32)
    values = np.zeros((len(best), width), dtype=np.float32)
    for row, (found, of_step) in enumerate(zip(best, scores, strict=True)):
        ids[row, : len(found)] = found
        values[row, : len(found)] = of_step[found]
    return {"best_ids": raw(ids, "int32"), "best": raw(values)}


def _buckets(
    scores: NDArray[np.float32], sent: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rest = -np.sort(-np.delete(scores, sent).astype(np.float64))
    groups = np.array_split(rest, N_BUCKETS)
    means = [
        float(group.max() + np.log(np.exp(group - group.max()).mean())) if len(group) else _LOWEST
        for group in groups
    ]
    return np.maximum(means, _LOWEST), np.array([len(group) for group in groups])
