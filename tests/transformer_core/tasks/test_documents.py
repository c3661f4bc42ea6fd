"""Files of texts are read, worked through in order, and written so that others can read them."""

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.tiny_translator import make_translator
from transformer_core.errors import FileFormatError, InputError
from transformer_core.models.loading import load
from transformer_core.tasks import documents


def test_a_text_file_holds_a_text_a_line() -> None:
    table = documents.read("a.txt", "one\r\n\ntwo\u2028still two\n".encode())
    assert table.texts(None) == ["one", "", "two\u2028still two"]


def test_a_csv_gives_the_column_that_is_asked_for() -> None:
    table = documents.read("a.csv", b'id,text\n1,"one, two"\n2,three\n3\n')
    assert table.columns == ("id", "text")
    assert table.texts("text") == ["one, two", "three", ""]
    with pytest.raises(InputError, match="id, text"):
        table.texts("nope")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\xff\xfe", "UTF-8"),
        ("a.txt", b"a\x00b", "NUL"),
        ("a.txt", b"  \n", "empty"),
        ("a.csv", b'a\n"unclosed', "CSV"),
        ("a.csv", b"only,a,header\n", "0 texts"),
        ("a.txt", b"x\n" * (documents.MAX_TEXTS + 1), "20,001"),
    ],
)
def test_what_is_no_document_is_refused(name: str, content: bytes, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        documents.read(name, content)


def test_many_texts_are_translated_in_order_and_stop_between_batches(tmp_path: Path) -> None:
    model = load(make_translator(tmp_path / "model"))
    texts = ["The cat sat.", "", "The dog ran."] * 50
    states = [*documents.translated(model, texts, lambda: False)]
    assert [len(state.results) for state in states] == [0, 64, 128, 150]
    assert states[-1].share == 1
    assert states[-1].results[1] == ""
    assert states[-1].results[0] == model.translate("The cat sat.")  # type: ignore[attr-defined]
    assert len([*documents.translated(model, texts, lambda: True)]) == 1


def test_results_are_written_as_text_table_and_translation_memory() -> None:
    sources, results = ["=1+1", "a < b & c\x01"], ["two\nlines", "d"]
    assert documents.to_txt(sources, results) == "two lines\nd\n"
    rows = [*csv.reader(io.StringIO(documents.to_csv(sources, results)))]
    assert rows == [["source", "result"], ["'=1+1", "two\nlines"], ["a < b & c\x01", "d"]]
    memory = ElementTree.fromstring(documents.to_tmx(sources, results))
    assert [seg.text for seg in memory.iter("seg")] == ["=1+1", "two\nlines", "a < b & c", "d"]
