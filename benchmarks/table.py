"""All saved figures as one Markdown table: `python -m benchmarks.table`, after `make bench`."""

from __future__ import annotations

import json
import sys
from dataclasses import fields

from benchmarks.report import RESULTS, Figure

HEAD = "| what | measured (quartiles) | bar | met |\n|---|---|---|---|"


def main() -> int:
    """Print it, save it, and tell by the exit code whether every bar holds."""
    known = {field.name for field in fields(Figure)}
    figures = [
        Figure(**{name: value for name, value in one.items() if name in known})
        for path in sorted(RESULTS.glob("*.json"))
        if not path.stem.endswith("-part")
        for one in json.loads(path.read_text(encoding="utf-8")).get("figures", [])
    ]
    table = "\n".join([HEAD, *(figure.row() for figure in figures)])
    print(table)
    path = RESULTS / "table.md"
    path.write_text(table + "\n", encoding="utf-8")
    print(f"saved in {path}")
    return 0 if all(figure.is_met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
