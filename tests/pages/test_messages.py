"""What a page says reads as it was written, whatever is in it."""

import re

import pytest
from markdown_it import MarkdownIt

from pages.components.messages import plain

UNSEEN = "\u2060"

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
    "12. no list",
    "  - no list",
    "-1 and 3.5",
    "title\n=====",
    "title\n---",
    "a\n\n---\n\nb",
    "a\n\n      no code",
    "a\n1. no list\n- no list",
]


@pytest.mark.parametrize("text", TEXTS)
def test_markdown_shows_the_text_itself(text: str) -> None:
    blocks = MarkdownIt().parse(plain(text))
    assert {block.type for block in blocks} == {"paragraph_open", "inline", "paragraph_close"}
    inline = [block.children or [] for block in blocks if block.type == "inline"]
    assert {part.type for parts in inline for part in parts} <= {
        "text",
        "text_special",
        "softbreak",
    }
    shown = " ".join("".join(part.content or " " for part in parts) for parts in inline)
    assert shown.replace(UNSEEN, "").split() == text.split()


def test_shortcodes_of_streamlit_are_text() -> None:
    assert plain(":red[x] 3:4") == r"\:red\[x\] 3\:4"
    for code in (":smile:", ":material/x:", ":+1:", ":streamlit:"):
        assert re.search(r":(material/)?[\w+-]+:", plain(f"a {code} b")) is None


@pytest.mark.parametrize("sign", ["->", "<-", "<->", "--", "<=", ">=", "~="])
def test_a_sign_between_spaces_is_not_changed(sign: str) -> None:
    said = plain(f"a {sign} b").replace("\\", "")
    assert re.search(rf"(^|\s){re.escape(sign)}(\s|$)", said) is None
    assert said.replace(UNSEEN, "") == f"a {sign} b"


@pytest.mark.parametrize("text", ["http://a.example", "HTTPS://a.example/b", "www.a.example"])
def test_an_address_in_a_text_becomes_no_link(text: str) -> None:
    said = plain(f"see {text}").replace("\\", "")
    assert re.search(r"(https?://|www(?=\.))[-.\w]+", f"see {text}", re.IGNORECASE), (
        "as browsers do"
    )
    assert re.search(r"(https?://|www(?=\.))[-.\w]+", said, re.IGNORECASE) is None
    assert said.replace(UNSEEN, "") == f"see {text}"


def test_an_address_for_mail_becomes_no_link() -> None:
    said = plain("to me.you@a.example").replace("\\", "")
    assert re.search(r"[-.\w+]+@[-\w]+(\.[-\w]+)+", said) is None


def test_an_address_stays_an_address() -> None:
    assert plain("at https://huggingface.co/gpt2") == "at https://huggingface.co/gpt2"


def test_half_a_surrogate_pair_reads_as_its_code() -> None:
    assert plain("a\ud83d") == "a\\\\ud83d"
    plain("a\ud83d").encode()
