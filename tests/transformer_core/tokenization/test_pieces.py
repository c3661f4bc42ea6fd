"""Vocabulary entries, as people read them."""

import pytest

from transformer_core.tokenization.pieces import Marks, piece_bytes, show_bytes, show_piece


@pytest.mark.parametrize(
    ("piece", "marks", "shown"),
    [
        ("Ġcat", Marks.BYTE_LEVEL, "cat"),
        ("cat", Marks.BYTE_LEVEL, "cat"),
        ("Ġ", Marks.BYTE_LEVEL, "␣"),
        ("ĠĠĠ", Marks.BYTE_LEVEL, "␣␣␣"),
        ("Ċ", Marks.BYTE_LEVEL, "⏎"),
        ("ĊĊ", Marks.BYTE_LEVEL, "⏎⏎"),
        ("Ã©", Marks.BYTE_LEVEL, "é"),
        ("ĠÃ©tÃ©", Marks.BYTE_LEVEL, "été"),
        ("â", Marks.BYTE_LEVEL, "⟨E2⟩"),
        ("ĠðŁ", Marks.BYTE_LEVEL, "⟨F0⟩⟨9F⟩"),
        ("Ģa", Marks.BYTE_LEVEL, "⟨80⟩a"),
        ("Ā", Marks.BYTE_LEVEL, "␀"),
        ("<|im_start|>", Marks.BYTE_LEVEL, "<|im_start|>"),
        ("日本", Marks.BYTE_LEVEL, "日本"),
        ("▁The", Marks.SENTENCE_PIECE, "The"),
        ("▁", Marks.SENTENCE_PIECE, "␣"),
        ("<0xE2>", Marks.SENTENCE_PIECE, "⟨E2⟩"),
        ("<0x0A>", Marks.SENTENCE_PIECE, "⏎"),
        ("##ing", Marks.WORD_PIECE, "ing"),
        ("##", Marks.WORD_PIECE, "##"),
        ("#", Marks.WORD_PIECE, "#"),
        ("中", Marks.WORD_PIECE, "中"),
    ],
)
def test_marks_are_resolved(piece: str, marks: Marks, shown: str) -> None:
    assert show_piece(piece, marks) == shown


def test_every_byte_has_one_byte_level_character() -> None:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    for byte, character in bytes_to_unicode().items():
        assert piece_bytes(character, Marks.BYTE_LEVEL) == bytes([byte])


def test_bytes_of_one_character_are_shown_one_by_one() -> None:
    assert show_bytes("🙂".encode()[:3]) == "⟨F0⟩⟨9F⟩⟨99⟩"
    assert show_bytes("🙂".encode()) == "🙂"
