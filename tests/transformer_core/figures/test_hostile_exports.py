"""Files that are passed on hold hostile texts as text: HTML, SVG, CSV, JSON, TMX."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from xml.etree import ElementTree as Tree

import pytest

from tests.support.payloads import HALVES, PAYLOADS
from transformer_core.figures import export, static
from transformer_core.figures.payload import Payload
from transformer_core.figures.readings import Place, Reading
from transformer_core.figures.views import all_heads, heat_map
from transformer_core.tasks.documents import to_csv, to_tmx
from transformer_core.tracing.imports import read_matrix
from transformer_core.tracing.trace import Trace

PLACE = Place("encoder", 0, 0)
READING = Reading()
NAME = "<script>window.__pwned=1</script>]]>.json"
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def matrix(tokens: list[str]) -> Trace:
    even = [[1 / len(tokens)] * len(tokens)] * len(tokens)
    fields = {"tokens": tokens, "pattern": even, "model": tokens[0]}
    return read_matrix(json.dumps(fields).encode(), NAME)


HOSTILE = [*PAYLOADS[:60], *HALVES]
"""As many as a picture still writes out."""


class Outline(HTMLParser):
    """Counts a page's elements."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    return found


def test_an_html_page_has_the_elements_of_an_innocent_one() -> None:
    innocent = outline(export.to_html_page(matrix(["a"] * len(HOSTILE)), PLACE, READING))
    hostile = outline(export.to_html_page(matrix(HOSTILE), PLACE, READING))
    assert hostile.elements == innocent.elements
    assert hostile.handlers == []


@pytest.mark.parametrize("make", [heat_map, all_heads], ids=["heat map", "all heads"])
def test_an_svg_has_the_elements_of_an_innocent_one(make: Callable[..., Payload]) -> None:
    def drawn(trace: Trace) -> list[Tree.Element]:
        place = PLACE if make is heat_map else "encoder"
        return list(Tree.fromstring(static.to_svg(make(trace, place))).iter())

    hostile, innocent = drawn(matrix(HOSTILE)), drawn(matrix(["a"] * len(HOSTILE)))
    assert {node.tag for node in hostile} == {node.tag for node in innocent}
    names = {name for node in hostile for name in node.attrib}
    assert names == {name for node in innocent for name in node.attrib}
    addresses = {node.get("href", "data:image/png;") for node in hostile}
    assert all(address.startswith("data:image/png;") for address in addresses)
    assert "<script>window" in "".join(node.text or "" for node in hostile)


def test_a_table_parses_and_no_cell_is_a_formula() -> None:
    trace = matrix(PAYLOADS)
    rows = list(csv.reader(io.StringIO(export.to_csv(trace, PLACE), newline="")))
    assert len(rows) == len(PAYLOADS) + 2
    texts = [*rows[1], *(row[0] for row in rows[2:])]
    assert [text for text in texts if re.match(r"\s*[=+\-@＝]", text)] == []
    assert {len(row) for row in rows[1:]} == {len(PAYLOADS) + 1}


def test_json_gives_the_tokens_back() -> None:
    trace = matrix(PAYLOADS)
    assert json.loads(export.to_json(trace, PLACE))["tokens"] == trace.tokens


def test_a_translation_memory_parses_and_gives_the_texts_back() -> None:
    memory = Tree.fromstring(to_tmx(PAYLOADS, PAYLOADS[::-1]))
    units = [[seg.text or "" for seg in unit.iter("seg")] for unit in memory.iter("tu")]
    wanted = [_in_xml(text) for text in PAYLOADS]
    assert [source for source, _ in units] == wanted
    assert [target for _, target in units] == wanted[::-1]


def test_a_document_comes_back_with_no_formula() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(PAYLOADS, PAYLOADS), newline="")))[1:]
    assert [row[0].removeprefix("'") for row in rows] == [t.removeprefix("'") for t in PAYLOADS]
    assert [row for row in rows if re.match(r"[=+\-@\t\r\n]", row[0] + row[1])] == []


def _in_xml(text: str) -> str:
    """What XML keeps of a text: no control characters, and one kind of line end."""
    return _NO_XML.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
