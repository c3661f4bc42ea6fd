"""Files of texts: read, worked through in order, and written again."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from transformer_core.decoding.strategies import Strategy
from transformer_core.errors import FileFormatError, InputError, StoppedError
from transformer_core.spreadsheets import TableWriter
from transformer_core.tasks.sentences import sentences
from transformer_core.tasks.summarization import Length, SummaryState, stream_summary
from transformer_core.tasks.translation import translate

MAX_BYTES = 5 * 2**20
"""Bytes of a file."""
MAX_TEXTS = 20_000
CHUNK = 64
"""Texts that are translated before progress is told, at most; the first ones are fewer."""

FIRST_CHUNK = 8
_NO_XML = {"\ufffe", "\uffff"}


@dataclass(frozen=True)
class Table:
    """What a file holds.

    Attributes:
        rows: Cells by row; of a plain text one cell a line.
        columns: Names of the columns; None for a plain text.
    """

    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...] | None = None

    def texts(self, column: str | None) -> list[str]:
        """One column, a text a row.

        Raises:
            InputError: If there is no such column.
        """
        if self.columns is None:
            return [row[0] for row in self.rows]
        if column not in self.columns:
            raise InputError(f"There is no column {column!r}; there are {', '.join(self.columns)}.")
        index = self.columns.index(column)
        return [row[index] if index < len(row) else "" for row in self.rows]

    @property
    def wordiest(self) -> int:
        """Index of the column with most words: the likeliest to hold the texts."""
        n_words = [
            sum(len(text.split()) for text in self.texts(name)) for name in self.columns or ()
        ]
        return max(range(len(n_words)), key=n_words.__getitem__, default=0)


@dataclass(frozen=True)
class Progress:
    """How far the work is.

    Attributes:
        results: What is done, in order.
        n_texts: How many there are.
        n_tokens: Tokens written.
        seconds: How long that took.
        n_cut: Results that the limit of tokens ended before the model did.
    """

    results: tuple[str, ...]
    n_texts: int
    n_tokens: int = 0
    seconds: float = 0.0
    n_cut: int = 0

    @property
    def share(self) -> float:
        """Which share is done."""
        return len(self.results) / max(self.n_texts, 1)

    @property
    def is_complete(self) -> bool:
        """Whether every text is done."""
        return len(self.results) == self.n_texts

    def _and(self, results: Sequence[str], *, tokens: int, cut: int, since: float) -> Progress:
        """The same with more done, in the time since a moment."""
        return Progress(
            (*self.results, *results),
            self.n_texts,
            self.n_tokens + tokens,
            self.seconds + time.perf_counter() - since,
            self.n_cut + cut,
        )


def read(name: str, content: bytes) -> Table:
    """Read a TXT (a text a line) or a CSV with a header.

    Raises:
        FileFormatError: If it is neither, not UTF-8, empty, or holds too many texts.
    """
    if len(content) > MAX_BYTES:
        raise FileFormatError(
            f"{name} has {len(content) / 2**20:,.1f} MiB; {MAX_BYTES // 2**20} are read at most."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{name} is no UTF-8 text: byte {error.start + 1:,} begins no character. Save it as "
            "UTF-8 (a spreadsheet: “CSV UTF-8”)."
        ) from error
    if "\x00" in text:
        raise FileFormatError(f"{name} is no text: it holds NUL characters.")
    if not text.strip():
        raise FileFormatError(f"{name} is empty.")
    table = _read_csv(text) if name.lower().endswith(".csv") else _read_lines(text)
    if not 1 <= len(table.rows) <= MAX_TEXTS:
        raise FileFormatError(
            f"{name} holds {len(table.rows):,} texts; 1 to {MAX_TEXTS:,} can be worked through."
        )
    return table


def _read_lines(text: str) -> Table:
    lines = text.removesuffix("\n").split("\n")
    return Table(tuple((line.removesuffix("\r"),) for line in lines))


def _read_csv(text: str) -> Table:
    try:
        rows = [tuple(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
    except csv.Error as error:
        raise FileFormatError(f"This is no CSV: {error}.") from error
    header, *body = rows
    if not any(name.strip() for name in header):
        raise FileFormatError("The first row of this CSV is empty; it must name the columns.")
    return Table(tuple(row for row in body if any(row)), header)


def of_text(text: str) -> Table:
    """A long text as a document, a sentence a text."""
    return Table(tuple((sentence.text,) for sentence in sentences(text)))


def translated(
    model: Any,
    texts: Sequence[str],
    should_stop: Callable[[], bool],
    strategy: Strategy | None = None,
    begun: Progress | None = None,
) -> Iterator[Progress]:
    """Translate texts in order, batch by batch; a stop is heeded between batches.

    Args:
        model: What translates.
        texts: A text a result.
        should_stop: Asked between batches.
        strategy: How tokens are chosen; None: by a beam of 4.
        begun: What was done before; the rest is gone on with.
    """
    state = begun or Progress((), len(texts))
    yield state
    while not state.is_complete and not should_stop():
        since, start = time.perf_counter(), len(state.results)
        chunk = texts[start : start + min(CHUNK, max(FIRST_CHUNK, start))]
        try:
            done = translate(model, chunk, strategy, on_progress=lambda *_: not should_stop())
        except StoppedError:
            return
        parts = [part.written for one in done for part in one.parts]
        state = state._and(
            [one.text for one in done],
            tokens=sum(len(part.ids) for part in parts),
            cut=sum(any(part.written.is_cut for part in one.parts) for one in done),
            since=since,
        )
        yield state


def summarized(
    model: Any,
    texts: Sequence[str],
    should_stop: Callable[[], bool],
    length: Length = Length(),
    begun: Progress | None = None,
) -> Iterator[Progress]:
    """Summarise texts in order, one by one; a stop is heeded between tokens.

    Args:
        model: What summarises.
        texts: A text a result.
        should_stop: Asked before each token.
        length: Tokens that each summary has.
        begun: What was done before; the rest is gone on with.
    """
    state = begun or Progress((), len(texts))
    yield state
    while not state.is_complete and not should_stop():
        since, text = time.perf_counter(), texts[len(state.results)]
        done = SummaryState((), 0)
        if text.strip():
            growing = stream_summary(
                model, text, length, should_stop=should_stop, is_recording=False
            )
            for done in growing:  # noqa: B007
                pass
            if should_stop():
                return
        is_cut = any(part.is_cut for part in done.parts)
        state = state._and([done.text], tokens=done.n_tokens, cut=int(is_cut), since=since)
        yield state


def to_txt(_: Sequence[str], results: Sequence[str]) -> str:
    """One result a line."""
    return "".join(" ".join(result.split()) + "\n" for result in results)


def to_csv(texts: Sequence[str], results: Sequence[str]) -> str:
    """Source and result side by side."""
    out = io.StringIO()
    writer = TableWriter(out)
    writer.writerow(["source", "result"])
    writer.writerows(zip(texts, results, strict=True))
    return out.getvalue()


def to_tmx(
    texts: Sequence[str], results: Sequence[str], languages: tuple[str, str] = ("en", "fr")
) -> str:
    """A translation memory (TMX 1.4b).

    Args:
        texts: Sources.
        results: Translations.
        languages: Tags of both languages (BCP 47).
    """
    source, target = languages
    units = "".join(
        f'<tu><tuv xml:lang="{source}"><seg>{_xml(text)}</seg></tuv>'
        f'<tuv xml:lang="{target}"><seg>{_xml(result)}</seg></tuv></tu>\n'
        for text, result in zip(texts, results, strict=True)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4">\n'
        '<header creationtool="Transformer Workbench" creationtoolversion="1" segtype="sentence" '
        f'o-tmf="none" adminlang="en" srclang="{source}" datatype="plaintext"/>\n'
        f"<body>\n{units}</body>\n</tmx>\n"
    )


def languages_of(model_id: str) -> tuple[str, str]:
    """The languages that a model's name tells of; ``und`` where it tells of none."""
    found = re.search(r"opus-mt-([a-z]{2,3})-([a-z]{2,3})$|^([a-z]{2})-([a-z]{2})-", model_id)
    if found is None:
        return "und", "und"
    source, target = [tag for tag in found.groups() if tag]
    return source, target


def _xml(text: str) -> str:
    """Text for XML, without the control characters that it cannot hold."""
    return escape("".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in _NO_XML)))
