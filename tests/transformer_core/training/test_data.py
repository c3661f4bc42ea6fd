"""Parallel text: what is read, what is refused and said, what is held out."""

import lzma
from pathlib import Path

import pytest

from transformer_core.errors import DataError
from transformer_core.training.corpus import CorpusSpec, read_corpora
from transformer_core.training.data import (
    MAX_LINE_BYTES,
    Pair,
    ReadingReport,
    group_references,
    is_held_out,
    read_pairs,
    sentence_key,
    without_noise,
)

GOOD = "".join(f"Sentence {i}.\tPhrase {i}.\n" for i in range(40))


def _read(path: Path, *, extra: bool = False) -> tuple[list[Pair], ReadingReport]:
    report = ReadingReport(path.name)
    return list(read_pairs(path, report, allow_extra_columns=extra)), report


def test_rows_are_read_with_their_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("\ufeffHi.\tSalut.\r\n Run! \tCours\u202f!\ne\u0301\t\u00e9", "utf-8")
    pairs, report = _read(path)
    assert pairs == [Pair("Hi.", "Salut.", 1), Pair("Run!", "Cours\u202f!", 2), Pair("é", "é", 3)]
    assert (report.n_pairs, report.n_bad.total()) == (3, 0)


def test_a_compressed_file_reads_alike(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv.xz"
    path.write_bytes(lzma.compress(GOOD.encode()))
    pairs, _ = _read(path)
    assert len(pairs) == 40 and pairs[39] == Pair("Sentence 39.", "Phrase 39.", 40)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"only one column\n", "line 41: wrong number of columns (1, not two)"),
        (b"a\tb\tc\n", "line 41: wrong number of columns (3, not two)"),
        (b"caf\xe9\tcaf\xe9\n", "line 41: not UTF-8 (byte 4)"),
        (b"\tb\n", "line 41: an empty side"),
        (b"a\t  \n", "line 41: an empty side"),
        (b"\n", "line 41: wrong number of columns (1, not two)"),
        (b"x" * 1_000_000 + b"\ty\n", "line 41: too long (more than 65,536 bytes)"),
        (b"x" * MAX_LINE_BYTES + b"y", "line 41: too long (more than 65,536 bytes)"),
    ],
)
def test_a_bad_row_is_named_counted_and_passed_over(
    tmp_path: Path, row: bytes, reason: str
) -> None:
    path = tmp_path / "pairs.tsv"
    after = b"" if not row.endswith(b"\n") else "After.\tAprès.\n".encode()
    path.write_bytes(GOOD.encode() + row + after)
    pairs, report = _read(path)
    assert len(pairs) == report.n_pairs == 40 + bool(after)
    assert report.named == [f"pairs.tsv, {reason}"]
    assert report.n_bad.total() == 1
    assert "left out: 1 × " in str(report)
    if after:
        assert pairs[-1] == Pair("After.", "Après.", 42)


def test_a_row_of_exactly_the_longest_length_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"x" * (MAX_LINE_BYTES - 3) + b"\ty\nAfter.\tApr\xc3\xa8s.\n")
    pairs, report = _read(path)
    assert [pair.line for pair in pairs] == [1, 2] and not report.named


def test_further_columns_are_passed_over_where_they_may_be(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\tfrom a book\n")
    assert _read(path, extra=True)[0] == [Pair("a", "b", 1)]


def test_many_bad_rows_are_all_counted_though_few_are_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(GOOD * 20 + "bad\n" * 50)
    _, report = _read(path)
    assert report.n_bad == {"wrong number of columns": 50}
    assert len(report.named) == 20


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.tsv", b"", "is empty"),
        ("text.tsv", b"just\nsome\ntext\n", "3 of 3 rows .* line 1: wrong number of columns"),
        ("latin.tsv", b"caf\xe9\tcaf\xe9\n", "1 of 1 rows .* line 1: not UTF-8"),
        ("cut.tsv.xz", lzma.compress(GOOD.encode())[:-20], "cannot be read"),
        ("plain.tsv.xz", GOOD.encode(), "cannot be read"),
        ("pairs.csv", GOOD.encode(), r"\.tsv or \.tsv\.xz"),
    ],
)
def test_a_file_that_is_no_parallel_text_is_refused(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        _read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.tsv cannot be read"):
        _read(tmp_path / "nowhere.tsv")


def test_pairs_of_very_different_lengths_are_left_out_and_counted() -> None:
    report = ReadingReport("x.tsv", n_pairs=2)
    pairs = [Pair("a" * 30, "b" * 60, 1), Pair("a" * 30, "b" * 90, 2)]
    assert list(without_noise(pairs, report, max_ratio=2.0)) == pairs[:1]
    assert report.n_pairs == 1
    assert report.named == ["x.tsv, line 2: lengths do not match (ratio 2.5)"]


def test_the_held_out_share_is_about_what_was_asked_for() -> None:
    n = sum(is_held_out(f"Sentence number {i}.", 0.1) for i in range(5_000))
    assert 400 < n < 600
    assert not any(is_held_out(f"Sentence {i}.", 0.0) for i in range(100))
    assert all(is_held_out(f"Sentence {i}.", 1.0) for i in range(100))


def test_case_and_spacing_do_not_move_a_sentence_to_the_other_side() -> None:
    for i in range(200):
        sides = {is_held_out(text, 0.5) for text in (f"Look at {i}!", f"look  AT {i}! ")}
        assert len(sides) == 1


def test_a_sentence_held_out_of_one_corpus_is_learnt_in_none(tmp_path: Path) -> None:
    everyday, technical = tmp_path / "everyday.tsv", tmp_path / "technical.tsv"
    everyday.write_text("".join(f"Sentence {i}.\tPhrase {i}.\n" for i in range(300)))
    technical.write_text("".join(f"sentence {i}.\tLa phrase {i}.\tbook\n" for i in range(300)))
    corpora = read_corpora(
        [
            CorpusSpec("everyday", everyday, held_out=0.1),
            CorpusSpec("technical", technical, held_out=0.4),
        ]
    )
    learnt = {sentence_key(pair.source) for corpus in corpora for pair in corpus.train}
    held_out = {sentence_key(ref.source) for corpus in corpora for ref in corpus.validation}
    assert learnt and held_out and not learnt & held_out
    assert len(learnt | held_out) == 300
    assert len(corpora[0].validation) < len(corpora[1].validation)
    assert len(corpora[0].train) < 300 - len(corpora[0].validation)  # the other's are out as well


def test_all_translations_of_a_held_out_sentence_stay_together() -> None:
    pairs = [Pair("Hi!", "Salut !", 1), Pair("Go.", "Va.", 2), Pair("hi!", "Bonjour !", 3)]
    pairs.append(Pair("Hi!", "Salut !", 4))
    references = group_references(pairs)
    assert [(r.source, r.targets) for r in references] == [
        ("Hi!", ("Salut !", "Bonjour !")),
        ("Go.", ("Va.",)),
    ]


def test_nothing_left_to_learn_from_is_said(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(GOOD)
    with pytest.raises(DataError, match="held out"):
        read_corpora([CorpusSpec("all", path, held_out=1.0)])
