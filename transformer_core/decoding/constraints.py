"""What must and must not be written at a step: a model's constraints and the text so far."""

from __future__ import annotations

from collections.abc import Sequence

from transformer_core.decoding.filters import Bans, Cut
from transformer_core.tracing.stepping import Constraints


def bans_at(
    constraints: Constraints, ids: Sequence[int], *, n_prompt: int, limit: int
) -> Bans | None:
    """What a model's constraints mean for the next token; None: nothing.

    Args:
        constraints: The model's.
        ids: What its decoder has read: prompt, then the text so far.
        n_prompt: How many of them are the prompt.
        limit: Tokens that may be written in all.
    """
    n_written = len(ids) - n_prompt
    if constraints.forced_last and n_written == limit - 1:
        return Bans(only=constraints.forced_last)
    if constraints.forced_first is not None and len(ids) == 1:
        return Bans(only=(constraints.forced_first,))
    cut: dict[Cut, list[int]] = {}
    if banned := _banned(constraints, ids, n_prompt):
        cut[Cut.BANNED] = banned
    if constraints.no_repeat_ngram:
        cut[Cut.REPEATED] = _repeats(ids, constraints.no_repeat_ngram)
    if n_written < constraints.min_new_tokens:
        cut[Cut.TOO_SHORT] = sorted(constraints.end_ids)
    return Bans(cut) if cut else None


def _banned(constraints: Constraints, ids: Sequence[int], n_prompt: int) -> list[int]:
    """Last tokens of banned runs whose beginning has just been written."""
    banned = [
        run[-1]
        for run in constraints.banned
        if len(run) == 1 or (len(run) <= len(ids) + 1 and _ends_with(ids, run[:-1]))
    ]
    # Where the very first token is fixed, what may not come first may not come second.
    is_fixed = constraints.forced_first is not None and n_prompt == 1
    if len(ids) - n_prompt == int(is_fixed):
        banned += constraints.banned_first
    return banned


def _ends_with(ids: Sequence[int], run: Sequence[int]) -> bool:
    return tuple(ids[len(ids) - len(run) :]) == tuple(run)


def _repeats(ids: Sequence[int], n: int) -> list[int]:
    """Tokens that would complete a run of n tokens that stands in the text already."""
    if len(ids) + 1 < n:
        return []
    begun = tuple(ids[len(ids) - n + 1 :])
    starts = range(len(ids) - n + 1)
    return [ids[i + n - 1] for i in starts if tuple(ids[i : i + n - 1]) == begun]
