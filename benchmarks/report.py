"""Measured figures against their bars, as a Markdown table and as JSON."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: What was measured.
        value: Its median, or the one value there is.
        low, high: Quartiles; None for a figure that does not vary.
        bar: What it may be at most; None for a figure that is only told.
        is_floor: The bar is what it must be at least.
        unit: Of value and bar; ``×`` for a ratio.
        n: How many runs.
    """

    what: str
    value: float
    bar: float | None = None
    unit: str = "×"
    low: float | None = None
    high: float | None = None
    n: int = 1
    is_floor: bool = False

    @classmethod
    def of(
        cls,
        what: str,
        values: Sequence[float],
        *,
        bar: float | None = None,
        unit: str = "×",
        is_floor: bool = False,
    ) -> "Figure":
        """The median of runs, with its quartiles."""
        low, middle, high = statistics.quantiles(values, n=4)
        return cls(what, middle, bar, unit, low, high, len(values), is_floor)

    @property
    def is_met(self) -> bool:
        """Whether the bar holds; figures without one always do."""
        if self.bar is None:
            return True
        return self.value >= self.bar if self.is_floor else self.value <= self.bar

    def row(self) -> str:
        """A line of a Markdown table."""
        measured = _number(self.value, self.unit)
        if self.low is not None and self.high is not None:
            measured += f" ({_number(self.low, '')} – {_number(self.high, '')}, n = {self.n})"
        bar = (
            ""
            if self.bar is None
            else f"{'≥' if self.is_floor else '≤'} {_number(self.bar, self.unit)}"
        )
        verdict = "" if self.bar is None else ("yes" if self.is_met else "**no**")
        return f"| {self.what} | {measured} | {bar} | {verdict} |"


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass  # not Linux
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "streamlit")},
    }


def publish(
    name: str,
    figures: Sequence[Figure],
    where: dict[str, Any],
    notes: Mapping[str, str] | None = None,
) -> int:
    """Print the table, save it as JSON, and tell by the exit code whether every bar holds.

    Args:
        name: Of the file.
        figures: The table's lines.
        where: The machine, and versions.
        notes: What a name in the table stands for.
    """
    print("| what | measured (quartiles) | bar | met |\n|---|---|---|---|")
    for figure in figures:
        print(figure.row())
    facts = ", ".join(f"{key} {value}" for key, value in where.items())
    for who, note in (notes or {}).items():
        print(f"\n{who}: {note}.")
    print(f"\n{facts}")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {
        "machine": where,
        "notes": dict(notes or {}),
        "figures": [asdict(f) | {"is_met": f.is_met} for f in figures],
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"saved in {path}")
    return 0 if all(figure.is_met for figure in figures) else 1
