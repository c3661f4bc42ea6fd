"""One head's pattern as somebody reads it: any rows of it, computed when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from transformer_core.errors import InputError
from transformer_core.figures.picture import TokenStrip
from transformer_core.figures.readings import ROWS_AT_ONCE, Place, Reading

if TYPE_CHECKING:
    from torch import Tensor

    from transformer_core.tokenization.tokens import Tokens
    from transformer_core.tracing.records import AttentionRecord
    from transformer_core.tracing.trace import Trace

MERGED_NOTE = "Sub-words merged: weights summed over keys, averaged over queries."
SINK_SHARE = 0.4
"""From this mean weight on, the first key is called a sink."""


@dataclass(frozen=True)
class _Axis:
    """Groups of positions along one axis, a token or a word each, and which are shown."""

    strip: TokenStrip
    groups: tuple[tuple[int, ...], ...]
    kept: tuple[int, ...]

    @classmethod
    def of(cls, tokens: Tokens, reading: Reading, *, is_key: bool) -> _Axis:
        if reading.words:
            groups = tuple(word.positions for word in tokens.words)
            special = tuple(word.is_special for word in tokens.words)
            strip = TokenStrip(tuple(word.text for word in tokens.words), special)
        else:
            groups = tuple((i,) for i in range(len(tokens)))
            special = tokens.is_special
            strip = TokenStrip.of(tokens)
        first_kept = 1 if is_key and reading.hide_sink else 0
        kept = tuple(
            i for i in range(first_kept, len(groups)) if not (reading.hide_special and special[i])
        )
        return cls(strip, groups, kept)

    @property
    def shown(self) -> TokenStrip:
        """Labels of what is shown."""
        return self.strip if len(self.kept) == len(self.strip) else self.strip.at(self.kept)


@dataclass(frozen=True)
class HeadReader:
    """Reads one head of a trace; memory is O(rows asked for · keys).

    Attributes:
        trace: What was computed.
        place: Site, layer and head.
        reading: What is merged and what is hidden.
    """

    trace: Trace
    place: Place
    reading: Reading = Reading()  # noqa: RUF009

    @cached_property
    def record(self) -> AttentionRecord:
        """Queries and keys of the layer."""
        return self.trace.light(self.place.site, self.place.layer)

    @cached_property
    def _queries(self) -> _Axis:
        return _Axis.of(self.trace.query_tokens(self.place.site), self.reading, is_key=False)

    @cached_property
    def _keys(self) -> _Axis:
        return _Axis.of(self.trace.key_tokens(self.place.site), self.reading, is_key=True)

    @property
    def queries(self) -> TokenStrip:
        """Labels of the rows shown."""
        return self._queries.shown

    @property
    def keys(self) -> TokenStrip:
        """Labels of the columns shown."""
        return self._keys.shown

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns shown.

        Raises:
            InputError: If nothing is left to show.
        """
        if not self._queries.kept or not self._keys.kept:
            raise InputError(
                "Nothing is left to show with these tokens hidden: show them or type more."
            )
        return len(self._queries.kept), len(self._keys.kept)

    def rows(self, start: int = 0, end: int | None = None) -> Tensor:
        """Weights of the rows shown from ``start`` to ``end``, ``[rows keys]``, renormalised."""
        kept = self._read(start, end)[0]
        if len(self._keys.kept) == len(self._keys.groups):
            return kept
        total = kept.sum(dim=-1, keepdim=True)
        return (kept / total.clamp_min(1e-30)).where(total > 0, 0.0)

    def visible(self, start: int = 0, end: int | None = None) -> Tensor | None:
        """Where the rows shown may look, ``[rows keys]``; None where all look everywhere."""
        return self._read(start, end)[1]

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Rows to compute at a time: first and end."""
        n = self.shape[0]
        for start in range(0, n, ROWS_AT_ONCE):
            yield start, min(n, start + ROWS_AT_ONCE)

    def notes(self) -> tuple[str, ...]:
        """Say what is merged, hidden and renormalised, and whether the first key is a sink."""
        merged = (MERGED_NOTE,) if self.reading.words else ()
        return (*merged, *self._hidden_note(), *self._sink_note())

    def _read(self, start: int, end: int | None) -> tuple[Tensor, Tensor | None]:
        """Weights, not renormalised, and visibility of rows shown."""
        from transformer_core.analysis.words import merged

        rows = self._queries.kept[start:end]
        groups = self._queries.groups[rows[0] : rows[-1] + 1]
        span = slice(groups[0][0], groups[-1][-1] + 1)
        weights = self.record.pattern(self.place.head, span)
        visible = self.record.visible(self.place.head, span)
        if self.reading.words:
            here = [[position - span.start for position in group] for group in groups]
            weights = merged(weights, here, self._keys.groups)
            if visible is not None:
                visible = merged(visible.float(), here, self._keys.groups) > 0
        if len(rows) < len(groups):
            inside = [row - rows[0] for row in rows]
            weights, visible = weights[inside], None if visible is None else visible[inside]
        return self._shown(weights), None if visible is None else self._shown(visible)

    def _shown(self, cells: Tensor) -> Tensor:
        """Columns that are shown; a slice where they are one run, as a copy of all takes long."""
        kept = self._keys.kept
        if kept[-1] - kept[0] + 1 == len(kept):
            return cells[:, kept[0] : kept[-1] + 1]
        return cells[:, list(kept)]

    def _hidden_note(self) -> tuple[str, ...]:
        if len(self._keys.kept) == len(self._keys.groups):
            return ()
        kept = [self._read(start, end)[0].sum(dim=-1) for start, end in self.chunks()]
        hidden = 1 - sum(float(part.sum()) for part in kept) / self.shape[0]
        first = f"the first key, {self._keys.strip.display[0]},"
        what = "special tokens" if self.reading.hide_special else ""
        if self.reading.hide_sink and not (what and self._keys.strip.is_special[0]):
            what = f"{what} and {first}" if what else first
        emptied = sum(int((part <= 0).sum()) for part in kept)
        rest = f" {emptied} row{'s'[: emptied > 1]} read nothing else." if emptied else ""
        what = what[0].upper() + what[1:]
        return (f"{what} hidden ({hidden:.0%} of the weight on average); rows renormalised.{rest}",)

    def _sink_note(self) -> tuple[str, ...]:
        """Explain the first key where the other rows rest on it, more than an even spread would."""
        if self._keys.kept[:1] != (0,) or min(self.shape) < 3:
            return ()
        n, weight, chance = self.shape[0] - 1, 0.0, 0.0
        for start, end in self.chunks():
            first = max(start, 1)
            weight += float(self.rows(first, end)[:, 0].sum())
            visible = self.visible(first, end)
            chance += (end - first) / self.shape[1] if visible is None else _chance(visible)
        if weight < SINK_SHARE * n or weight < 2 * chance:
            return ()
        return (
            f"{weight / n:.0%} of the weight rests on the first key, "
            f"{self._keys.strip.display[0]}: an attention sink, where a head rests when it finds "
            "nothing to read (Xiao et al. 2023).",
        )


def _chance(visible: Tensor) -> float:
    """Weight that the first key would get, over all rows, if each spread evenly."""
    return float((visible[:, 0] / visible.sum(dim=-1).clamp_min(1)).sum())
