"""A vocabulary of characters: one token each, and nothing unknown."""

import pytest

from transformer_core.tokenization.characters import train_characters

TEXTS = ["abc", "été", "日本", "😀 x"]


@pytest.mark.parametrize("text", [*TEXTS, "a b", " lead", "trail ", "tab\there"])
def test_every_character_of_the_texts_is_one_token(text: str) -> None:
    tokenizer = train_characters(TEXTS)
    assert len(tokenizer.encode(text)) == len(text) + 1  # and </s>
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_an_unknown_character_is_read_as_its_bytes() -> None:
    tokenizer = train_characters(["abc"])
    assert tokenizer.vocab_size == 259
    assert len(tokenizer.encode("ü")) == 3
    assert tokenizer.decode(tokenizer.encode("aü☃").ids) == "aü☃"


def test_tokens_of_ids_read_as_the_text_does() -> None:
    tokenizer = train_characters(TEXTS)
    tokens = tokenizer.from_ids([tokenizer.bos_id, *tokenizer.encode("éa").ids])
    assert tokens.display == ("<s>", "é", "a", "</s>")
