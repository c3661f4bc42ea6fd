"""Files of texts are read, worked through in order, and written so that others can read them."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.support.tiny_translator import make_translator
from transformer_core.decoding.strategies import Strategy
from transformer_core.errors import FileFormatError, InputError
from transformer_core.model.generation import Hypothesis
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


def test_the_column_with_most_words_is_the_likeliest_to_hold_the_texts() -> None:
    table = documents.read("a.csv", b"id,text,year\n1,one two three,2017\n2,four,2018\n")
    assert table.columns is not None
    assert table.columns[table.wordiest] == "text"
    assert documents.read("a.csv", b"id,text\n1 2 3 4,one\n").wordiest == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\xff\xfe", "UTF-8"),
        ("a.txt", "Où est la gare ?".encode("latin-1"), r"byte 2 .* Save it as UTF-8"),
        ("a.csv", "text\nOù\n".encode("utf-16"), "UTF-8"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\x00\x00", "UTF-8"),
        ("a.txt", b"PK\x03\x04\x14\x00\x06\x00", "NUL"),
        ("a.csv", b"", "empty"),
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
    assert [len(state.results) for state in states] == [0, 8, 16, 32, 64, 128, 150]
    assert states[-1].share == 1
    assert states[-1].results[1] == ""
    assert states[-1].results[0] == model.translate("The cat sat.")  # type: ignore[attr-defined]
    assert states[-1].n_tokens > 150
    assert states[-1].seconds > 0
    assert len([*documents.translated(model, texts, lambda: True)]) == 1
    going_on = [*documents.translated(model, texts, lambda: False, begun=states[2])]
    assert going_on[0] is states[2]
    assert going_on[-1].results == states[-1].results


class Quick:
    """A translator that says where each text was, at once."""

    n_ctx = None

    def __init__(self, model: Any) -> None:
        self.tokenizer = model.tokenizer

    def write(self, sources: Sequence[Sequence[int]], strategy: Strategy) -> list[Hypothesis]:
        return [Hypothesis(tuple(source), 0.0, False) for source in sources]


def test_five_thousand_lines_keep_their_order_and_can_be_stopped_at_any_moment(
    tmp_path: Path,
) -> None:
    quick = Quick(load(make_translator(tmp_path / "model")))
    lines = [f"line number {i}" for i in range(5000)]
    table = documents.read("long.txt", "\n".join(lines).encode())
    texts = table.texts(None)
    states = [*documents.translated(quick, texts, lambda: False)]
    assert states[-1].is_complete
    expected = [quick.tokenizer.decode(quick.tokenizer.encode(line).ids).strip() for line in lines]
    assert list(states[-1].results) == expected
    for patience in (0, 1, 7, 100):
        asked: list[bool] = []

        def should_stop(asked: list[bool] = asked, patience: int = patience) -> bool:
            asked.append(True)
            return len(asked) > patience

        *_, last = documents.translated(quick, texts, should_stop)
        assert len(last.results) < 5000
        assert list(last.results) == expected[: len(last.results)]


def test_languages_are_those_of_the_models_name() -> None:
    assert documents.languages_of("en-fr-small") == ("en", "fr")
    assert documents.languages_of("Helsinki-NLP/opus-mt-de-en") == ("de", "en")
    assert documents.languages_of("/models/mine") == ("und", "und")
    memory = ElementTree.fromstring(documents.to_tmx(["a"], ["b"], ("de", "en")))
    tags = [tuv.attrib["{http://www.w3.org/XML/1998/namespace}lang"] for tuv in memory.iter("tuv")]
    assert tags == ["de", "en"]


def test_a_long_text_becomes_a_document_of_its_sentences() -> None:
    table = documents.of_text("One is here. Two is there.\nThree.")
    assert table.texts(None) == ["One is here.", "Two is there.", "Three."]


def test_results_are_written_as_text_table_and_translation_memory() -> None:
    sources, results = ["=1+1", "a < b & c\x01"], ["two\nlines", "d"]
    assert documents.to_txt(sources, results) == "two lines\nd\n"
    rows = [*csv.reader(io.StringIO(documents.to_csv(sources, results)))]
    assert rows == [["source", "result"], ["'=1+1", "two\nlines"], ["a < b & c\x01", "d"]]
    memory = ElementTree.fromstring(documents.to_tmx(sources, results))
    assert [seg.text for seg in memory.iter("seg")] == ["=1+1", "two\nlines", "a < b & c", "d"]
