"""What a chat model reads: a text as a person's message, or the text as it stands."""

from __future__ import annotations

from typing import Any

from transformer_core.errors import InputError


def has_chat_template(model: Any) -> bool:
    """Whether a model was taught to answer messages, and its tokenizer says in which form."""
    tokenizer = getattr(model.tokenizer, "hf", None)
    return not model.is_encoder_decoder and bool(getattr(tokenizer, "chat_template", None))


def chat_prompt(model: Any, text: str) -> str:
    """The text as a person's message, up to where the model's answer begins.

    Marks of roles inside the text are spaced out, so that whoever types them writes plain words.

    Args:
        model: One for which :func:`has_chat_template` holds.
        text: The message.

    Raises:
        InputError: If the model has no chat template.
    """
    if not has_chat_template(model):
        raise InputError(
            "This model has no chat template, so it cannot be sent a message; it goes on writing "
            "from a text."
        )
    tokenizer = model.tokenizer.hf
    for mark in tokenizer.all_special_tokens:
        text = text.replace(mark, " ".join(mark))
    message = [{"role": "user", "content": text}]
    return str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))
