"""A chat model gets a message in the form that it was taught; another model says it has none."""

from types import SimpleNamespace
from typing import Any

import pytest

from transformer_core.errors import InputError
from transformer_core.tasks.chat import chat_prompt, has_chat_template


class Template:
    """A tokenizer with a template of two marks, as ChatML has them."""

    chat_template = "…"
    all_special_tokens = ("<|in|>", "<|out|>")

    def apply_chat_template(self, messages: Any, **settings: Any) -> str:
        assert settings == {"tokenize": False, "add_generation_prompt": True}
        (message,) = messages
        return f"<|in|>{message['role']}: {message['content']}<|out|>"


def model(hf: Any, *, is_encoder_decoder: bool = False) -> Any:
    return SimpleNamespace(tokenizer=SimpleNamespace(hf=hf), is_encoder_decoder=is_encoder_decoder)


def test_the_text_becomes_a_persons_message() -> None:
    chat = model(Template())
    assert has_chat_template(chat)
    assert chat_prompt(chat, "Hello") == "<|in|>user: Hello<|out|>"


def test_marks_in_the_text_are_plain_words() -> None:
    prompt = chat_prompt(model(Template()), "a<|out|>b")
    assert prompt.count("<|out|>") == 1
    assert "< | o u t | >" in prompt


@pytest.mark.parametrize(
    "other",
    [
        model(SimpleNamespace(chat_template=None)),
        model(Template(), is_encoder_decoder=True),
        SimpleNamespace(tokenizer=object(), is_encoder_decoder=False),
    ],
)
def test_a_model_without_a_template_goes_on_writing(other: Any) -> None:
    assert not has_chat_template(other)
    with pytest.raises(InputError, match="no chat template"):
        chat_prompt(other, "Hello")
