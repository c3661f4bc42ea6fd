"""Files of any bytes: parallel text, documents and kept models are read or refused, in words."""

from __future__ import annotations

import functools
import json
import lzma
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example
from hypothesis import strategies as st

from tests.fuzz.strategies import METHODS, damaged, deranged, members_of, npz, texts
from tests.fuzz.trying import check_words, tried
from tests.support.tiny_translator import make_translator
from transformer_core.errors import DataError, FileFormatError, TransformerCoreError
from transformer_core.models import trained
from transformer_core.tasks import documents
from transformer_core.training import own_pairs
from transformer_core.training.data import MAX_NAMED, Pair, ReadingReport, read_pairs

LINE = st.one_of(
    st.tuples(texts(max_size=3), texts(max_size=3)).map("\t".join).map(str.encode),
    st.binary(max_size=12),
    st.sampled_from(
        [b"a\tb", b"\t", b"", b"a\tb\tc", b"\xff\tb", b"\xef\xbb\xbfa\tb", b"x" * 70_000]
    ),
)
FILE = st.lists(LINE, max_size=12).flatmap(
    lambda lines: st.sampled_from([b"\n", b"\r\n", b"\r"]).map(lambda end: end.join(lines))
)


def pairs_of(content: bytes, name: str) -> tuple[list[Pair], ReadingReport, DataError | None]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        report, pairs = ReadingReport(str(path)), []
        try:
            for pair in read_pairs(path, report):
                pairs.append(pair)
        except DataError as error:
            check_words(error)
            return pairs, report, error
    return pairs, report, None


@tried(times=60, content=FILE)
@example(content=b"a\tb\n" * 30 + b"\x00")
def test_every_line_of_a_file_is_a_pair_or_counted_and_named(content: bytes) -> None:
    pairs, report, error = pairs_of(content, "pairs.tsv")
    lines = content.split(b"\n")
    n_lines = len(lines) - (lines[-1] == b"")
    assert report.n_pairs == len(pairs)
    assert report.n_pairs + report.n_bad.total() == n_lines
    assert len(report.named) == min(report.n_bad.total(), MAX_NAMED)
    assert all(", line " in named for named in report.named)
    assert len({pair.line for pair in pairs}) == len(pairs)
    assert all(1 <= pair.line <= n_lines and pair.source and pair.target for pair in pairs)
    if error is not None and n_lines:
        assert ", line " in str(error)


@tried(content=FILE)
def test_a_compressed_file_is_read_as_the_plain_one(content: bytes) -> None:
    plain, packed = (
        pairs_of(content, "a.tsv"),
        pairs_of(lzma.compress(content, preset=0), "a.tsv.xz"),
    )
    assert plain[0] == packed[0]
    assert plain[1].n_bad == packed[1].n_bad


@tried(times=60, content=damaged(lzma.compress(b"a word\tun mot\n" * 200)) | st.binary(max_size=60))
def test_a_damaged_compressed_file_is_read_or_refused(content: bytes) -> None:
    pairs_of(content, "a.tsv.xz")


@tried(content=FILE)
def test_pairs_of_ones_own_are_read_or_refused_without_a_path(content: bytes) -> None:
    try:
        pairs, report = own_pairs.read_own_pairs(content, "mine.tsv")
    except DataError as error:
        check_words(error, tells_no=tempfile.gettempdir())
        return
    assert len(pairs) == report.n_pairs


@tried(times=60, content=FILE, name=st.sampled_from(["a.txt", "a.csv", "A.CSV"]))
@example(content=b'a,b\n"', name="a.csv")
@example(content=b"a\n" + b"x" * 200_000, name="a.csv")
@example(content=b"\n\n", name="a.csv")
@example(content=b"\n x", name="a.csv")
def test_a_document_is_read_or_refused(content: bytes, name: str) -> None:
    try:
        table = documents.read(name, content)
    except FileFormatError as error:
        check_words(error)
        return
    assert table.rows
    for column in table.columns or (None,):
        assert len(table.texts(column)) == len(table.rows)
    _ = table.wordiest


@tried(results=st.lists(texts(max_size=4), max_size=4))
def test_results_are_written_so_that_they_can_be_read(results: list[str]) -> None:
    import csv
    import io
    from xml.etree import ElementTree

    assert documents.to_txt(results, results).count("\n") == len(results)
    rows = list(csv.reader(io.StringIO(documents.to_csv(results, results), newline="")))
    assert [row[1].removeprefix("'") for row in rows[1:]] == [
        result.removeprefix("'") for result in results
    ]
    units = ElementTree.fromstring(documents.to_tmx(results, results)).findall(".//tu")
    assert len(units) == len(results)


@functools.cache
def kept_zip() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        model = make_translator(Path(folder) / "model", n_ctx=8)
        card = {"name": "mine", "task": "text to text"}
        (model / trained.CARD).write_text(json.dumps(card), encoding="utf-8")
        return npz({f"m/{path.name}": path.read_bytes() for path in model.iterdir()})


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "trained_folder", lambda: tmp_path / "trained")


def put(content: bytes) -> None:
    try:
        model_id = trained.from_zip(content, name="m.zip")
    except TransformerCoreError as error:
        check_words(error, tells_no=tempfile.gettempdir())
        return
    assert trained.folder_of(model_id) is not None


def damaged_model(name: str) -> st.SearchStrategy[bytes]:
    members = members_of(kept_zip())
    content = members[name]
    if name.endswith(".json"):
        changed = deranged(json.loads(content)).map(lambda value: json.dumps(value).encode())
        changed |= damaged(content)
    else:
        changed = damaged(content[:600]).map(lambda head: head + content[600:])
    return st.builds(
        lambda new, method: npz(members | {name: new}, method=method),
        changed,
        st.sampled_from(METHODS),
    )


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "card.json"]
)
@tried(data=st.data())
def test_a_kept_model_with_a_damaged_file_is_opened_or_refused(data: Any, name: str) -> None:
    put(data.draw(damaged_model(f"m/{name}")))


@tried(data=st.data())
def test_a_damaged_zip_is_opened_or_refused(data: Any) -> None:
    packed = [npz(members_of(kept_zip()), method=method) for method in METHODS]
    put(data.draw(st.sampled_from(packed).flatmap(damaged)))


@pytest.mark.parametrize(
    "path", ["../../config.json", "/etc/config.json", "a\\..\\config.json", "C:\\config.json"]
)
def test_no_path_of_an_archive_is_followed(path: str, tmp_path: Path) -> None:
    members = members_of(kept_zip())
    config = members.pop("m/config.json")
    put(npz(members | {path: config}))
    assert not list(tmp_path.parent.glob("config.json"))


def test_a_nested_json_is_refused(tmp_path: Path) -> None:
    members = members_of(kept_zip())
    for name in ("config.json", "card.json", "tokenizer.json"):
        put(npz(members | {f"m/{name}": b"[" * 100_000}))
