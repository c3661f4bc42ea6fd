"""The beginning of a text that fits."""

import time

import pytest

from tests.support.tiny_tokenizers import byte_level, word_piece
from transformer_core.errors import EmptyInputError, TextTooLongError
from transformer_core.tokenization.cutting import cut_to_fit
from transformer_core.tokenization.huggingface import HuggingFaceTokenizer


@pytest.fixture(scope="module")
def pieces() -> HuggingFaceTokenizer:
    return HuggingFaceTokenizer(word_piece(), n_ctx=16)


def test_a_text_that_fits_is_left_as_it_is(pieces: HuggingFaceTokenizer) -> None:
    assert cut_to_fit(pieces, "  the cat \n") == "  the cat \n"


def test_the_next_word_would_not_have_fitted(pieces: HuggingFaceTokenizer) -> None:
    text = "the unbelievable cat sat on the mat, " * 9
    cut = cut_to_fit(pieces, text)
    assert text.startswith(cut) and text[len(cut)] == " " and not cut.endswith(" ")
    assert len(pieces.encode(cut)) <= 16
    longer = cut + " " + text[len(cut) :].split(maxsplit=1)[0]
    with pytest.raises(TextTooLongError):
        pieces.encode(longer)


def test_a_word_that_is_too_long_alone_is_cut_between_characters() -> None:
    tokenizer = HuggingFaceTokenizer(byte_level(), n_ctx=16)
    family = "👩\u200d👩\u200d👧"  # 18 bytes in three emoji and two joiners
    assert cut_to_fit(tokenizer, "a" + family * 3) == "a"
    accents = "e\u0301" * 50
    assert cut_to_fit(tokenizer, accents) == "e\u0301" * 5
    assert cut_to_fit(tokenizer, family) == family[:4]
    with pytest.raises(TextTooLongError):
        cut_to_fit(HuggingFaceTokenizer(byte_level(), n_ctx=3), "👩 a")


def test_nothing_cannot_be_cut(pieces: HuggingFaceTokenizer) -> None:
    with pytest.raises(EmptyInputError):
        cut_to_fit(pieces, "  ")


def test_ten_thousand_words_are_cut_quickly() -> None:
    tokenizer = HuggingFaceTokenizer(word_piece(), n_ctx=512)
    start = time.perf_counter()
    cut = cut_to_fit(tokenizer, "hello world " * 5_000)
    assert time.perf_counter() - start < 10
    assert len(tokenizer.encode(cut)) in {511, 512, 510, 509, 508, 507, 506}
