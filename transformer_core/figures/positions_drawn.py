"""A picture of positions with the numbers behind it, and both as files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transformer_core.figures.html import to_html
from transformer_core.figures.payload import Payload
from transformer_core.figures.positions_charts import Chart
from transformer_core.spreadsheets import TableWriter


@dataclass(frozen=True)
class Drawn:
    """What a view shows.

    Attributes:
        picture: A table for the browser's component, or a chart.
        arrays: Its numbers by name, whole; the first is what the picture is of.
    """

    picture: Payload | Chart
    arrays: Mapping[str, NDArray[Any]]

    @property
    def title(self) -> str:
        """The question that it answers."""
        if isinstance(self.picture, Chart):
            return self.picture.title
        return str(self.picture.header["title"])

    @property
    def caption(self) -> str:
        """What it shows, in words."""
        return self.picture.caption

    def to_html(self) -> str:
        """The picture as a page; a table's works offline, a chart's fetches Vega."""
        if isinstance(self.picture, Chart):
            return str(self.picture.to_altair().to_html())
        return to_html(self.picture)

    def to_csv(self) -> str:
        """A chart's points, or the table: a row a position."""
        if isinstance(self.picture, Chart):
            return self.picture.to_csv()
        header = self.picture.header
        if "axes" not in header["options"]:
            return self._plain_csv()
        table = next(iter(self.arrays.values()))
        keys = (header["keys"] or header["queries"])["display"]
        out = io.StringIO()
        writer = TableWriter(out)
        writer.writerow([f"# {self.title} {self.caption}"])
        rows, columns = (axis["name"] for axis in header["options"]["axes"])
        writer.writerow([f"{rows} \\ {columns}", *keys])
        for name, row in zip(header["queries"]["display"], table.tolist(), strict=True):
            writer.writerow([name, *(f"{value:.7g}" for value in row)])
        return out.getvalue()

    def _plain_csv(self) -> str:
        """All arrays, a row a number with its indices."""
        out = io.StringIO()
        writer = TableWriter(out)
        writer.writerow([f"# {self.title} {self.caption}"])
        writer.writerow(["array", "index", "value"])
        for name, array in self.arrays.items():
            rows = np.ndenumerate(np.asarray(array, dtype=np.float64))
            writer.writerows((name, " ".join(map(str, at)), f"{value:.7g}") for at, value in rows)
        return out.getvalue()

    def to_npz(self) -> bytes:
        """All arrays, with title and caption."""
        out = io.BytesIO()
        words = {"title": np.array(self.title), "caption": np.array(self.caption)}
        np.savez_compressed(out, allow_pickle=False, **{**self.arrays, **words})
        return out.getvalue()
