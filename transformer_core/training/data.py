"""Parallel text from TSV files: read line by line, bad rows counted and named."""

from __future__ import annotations

import hashlib
import lzma
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from transformer_core.errors import DataError

MAX_LINE_BYTES = 65_536
"""A longer line is no pair of sentences; it is passed over without being held in memory."""
MAX_NAMED = 20
"""How many bad rows a report names; all of them are counted."""
MAX_BAD_SHARE = 0.1
"""A file with a larger share of bad rows is taken for something else than parallel text."""


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation.

    Attributes:
        source: The sentence.
        target: Its translation.
        line: Where it stands in its file, counted from 1.
    """

    source: str
    target: str
    line: int


@dataclass
class ReadingReport:
    """What was found in a file of pairs.

    Attributes:
        path: The file.
        n_pairs: Rows that are pairs.
        n_bad: Rows that are not, or that a filter refused, by reason.
        named: The first bad rows, with line number and reason.
    """

    path: str
    n_pairs: int = 0
    n_bad: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)

    def refuse(self, line: int, reason: str, detail: str = "") -> None:
        """Count a bad row, and name it if it is one of the first."""
        self.n_bad[reason] += 1
        if len(self.named) < MAX_NAMED:
            self.named.append(f"{self.path}, line {line}: {reason}{detail}")

    def __str__(self) -> str:
        bad = ", ".join(f"{n:,} × {reason}" for reason, n in self.n_bad.most_common())
        return f"{self.path}: {self.n_pairs:,} pairs" + (f"; left out: {bad}" if bad else "")


def read_pairs(
    path: Path, report: ReadingReport, *, allow_extra_columns: bool = False
) -> Iterator[Pair]:
    """Read ``source<TAB>target`` rows of a ``.tsv`` or ``.tsv.xz`` file, one at a time.

    Args:
        path: The file, UTF-8; a byte order mark is passed over, texts are brought to NFC.
        report: Told of every row.
        allow_extra_columns: Whether a row may have further columns, which are not read.

    Raises:
        DataError: If the file cannot be read, is empty, or holds mostly rows that are no pairs;
            raised where that is known, at the end of the file.
    """
    for number, raw in _lines(path):
        pair = _pair(raw, number, report, allow_extra_columns=allow_extra_columns)
        if pair is not None:
            report.n_pairs += 1
            yield pair
    n_bad = report.n_bad.total()
    if report.n_pairs + n_bad == 0:
        raise DataError(f"{path} is empty: it must hold rows of source<TAB>target.")
    if n_bad > MAX_BAD_SHARE * (report.n_pairs + n_bad):
        raise DataError(
            f"{path}: {n_bad:,} of {report.n_pairs + n_bad:,} rows are no pairs of "
            f"source<TAB>target in UTF-8. The first: {report.named[0]}."
        )


def _pair(
    raw: bytes | None, number: int, report: ReadingReport, *, allow_extra_columns: bool
) -> Pair | None:
    if raw is None:
        report.refuse(number, "too long", f" (more than {MAX_LINE_BYTES:,} bytes)")
        return None
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        report.refuse(number, "not UTF-8", f" (byte {error.start + 1})")
        return None
    columns = text.rstrip("\r\n").split("\t")
    if len(columns) < 2 or (len(columns) > 2 and not allow_extra_columns):
        wanted = "two or more" if allow_extra_columns else "two"
        report.refuse(number, "wrong number of columns", f" ({len(columns)}, not {wanted})")
        return None
    source, target = (unicodedata.normalize("NFC", column.strip()) for column in columns[:2])
    if not source or not target:
        report.refuse(number, "an empty side")
        return None
    return Pair(source, target, number)


def _lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """The file's lines with their numbers; None for one that is too long to be read."""
    try:
        with _open(path) as file:
            number = 0
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                is_cut = len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n")
                if is_cut:
                    while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                        pass
                yield number, None if is_cut else raw
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".xz":
        return lzma.open(path, "rb")
    if path.suffix == ".tsv":
        return path.open("rb")
    raise DataError(f"{path}: parallel text comes as .tsv or .tsv.xz.")


def without_noise(
    pairs: Iterable[Pair], report: ReadingReport, *, max_ratio: float
) -> Iterator[Pair]:
    """Leave out pairs whose sides differ so much in length that they are hardly translations.

    Args:
        pairs: What was read.
        report: Told of the pairs that are left out; they no longer count as pairs.
        max_ratio: Largest ratio of lengths, in characters and with 10 added to either side, as
            short sentences differ more.
    """
    for pair in pairs:
        lengths = (len(pair.source) + 10, len(pair.target) + 10)
        ratio = max(lengths) / min(lengths)
        if ratio <= max_ratio:
            yield pair
            continue
        report.n_pairs -= 1
        report.refuse(pair.line, "lengths do not match", f" (ratio {ratio:.1f})")


def sentence_key(source: str) -> str:
    """Return what makes two source sentences the same: letters, whatever their case and spacing."""
    return " ".join(unicodedata.normalize("NFC", source).casefold().split())


def is_held_out(source: str, share: float) -> bool:
    """Tell whether a sentence belongs to the validation part, by its hash alone.

    The same sentence falls on the same side in every file and every run, so no sentence stands on
    both; about ``share`` of all sentences are held out.
    """
    digest = hashlib.sha256(sentence_key(source).encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


@dataclass(frozen=True)
class Reference:
    """A held-out sentence with all its translations."""

    source: str
    targets: tuple[str, ...]


def group_references(pairs: Iterable[Pair]) -> list[Reference]:
    """Gather the translations of each sentence, in the order in which they come."""
    targets: dict[str, tuple[str, list[str]]] = {}
    for pair in pairs:
        _, found = targets.setdefault(sentence_key(pair.source), (pair.source, []))
        if pair.target not in found:
            found.append(pair.target)
    return [Reference(source, tuple(found)) for source, found in targets.values()]
