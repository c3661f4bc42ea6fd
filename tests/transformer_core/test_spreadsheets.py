"""A table opens as text: no cell of it is computed."""

import csv
import io
import re
from pathlib import Path

import pytest

from tests.support.payloads import FORMULAS, PAYLOADS
from transformer_core.spreadsheets import TableWriter, cell

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_payload_is_a_formula(text: str) -> None:
    assert re.match(r"[=+\-@\t\r\n＝＋－＠]|\s+[=+\-@]", cell(text)) is None
    assert cell(text).removeprefix("'") == text.removeprefix("'")


@pytest.mark.parametrize("number", ["-1", "+2.5", "-1e-07", "3", "-0.5", "-inf", ".5"])
def test_numbers_stay_numbers(number: str) -> None:
    assert cell(number) == number


@pytest.mark.parametrize("text", ["-", "+", "--", "-a", "=", "@", "-1+1", "+1-cmd"])
def test_what_begins_like_a_number_and_is_none_is_text(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_every_payload_comes_back_from_a_table() -> None:
    out = io.StringIO(newline="")
    TableWriter(out).writerows([[text, 1, "x"] for text in PAYLOADS])
    rows = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert [row[0].removeprefix("'") for row in rows] == [t.removeprefix("'") for t in PAYLOADS]
    assert {tuple(row[1:]) for row in rows} == {("1", "x")}


def test_all_tables_are_written_this_way() -> None:
    others = [
        path.name
        for folder in ("transformer_core", "pages")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"csv\.(writer|DictWriter)", path.read_text(encoding="utf-8"))
    ]
    assert others == ["spreadsheets.py"]
