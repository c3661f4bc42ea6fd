"""Where tokens stand in a text, and which make one word."""

import pytest

from transformer_core.tokenization.alignment import align, trim, word_ids
from transformer_core.tokenization.pieces import Marks


def spans_of(text: str, *pieces: str) -> list[tuple[int, int] | None]:
    """Each piece's place in the text, one after the other."""
    spans: list[tuple[int, int] | None] = []
    cursor = 0
    for piece in pieces:
        start = text.index(piece, cursor)
        cursor = start + len(piece)
        spans.append((start, cursor))
    return spans


def words(text: str, *pieces: str) -> list[int | None]:
    return list(word_ids(text, spans_of(text, *pieces), [False] * len(pieces)))


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["did", "n", "'", "t"], [0, 0, 0, 0]),
        (["did", "n", "’", "t"], [0, 0, 0, 0]),
        (["3", ".", "14", "."], [0, 0, 0, 1]),
        (["snake", "_", "case"], [0, 0, 0]),
        (["a", "-", "b"], [0, 1, 2]),
        (["中", "文"], [0, 1]),
        (["ひら", "がな"], [0, 0]),
        (["ش", "لام"], [0, 0]),
        (["e", "\u0301", "t"], [0, 0, 0]),
        (["👩", "\u200d", "👧"], [0, 0, 0]),
        (["🙂", "🙂"], [0, 1]),
        (["a", "\n", "b"], [0, 1, 2]),
        (["a", " ", "b"], [0, 1, 1]),
        (["a", " ", "\n", "b"], [0, 1, 1, 2]),
        (["so", "...", "no"], [0, 1, 2]),
        (["(f", "(x", "))"], [0, 1, 2]),
        (["end.", "Next"], [0, 1]),
    ],
)
def test_pieces_of_a_word_share_its_number(pieces: list[str], expected: list[int]) -> None:
    assert words("".join(pieces), *pieces) == expected


def test_a_token_over_several_words_makes_them_one() -> None:
    assert words("can't stop now", "can't st", "op", "now") == [0, 0, 1]


def test_special_tokens_belong_to_no_word() -> None:
    ids = word_ids("ab", [None, (0, 1), None, (1, 2)], [True, False, True, False])
    assert ids == (None, 0, None, 1)


def test_a_token_that_stands_nowhere_joins_the_word_after_it() -> None:
    assert word_ids("ab", [None, (0, 1), (1, 2)], [False] * 3) == (0, 0, 0)


@pytest.mark.parametrize(
    ("span", "trimmed"), [((1, 5), (2, 5)), ((1, 2), (1, 2)), ((2, 6), (2, 5))]
)
def test_white_space_around_a_token_is_left_out(
    span: tuple[int, int], trimmed: tuple[int, int]
) -> None:
    assert trim("a cat ", span) == trimmed


def found(text: str, pieces: list[str | bytes | None], marks: Marks) -> list[str | None]:
    raw = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    spans = align(text, raw, marks)
    return [None if span is None else text[span[0] : span[1]] for span in spans]


def test_pieces_are_found_across_white_space() -> None:
    pieces: list[str | bytes | None] = [" The", " ", "cat", "s"]
    assert found("The  cats", pieces, Marks.SENTENCE_PIECE) == ["The", "  ", "cat", "s"]


def test_normalised_characters_are_found_as_the_text_has_them() -> None:
    assert found("oﬁ e\u0301t", ["o", "fi", "ét"], Marks.SENTENCE_PIECE) == ["o", "ﬁ", "e\u0301t"]
    assert found("Ünter", ["un", "ter"], Marks.WORD_PIECE) == ["Ün", "ter"]


def test_the_bytes_of_a_character_all_stand_at_it() -> None:
    raw: list[str | bytes | None] = ["a", *(bytes([byte]) for byte in "🙂".encode())]
    assert found("a🙂", raw, Marks.BYTE_LEVEL) == ["a", "🙂", "🙂", "🙂", "🙂"]


def test_an_unknown_piece_stands_nowhere_and_the_next_is_found_again() -> None:
    assert found("a § b", ["a", "<unk>", "b"], Marks.SENTENCE_PIECE) == ["a", None, "b"]


def test_a_token_that_is_no_text_stands_nowhere() -> None:
    assert found("a", [None, "a"], Marks.SENTENCE_PIECE) == [None, "a"]
