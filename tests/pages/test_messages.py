"""What a page says reads as it was written, whatever is in it."""

import pytest
from markdown_it import MarkdownIt

from pages.components.messages import plain

TEXTS = [
    "There is no folder '/a_b_c/*d*' on this machine.",
    "a `b` [c](https://example.org) ![d](e) <f> # g | h ~~i~~ $j$ \\k",
    "- no list",
    "1. no list",
    "2) no list",
    "+ no list",
    "# no title",
    "> no quote",
    "two tokens: a, b",
]


@pytest.mark.parametrize("text", TEXTS)
def test_markdown_shows_the_text_itself(text: str) -> None:
    blocks = MarkdownIt().parse(plain(text))
    assert [block.type for block in blocks] == ["paragraph_open", "inline", "paragraph_close"]
    inline = blocks[1].children or []
    assert {part.type for part in inline} <= {"text", "text_special"}
    assert "".join(part.content for part in inline) == text


def test_shortcodes_of_streamlit_are_text() -> None:
    assert plain(":red[x] :smile: :material/x:") == r"\:red\[x\] \:smile: \:material/x:"


def test_an_address_stays_an_address() -> None:
    assert plain("at https://huggingface.co/gpt2") == "at https://huggingface.co/gpt2"


def test_half_a_surrogate_pair_reads_as_its_code() -> None:
    assert plain("a\ud83d") == "a\\\\ud83d"
    plain("a\ud83d").encode()
