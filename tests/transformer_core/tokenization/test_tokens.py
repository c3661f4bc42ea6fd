"""The record of a text's tokens."""

import json

import pytest

from transformer_core.errors import FileFormatError, InputError
from transformer_core.tokenization import NO_ID, Tokens, readable

SENTENCE = Tokens(
    text="A cat €",
    ids=(1, 5, 6, 7, 8, 9, 2),
    display=("[CLS]", "a", "ca", "t", "⟨E2⟩", "⟨82⟩", "[SEP]"),
    is_special=(True, False, False, False, False, False, True),
    spans=(None, (0, 1), (2, 4), (4, 5), (6, 7), (6, 7), None),
    word_ids=(None, 0, 1, 1, 2, 2, None),
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat", "cat"),
        ("\n", "⏎"),
        ("\t", "⇥"),
        ("\x00", "␀"),
        ("a\x1bb", "a␛b"),
        ("\x7f", "␡"),
        ("\x85", "⟨U+0085⟩"),
        ("\u202e", "⟨U+202E⟩"),
        (" ", "␣"),
        ("   ", "␣␣␣"),
        ("a b", "a b"),
        ("\u00a0", "␣"),
        ("\u0301", "◌\u0301"),
        ("e\u0301", "e\u0301"),
        ("\u0301t", "◌\u0301t"),
        ("\ufe0f", "⟨U+FE0F⟩"),
        ("\u200d", "⟨U+200D⟩"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("שלום", "שלום"),
        ("", ""),
    ],
)
def test_every_character_can_be_seen(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_words_cover_every_position_in_order() -> None:
    positions = [position for word in SENTENCE.words for position in word.positions]
    assert positions == list(range(len(SENTENCE)))


def test_words_join_their_pieces_and_lone_bytes_become_their_character() -> None:
    assert [word.text for word in SENTENCE.words] == ["[CLS]", "a", "cat", "€", "[SEP]"]
    assert [word.is_special for word in SENTENCE.words] == [True, False, False, False, True]


def test_two_special_tokens_in_a_row_are_two_words() -> None:
    tokens = Tokens.from_labels(["<s>", "</s>"], is_special=[True, True])
    assert [word.positions for word in tokens.words] == [(0,), (1,)]


def test_a_space_of_its_own_is_not_part_of_how_the_word_reads() -> None:
    tokens = Tokens(" é", (1, 2), ("␣", "é"), (False, False), ((0, 1), (1, 2)), (0, 0))
    assert [word.text for word in tokens.words] == ["é"]


def test_spaces_alone_stay_visible_as_a_word() -> None:
    tokens = Tokens("  ", (1, 2), ("␣", "␣"), (False, False), ((0, 1), (1, 2)), (0, 0))
    assert [word.text for word in tokens.words] == ["␣␣"]


def test_a_piece_continues_the_word_before_it() -> None:
    assert SENTENCE.continues == (False, False, False, True, False, True, False)


def test_the_record_survives_json() -> None:
    assert Tokens.from_dict(json.loads(json.dumps(SENTENCE.to_dict()))) == SENTENCE


@pytest.mark.parametrize(
    "change",
    [
        {"ids": None},
        {"ids": ["x"] * 7},
        {"ids": [1, 2]},
        {"spans": [[0]] * 7},
        {"word_ids": ["a"] * 7},
    ],
)
def test_a_damaged_record_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(FileFormatError, match="no record of tokens"):
        Tokens.from_dict(SENTENCE.to_dict() | change)


def test_a_record_without_a_field_is_refused() -> None:
    record = SENTENCE.to_dict()
    del record["display"]
    with pytest.raises(FileFormatError, match="display"):
        Tokens.from_dict(record)


def test_columns_must_be_equally_long() -> None:
    with pytest.raises(InputError, match="equally long"):
        Tokens("a", (1,), ("a", "b"), (False,), (None,), (0,))


def test_labels_make_a_sequence_without_text() -> None:
    tokens = Tokens.from_labels(["[CLS]", "r0c0", "r0c1"], is_special=[True, False, False])
    assert (tokens.text, tokens.ids) == ("", (NO_ID,) * 3)
    assert list(tokens) == ["[CLS]", "r0c0", "r0c1"]
    assert [word.text for word in tokens.words] == ["[CLS]", "r0c0", "r0c1"]
    assert not any(tokens.continues)


def test_an_accent_apart_from_its_letter_stands_on_a_circle_and_joins_it_in_the_word() -> None:
    tokens = Tokens(
        text="e\u0301t",
        ids=(1, 2),
        display=("e", readable("\u0301t")),
        is_special=(False, False),
        spans=((0, 1), (1, 3)),
        word_ids=(0, 0),
    )
    assert tokens.display[1] == "◌\u0301t"
    assert [word.text for word in tokens.words] == ["e\u0301t"]
