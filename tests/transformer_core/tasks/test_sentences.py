"""Documents are cut without losing a character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transformer_core.tasks.sentences import Piece, fitting, sentences

DOCUMENT = (
    'Dr. Smith paid $3.50 on Jan. 5th. He left (e.g. "Hello!" she said). What?!\n\n'
    "  A new paragraph without a full stop\nand another line. 😀 Done."
)


def test_abbreviations_do_not_end_a_sentence_and_line_breaks_do() -> None:
    assert [piece.text for piece in sentences(DOCUMENT)] == [
        "Dr. Smith paid $3.50 on Jan. 5th.",
        'He left (e.g. "Hello!" she said).',
        "What?!",
        "A new paragraph without a full stop",
        "and another line.",
        "😀 Done.",
    ]


def joined(pieces: list[Piece]) -> str:
    return "".join(piece.text + piece.after for piece in pieces)


@given(st.text(alphabet="aB .!?\n\t😀é,;'\"", max_size=80))
def test_sentences_and_their_gaps_make_the_text_up_again(text: str) -> None:
    pieces = sentences(text)
    assert joined(pieces) == text.lstrip() if text.strip() else not pieces
    assert all(text[piece.start :].startswith(piece.text) for piece in pieces)


def n_words(text: str) -> int:
    return len(text.split())


def test_a_text_that_fits_stays_whole() -> None:
    assert fitting("One. Two.", n_words, 5, language="en") == [Piece(0, "One. Two.", "")]


def test_a_text_that_does_not_fit_is_cut_at_sentences() -> None:
    pieces = fitting("One two three. Four five.", n_words, 4, language="en")
    assert [piece.text for piece in pieces] == ["One two three.", "Four five."]
    assert not any(piece.is_forced for piece in pieces)


def test_a_sentence_that_does_not_fit_is_cut_inside_and_says_so() -> None:
    text = "one two three, four five six seven eight"
    pieces = fitting(text, n_words, 5, language="en")
    assert [piece.text for piece in pieces] == ["one two three,", "four five six seven eight"]
    assert all(piece.is_forced for piece in pieces)
    assert joined(pieces) == text


@pytest.mark.parametrize("text", ["x" * 50, "漢字" * 30])
def test_a_text_without_a_place_to_cut_is_cut_all_the_same(text: str) -> None:
    pieces = fitting(text, len, 8, language="en")
    assert joined(pieces) == text
    assert max(len(piece.text) for piece in pieces) <= 8
