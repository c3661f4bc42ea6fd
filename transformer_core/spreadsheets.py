"""Tables as CSV that a spreadsheet opens without computing anything of what stands in them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import TextIO

# What spreadsheets take for the beginning of a formula, also after spaces and in full width.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-](inf|nan)", re.IGNORECASE)


def cell(text: str) -> str:
    """Return a text as a cell: one that would be a formula begins with an apostrophe.

    Numbers stay numbers. Whoever reads the file as data takes the apostrophe off again.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


class TableWriter:
    """Writes rows of a CSV file; every text goes through :func:`cell`."""

    def __init__(self, out: TextIO) -> None:
        self._writer = csv.writer(out)

    def writerow(self, row: Iterable[object]) -> None:
        """Write a row."""
        self._writer.writerow([cell(one) if isinstance(one, str) else one for one in row])

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write rows."""
        for row in rows:
            self.writerow(row)
