"""Hugging Face tokenizers of every kind, read as people read them."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from tests.support.tiny_tokenizers import TOKENIZERS
from transformer_core.errors import EmptyInputError, InputError, TextTooLongError
from transformer_core.tokenization.huggingface import HuggingFaceTokenizer

TEXTS = [
    "The cat didn't sleep; it was too tired.",
    "été e\u0301te\u0301 naïve",
    "🙂 and 👩\u200d👩\u200d👧, then ❤\ufe0f!",
    "中文 and 日本語のテキスト",
    "שלום world مرحبا",
    "two\nlines\tand a tab  and   spaces ",
    "a \x00 NUL, a \x1b escape, a \u202e mark",
    "<b>no markup</b> & <unknown> \\n",
]
KINDS = list(TOKENIZERS)
FAST = ["word_piece", "byte_level", "byte_level_around", "byte_fallback", "unigram"]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HuggingFaceTokenizer]:
    base = tmp_path_factory.mktemp("ours")
    return {kind: HuggingFaceTokenizer(_make(kind, base), n_ctx=128) for kind in KINDS}


def _make(kind: str, base: Path) -> PreTrainedTokenizerBase:
    folder = base / kind
    folder.mkdir()
    return TOKENIZERS[kind](folder)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_the_tokenizer_itself(
    kind: str, text: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    assert list(ours[kind].encode(text).ids) == ours[kind].hf(text)["input_ids"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_token_can_be_read_and_stands_in_order(
    kind: str, text: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    tokens = ours[kind].encode(text)
    assert all(shown and (shown.isprintable() or "\u200d" in shown) for shown in tokens.display)
    assert not any(mark in shown for shown in tokens.display for mark in ("Ġ", "Ċ", "▁", "<0x"))
    spans = [span for span in tokens.spans if span is not None]
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)


@pytest.mark.parametrize("kind", ["byte_level", "byte_level_around", "byte_fallback"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_words_of_a_byte_tokenizer_are_the_words_of_the_text(
    kind: str, text: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    words = [word for word in ours[kind].encode(text).words if not word.is_special]
    assert not any("⟨E" in word.text or "⟨F" in word.text for word in words)


def test_an_emoji_over_several_tokens_shows_bytes_and_is_one_word(
    ours: dict[str, HuggingFaceTokenizer],
) -> None:
    tokens = ours["byte_level"].encode("hi 🙂")
    assert tokens.display[-4:] == ("⟨F0⟩", "⟨9F⟩", "⟨99⟩", "⟨82⟩")
    assert tokens.spans[-4:] == ((3, 4),) * 4
    assert tokens.words[-1].text == "🙂"


def test_word_piece_shows_what_the_model_reads_and_points_at_the_text(
    ours: dict[str, HuggingFaceTokenizer],
) -> None:
    tokens = ours["word_piece"].encode("The CAT été")
    assert tokens.display[:3] == ("[CLS]", "the", "cat")
    assert tokens.spans[:3] == (None, (0, 3), (4, 7))
    assert tokens.words[-2].text == "ete"
    assert tokens.is_special[0] and tokens.is_special[-1] and not any(tokens.is_special[1:-1])


def test_a_mask_typed_into_the_text_is_no_token_that_the_model_added(
    ours: dict[str, HuggingFaceTokenizer],
) -> None:
    tokens = ours["word_piece"].encode("the [MASK] sat")
    place = tokens.display.index("[MASK]")
    assert not tokens.is_special[place]
    assert tokens.spans[place] == (4, 10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u2003"])
def test_a_text_of_nothing_is_refused(
    kind: str, text: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    with pytest.raises(EmptyInputError):
        ours[kind].encode(text)


def test_a_text_of_which_the_tokenizer_keeps_nothing_is_refused(
    ours: dict[str, HuggingFaceTokenizer],
) -> None:
    with pytest.raises(EmptyInputError, match="nothing that the model"):
        ours["word_piece"].encode("\x00")


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_surrogate_pair_is_refused_with_its_place(
    kind: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    with pytest.raises(InputError, match=r"Character 2 .*U\+D83D"):
        ours[kind].encode("ab\ud83d")


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_text_is_refused_before_anything_is_cut(
    kind: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    with pytest.raises(TextTooLongError) as caught:
        ours[kind].encode("cat " * 200)
    assert caught.value.limit == 128
    assert caught.value.n_tokens > 200 - 1


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_words_are_fast(kind: str, tmp_path: Path) -> None:
    tokenizer = HuggingFaceTokenizer(_make(kind, tmp_path))
    start = time.process_time()  # a busy machine takes its time, not the processor's
    tokens = tokenizer.encode("hello world " * 4_999 + "hello world")
    assert time.process_time() - start < 20  # 2 to 5 s, and more while coverage is measured
    assert sum(not word.is_special for word in tokens.words) == 10_000


@pytest.mark.parametrize("kind", KINDS)
def test_ids_come_back_as_text_and_tokens(kind: str, ours: dict[str, HuggingFaceTokenizer]) -> None:
    tokens = ours[kind].encode("the cat sat on the mat")
    again = ours[kind].from_ids(tokens.ids)
    assert (again.ids, again.display, again.is_special) == (
        tokens.ids,
        tokens.display,
        tokens.is_special,
    )
    assert ours[kind].decode(tokens.ids).strip() == "the cat sat on the mat"
    pieces = [again.text[span[0] : span[1]] for span in again.spans if span is not None]
    assert "".join("".join(pieces).split()) in {"thecatsatonthemat", "tthecatsatonthemat"}


def test_an_id_beyond_the_tokenizer_shows_as_its_number(
    ours: dict[str, HuggingFaceTokenizer],
) -> None:
    assert ours["byte_level"].from_ids([5, 100_000]).display[1] == "<100000>"
    with pytest.raises(InputError, match="-1"):
        ours["byte_level"].from_ids([-1])


def test_a_target_is_encoded_by_the_target_side(ours: dict[str, HuggingFaceTokenizer]) -> None:
    marian, m2m = ours["marian"], ours["m2m_100"]
    assert marian.encode_target("le chat").display != marian.encode("le chat").display
    assert marian.encode("le chat").display == marian.encode("le chat").display
    assert m2m.encode("le chat").display[0] == "__en__"
    assert m2m.encode_target("le chat").display[0] == "__fr__"
    assert m2m.encode("le chat").display[0] == "__en__"


def test_without_two_sides_a_target_is_encoded_like_a_source(
    ours: dict[str, HuggingFaceTokenizer],
) -> None:
    assert ours["unigram"].encode_target("le chat") == ours["unigram"].encode("le chat")


def test_truncation_and_padding_saved_with_a_tokenizer_are_ignored(tmp_path: Path) -> None:
    raw = _make("word_piece", tmp_path)
    raw.backend_tokenizer.enable_truncation(4)
    raw.backend_tokenizer.enable_padding(length=50)
    tokens = HuggingFaceTokenizer(raw).encode("one two three four five six seven")
    assert tokens.display[-2:] == ("seven", "[SEP]")


@pytest.mark.parametrize("kind", ["byte_level", "marian", "m2m_100"])
def test_threads_share_a_tokenizer(kind: str, ours: dict[str, HuggingFaceTokenizer]) -> None:
    texts = [f"the cat sat on {number} mats" for number in range(40)]
    expected = [ours[kind].encode(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        targets = pool.map(ours[kind].encode_target, texts)
        assert list(pool.map(ours[kind].encode, texts)) == expected
        assert len(list(targets)) == 40
