"""Any text at all: a tokenizer loses nothing, and says truly where each token stands."""

from __future__ import annotations

import functools
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example
from hypothesis import strategies as st

from tests.fuzz.strategies import HARD, any_texts, texts
from tests.fuzz.trying import check_words, tried
from tests.support.tiny_tokenizers import CORPUS, TOKENIZERS
from transformer_core.errors import EmptyInputError, InputError, TextTooLongError
from transformer_core.tokenization.bpe import train_bpe
from transformer_core.tokenization.characters import train_characters
from transformer_core.tokenization.cutting import cut_to_fit
from transformer_core.tokenization.huggingface import HuggingFaceTokenizer
from transformer_core.tokenization.pieces import Marks, show_piece
from transformer_core.tokenization.tokens import Tokens, readable

OWN = ("bpe", "characters")
KINDS = [*OWN, *TOKENIZERS]


@functools.cache
def tokenizer_of(kind: str) -> Any:
    if kind == "bpe":
        return train_bpe(CORPUS * 2, vocab_size=320)
    if kind == "characters":
        return train_characters(CORPUS)
    with tempfile.TemporaryDirectory() as folder:
        return HuggingFaceTokenizer(TOKENIZERS[kind](Path(folder)))


def encoded(kind: str, text: str) -> Tokens | None:
    """The tokens, None for a text that is refused; any other error is a failure."""
    try:
        tokens: Tokens = tokenizer_of(kind).encode(text)
    except EmptyInputError:
        return None
    return tokens


LONG = "hello world " * 5_000


def hard_texts(function: Any) -> Any:
    """All hard pieces in one text, and those that are odd alone, whatever is drawn."""
    for text in ("x".join(HARD), "\u0301a", "\x00"):
        function = example(text=text)(function)
    return function


@pytest.mark.parametrize("kind", KINDS)
@hard_texts
@tried(text=texts())
def test_spans_are_in_order_within_the_text_and_words_cover_all(kind: str, text: str) -> None:
    tokens = encoded(kind, text)
    if tokens is None:
        return
    assert tokens.text == text
    starts = []
    for span in tokens.spans:
        if span is not None:
            assert 0 <= span[0] < span[1] <= len(text)
            starts.append(span[0])
    assert starts == sorted(starts)
    covered = [position for word in tokens.words for position in word.positions]
    assert covered == list(range(len(tokens)))
    assert all(shown and "\n" not in shown and "\x00" not in shown for shown in tokens.display)
    assert Tokens.from_dict(tokens.to_dict()) == tokens
    "".join(tokens.display).encode()  # what a page shows has a UTF-8 form


@pytest.mark.parametrize("kind", [*OWN, "byte_level", "byte_level_around"])
@hard_texts
@tried(text=texts())
def test_a_vocabulary_of_bytes_loses_nothing(kind: str, text: str) -> None:
    tokens = encoded(kind, text)
    if tokens is None:
        assert not text.strip()
        return
    tokenizer = tokenizer_of(kind)
    wanted = unicodedata.normalize("NFC", text) if kind in OWN else text
    if not any(special in text for special in ("<s>", "</s>", "<pad>", "<unk>", "<mask>")):
        assert tokenizer.decode(tokens.ids) == wanted
        # A token stands where the text says so: no letter of the text is left without one.
        held = {i for span in tokens.spans if span is not None for i in range(*span)}
        letters = {i for i, letter in enumerate(text) if not letter.isspace()}
        assert letters <= held


@pytest.mark.parametrize("kind", KINDS)
@tried(text=texts(max_size=20))
def test_what_was_encoded_is_read_back_from_its_ids(kind: str, text: str) -> None:
    tokens = encoded(kind, text)
    if tokens is not None:
        back = tokenizer_of(kind).from_ids(tokens.ids)
        assert back.ids == tokens.ids
        assert back.display == tokens.display
        assert all(span is None or span[1] <= len(back.text) for span in back.spans)


@pytest.mark.parametrize("kind", KINDS)
@example(text="a\ud83d")
@example(text="")
@tried(text=any_texts())
def test_a_text_is_read_or_refused_in_plain_words(kind: str, text: str) -> None:
    try:
        tokenizer_of(kind).encode(text)
    except InputError as error:
        check_words(error)


@pytest.mark.parametrize("kind", KINDS)
@tried(ids=st.lists(st.integers(-3, 700) | st.sampled_from([2**31, 2**32, 2**63, -1]), max_size=12))
def test_any_ids_are_shown_or_refused(kind: str, ids: list[int]) -> None:
    try:
        tokens = tokenizer_of(kind).from_ids(ids)
    except InputError:
        return
    assert tokens.ids == tuple(ids)
    tokens.text.encode()


@pytest.mark.parametrize("kind", ["bpe"])
def test_ten_thousand_words_are_read_to_the_last(kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    tokens = tokenizer.encode(LONG)
    assert len(tokens.words) >= 10_000
    assert max(span[1] for span in tokens.spans if span is not None) >= len(LONG.rstrip())


@pytest.mark.parametrize("kind", ["bpe", "byte_level", "word_piece"])
@tried(text=texts(), n_ctx=st.integers(1, 40))
def test_a_text_is_cut_to_its_longest_beginning_that_fits(kind: str, text: str, n_ctx: int) -> None:
    tokenizer = tokenizer_of(kind)
    before, tokenizer.n_ctx = tokenizer.n_ctx, n_ctx
    try:
        cut = cut_to_fit(tokenizer, text)
        assert text.startswith(cut)
        assert len(tokenizer.encode(cut)) <= n_ctx
    except (EmptyInputError, TextTooLongError):
        pass
    finally:
        tokenizer.n_ctx = before


@tried(text=any_texts())
def test_readable_text_hides_no_control_character(text: str) -> None:
    shown = readable(text)
    assert not any(unicodedata.category(letter) == "Cc" for letter in shown)
    shown.encode()


@tried(piece=texts(max_size=6), marks=st.sampled_from(Marks))
def test_any_entry_of_a_vocabulary_can_be_shown(piece: str, marks: Marks) -> None:
    show_piece(piece, marks).encode()
