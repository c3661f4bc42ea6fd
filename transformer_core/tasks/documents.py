"""Files of texts: read, worked through in order, and written again."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from transformer_core.errors import FileFormatError, InputError
from transformer_core.tasks.summarization import Length, summarize
from transformer_core.tasks.translation import translate

MAX_TEXTS = 20_000
CHUNK = 64
"""Texts that are translated before progress is told."""


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


@dataclass(frozen=True)
class Progress:
    """How far the work is.

    Attributes:
        results: What is done, in order.
        n_texts: How many there are.
    """

    results: tuple[str, ...]
    n_texts: int

    @property
    def share(self) -> float:
        """Which share is done."""
        return len(self.results) / max(self.n_texts, 1)


def read(name: str, content: bytes) -> Table:
    """Read a TXT (a text a line) or a CSV with a header.

    Raises:
        FileFormatError: If it is neither, not UTF-8, empty, or holds too many texts.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{name} is no UTF-8 text (byte {error.start}).") from error
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
    return Table(tuple(row for row in body if any(row)), header)


def translated(
    model: Any, texts: Sequence[str], should_stop: Callable[[], bool]
) -> Iterator[Progress]:
    """Translate texts in order, batch by batch; a stop is heeded between batches."""
    results: tuple[str, ...] = ()
    yield Progress(results, len(texts))
    for start in range(0, len(texts), CHUNK):
        if should_stop():
            return
        chunk = translate(model, texts[start : start + CHUNK])
        results = (*results, *(one.text for one in chunk))
        yield Progress(results, len(texts))


def summarized(
    model: Any,
    texts: Sequence[str],
    should_stop: Callable[[], bool],
    length: Length = Length(),
) -> Iterator[Progress]:
    """Summarise texts in order, one by one."""
    results: tuple[str, ...] = ()
    yield Progress(results, len(texts))
    for text in texts:
        if should_stop():
            return
        results = (*results, summarize(model, text, length).text)
        yield Progress(results, len(texts))


def to_txt(_: Sequence[str], results: Sequence[str]) -> str:
    """One result a line."""
    return "".join(" ".join(result.split()) + "\n" for result in results)


def to_csv(texts: Sequence[str], results: Sequence[str]) -> str:
    """Source and result side by side."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["source", "result"])
    writer.writerows(zip(map(_cell, texts), map(_cell, results), strict=True))
    return out.getvalue()


def to_tmx(texts: Sequence[str], results: Sequence[str]) -> str:
    """A translation memory (TMX 1.4b), English to French."""
    units = "".join(
        f'<tu><tuv xml:lang="en"><seg>{_xml(text)}</seg></tuv>'
        f'<tuv xml:lang="fr"><seg>{_xml(result)}</seg></tuv></tu>\n'
        for text, result in zip(texts, results, strict=True)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4">\n'
        '<header creationtool="Transformer Workbench" creationtoolversion="1" segtype="sentence" '
        'o-tmf="none" adminlang="en" srclang="en" datatype="plaintext"/>\n'
        f"<body>\n{units}</body>\n</tmx>\n"
    )


WRITERS: dict[str, tuple[str, Callable[[Sequence[str], Sequence[str]], str]]] = {
    "TXT": (".txt", to_txt),
    "CSV": (".csv", to_csv),
    "TMX": (".tmx", to_tmx),
}


def _cell(text: str) -> str:
    """A text that a spreadsheet will not take for a formula."""
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text


def _xml(text: str) -> str:
    """Text for XML, without the control characters that it cannot hold."""
    return escape("".join(c for c in text if c in "\t\n\r" or c >= " "))
