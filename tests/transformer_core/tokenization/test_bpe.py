"""Our own tokenizer: nothing is lost, nothing is unknown, and tokens read as people read them."""

import json
import random
import unicodedata
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from transformer_core.errors import (
    EmptyInputError,
    FileFormatError,
    InputError,
    TextTooLongError,
)
from transformer_core.tokenization.bpe import BpeTokenizer, train_bpe

ENGLISH = [
    "The cat sat on the mat.",
    "I don't know what he's saying, and you're not helping.",
    "The model has 256 dimensions.",
    "Did the children really eat all of the cake?",
]
FRENCH = [
    "Le chat s'est assis sur le tapis.",
    "Je ne sais pas ce qu'il dit, et tu n'aides pas !",
    "L'homme aujourd'hui n'est pas là ; où est-il ?",
    "Le modèle a 256 dimensions.",
]


@pytest.fixture(scope="module")
def tokenizer() -> BpeTokenizer:
    return train_bpe((ENGLISH + FRENCH) * 5, vocab_size=400)


@pytest.mark.parametrize(
    "text",
    [
        *ENGLISH,
        *FRENCH,
        "  two spaces in front, one behind ",
        "a  b\t\tc\n\nd\r\n",
        "naïve œuvre Ça coûte 3,50 € – « voilà »…",
        "日本語 и русский و العربية",
        "👩‍👩‍👧‍👦 🇫🇷 e\u0301",
        "\x00 \x7f \u202e",
        "it’s l’homme",
        "x",
        "'",
        "</s> is written here",
    ],
)
def test_decoding_gives_the_text_back(tokenizer: BpeTokenizer, text: str) -> None:
    ids = tokenizer.encode(text).ids
    if "</s>" not in text:  # the mark itself is read as the end, and is no text
        assert tokenizer.decode(ids) == unicodedata.normalize("NFC", text)


def test_any_utf8_text_comes_back(tokenizer: BpeTokenizer) -> None:
    chance = random.Random(1)
    for _ in range(300):
        characters = [chr(chance.choice(_RANGES)) for _ in range(chance.randint(1, 30))]
        text = "a" + "".join(characters)
        assert tokenizer.decode(tokenizer.encode(text).ids) == unicodedata.normalize("NFC", text)


_RANGES = [*range(0x20, 0x250), *range(0x3040, 0x30FF), *range(0x1F300, 0x1F640), 0xE000, 0x10FFFF]


def test_composed_and_decomposed_letters_are_the_same_tokens(tokenizer: BpeTokenizer) -> None:
    assert tokenizer.encode("là").ids == tokenizer.encode("la\u0300").ids


def test_a_word_is_the_same_token_wherever_it_stands(tokenizer: BpeTokenizer) -> None:
    first = tokenizer.encode("Le chat").ids[0]
    assert tokenizer.encode("chat Le").ids[-2] == first


def test_a_source_ends_with_the_end_and_its_tokens_read_well(tokenizer: BpeTokenizer) -> None:
    tokens = tokenizer.encode("L'homme n'est pas là !")
    assert tokens.ids[-1] == tokenizer.eos_id == 2
    assert tokens.display[-1] == "</s>" and tokens.is_special[-1]
    assert "".join(tokens.display[:-1]).replace("␣", "") == "L'hommen'estpaslà!"
    assert [word.text for word in tokens.words if not word.is_special][:2] == ["L'homme", "n'est"]
    for shown, span in zip(tokens.display[:-1], tokens.spans, strict=False):
        assert span is not None
        assert tokens.text[slice(*span)] == shown


def test_spans_point_into_the_text_as_it_was_given(tokenizer: BpeTokenizer) -> None:
    text = "la\u0300 où"
    tokens = tokenizer.encode(text)
    assert tokens.spans[0] is not None and tokens.spans[0][0] == 0
    last = tokens.spans[-2]
    assert last is not None and text[last[0] : last[1]].endswith("ù")


def test_ids_read_back_are_the_encoded_tokens(tokenizer: BpeTokenizer) -> None:
    for text in ENGLISH + FRENCH:
        encoded = tokenizer.encode(text)
        assert tokenizer.from_ids(encoded.ids) == encoded


def test_what_a_decoder_reads_begins_with_the_start(tokenizer: BpeTokenizer) -> None:
    tokens = tokenizer.from_ids([1, *tokenizer.encode_target("Le chat").ids])
    assert tokens.display[0] == "<s>" and tokens.is_special[0]
    assert tokens.text == "Le chat"


def test_elisions_and_contractions_part_from_their_words(tokenizer: BpeTokenizer) -> None:
    assert tokenizer.encode("qu'il").display[0] == "qu'"
    assert tokenizer.encode("don't").display[-2] == "'t"


def test_digits_stand_alone(tokenizer: BpeTokenizer) -> None:
    assert tokenizer.encode("256").display[:3] == ("2", "5", "6")


def test_many_texts_at_once_are_the_same(tokenizer: BpeTokenizer) -> None:
    rows = tokenizer.encode_ids(ENGLISH)
    assert [(*row, 2) for row in rows] == [tokenizer.encode(text).ids for text in ENGLISH]


def test_saved_and_loaded_it_is_the_same(tokenizer: BpeTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = BpeTokenizer.load(tmp_path / "tokenizer.json", n_ctx=8)
    assert loaded.encode("Le chat") == tokenizer.encode("Le chat")
    assert (loaded.vocab_size, loaded.special_ids) == (400, frozenset({0, 1, 2}))
    with pytest.raises(TextTooLongError, match="8"):
        loaded.encode(ENGLISH[1])


def test_transformers_reads_the_file_alike(tokenizer: BpeTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    for text in ENGLISH + FRENCH:
        ids = theirs(text)["input_ids"]
        assert ids == tokenizer.encode_ids([text])[0]
        assert theirs.decode(ids, clean_up_tokenization_spaces=False) == text


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_a_text_of_nothing_is_refused(tokenizer: BpeTokenizer, text: str) -> None:
    with pytest.raises(EmptyInputError):
        tokenizer.encode(text)


def test_half_a_surrogate_pair_is_refused(tokenizer: BpeTokenizer) -> None:
    with pytest.raises(InputError, match="Character 2 "):
        tokenizer.encode("ab\ud83d")
    with pytest.raises(InputError, match="surrogate"):
        tokenizer.encode_ids(["ab\ud83d"])


@pytest.mark.parametrize("index", [-1, 400, 2**40])
def test_an_id_that_is_none_is_refused(tokenizer: BpeTokenizer, index: int) -> None:
    with pytest.raises(InputError, match="399"):
        tokenizer.show(index)


def test_a_vocabulary_without_room_for_the_bytes_is_refused() -> None:
    with pytest.raises(InputError, match="259"):
        train_bpe(ENGLISH, vocab_size=200)


@pytest.mark.parametrize("content", ["", "{}", "no json", '{"model": 1}'])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=r"tokenizer\.json"):
        BpeTokenizer.load(path)


def test_a_tokenizer_without_our_special_tokens_is_refused(
    tokenizer: BpeTokenizer, tmp_path: Path
) -> None:
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    content = json.loads(path.read_text())
    content["added_tokens"] = []
    vocab = content["model"]["vocab"]
    vocab["<start>"] = vocab.pop("<s>")
    path.write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match="<s>"):
        BpeTokenizer.load(path)
