"""Texts of every script, by tokenizers of every kind: what people see, and where it stands."""

import pytest

from tests.support.tiny_tokenizers import TOKENIZERS
from transformer_core.tokenization.huggingface import HuggingFaceTokenizer

# Each text as the words that people see; what stands between them is white space.
TEXTS: dict[str, tuple[str, list[str]]] = {
    "a family": ("👩\u200d👩\u200d👧 ok", ["👩\u200d👩\u200d👧", "ok"]),
    "flag, rainbow, skin": (
        "🇫🇷 🏳\ufe0f\u200d🌈 👍🏽",
        ["🇫🇷", "🏳\ufe0f\u200d🌈", "👍🏽"],
    ),
    "Chinese and Japanese": ("中文テキスト", ["中", "文", "テキスト"]),
    "Korean": ("한국어 말", ["한국어", "말"]),
    "right to left, mixed": (
        "שָׁלוֹם world مَرحبا 123",
        ["שָׁלוֹם", "world", "مَرحبا", "123"],
    ),
    "combining accents": ("e\u0301te\u0301 Z\u0335a\u0308", ["e\u0301te\u0301", "Z\u0335a\u0308"]),
    "composed accents": ("été Ünter", ["été", "Ünter"]),
    "Devanagari and Thai": ("नमस्ते ไทย", ["नमस्ते", "ไทย"]),
    "outside the first plane": ("𝔘𝔫𝔦 x", ["𝔘𝔫𝔦", "x"]),
    "NUL and escape": ("a\x00b \x1b", ["a", "␀", "b", "␛"]),
    "marks of direction": ("\u202etxt\u202c", ["⟨U+202E⟩", "txt", "⟨U+202C⟩"]),
    "a soft hyphen and a zero-width space": (
        "a\u00adb\u200bc",
        ["a", "⟨U+00AD⟩", "b", "⟨U+200B⟩", "c"],
    ),
}
BYTES = ["byte_level", "byte_level_around", "byte_fallback"]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HuggingFaceTokenizer]:
    base = tmp_path_factory.mktemp("scripts")
    made = {}
    for kind, make in TOKENIZERS.items():
        (base / kind).mkdir()
        made[kind] = HuggingFaceTokenizer(make(base / kind))
    return made


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", BYTES)
def test_bytes_join_to_the_words_that_people_see(
    kind: str, name: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    text, expected = TEXTS[name]
    words = [word.text for word in ours[kind].encode(text).words if not word.is_special]
    assert words == expected


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", BYTES)
def test_the_bytes_that_are_shown_are_those_of_the_text(
    kind: str, name: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    text, _ = TEXTS[name]
    tokens = ours[kind].encode(text)
    for shown, span in zip(tokens.display, tokens.spans, strict=True):
        if span is not None and len(shown) == len("⟨E2⟩") and shown[0] == "⟨":
            assert int(shown[1:3], 16) in text[span[0] : span[1]].encode()


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_no_token_stands_on_part_of_another_words_text(
    kind: str, name: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    text, _ = TEXTS[name]
    tokens = ours[kind].encode(text)
    ends = 0
    for word in tokens.words:
        spans = [span for i in word.positions if (span := tokens.spans[i]) is not None]
        if not spans:
            continue
        assert min(start for start, _ in spans) >= ends
        ends = max(end for _, end in spans)
    assert ends <= len(text)


@pytest.mark.parametrize("kind", ["word_piece", "unigram", "marian", "m2m_100"])
def test_what_a_vocabulary_does_not_know_is_shown_so_and_stands_at_its_text(
    kind: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    tokens = ours[kind].encode("the 👩\u200d👩\u200d👧 cat")
    at = next(i for i, shown in enumerate(tokens.display) if shown.lower() in {"[unk]", "<unk>"})
    assert not tokens.is_special[at]
    span = tokens.spans[at]
    assert span is not None
    assert tokens.text[span[0] : span[1]] == "👩\u200d👩\u200d👧"


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", BYTES)
def test_ids_alone_bring_the_text_back(
    kind: str, name: str, ours: dict[str, HuggingFaceTokenizer]
) -> None:
    text, expected = TEXTS[name]
    again = ours[kind].from_ids(ours[kind].encode(text).ids)
    assert again.text.strip() == text
    assert [word.text for word in again.words if not word.is_special] == expected
