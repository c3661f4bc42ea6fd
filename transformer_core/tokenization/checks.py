"""What every tokenizer refuses to read."""

from transformer_core.errors import EmptyInputError, InputError


def check_text(text: str) -> None:
    """Refuse a text that stands for nothing.

    Raises:
        EmptyInputError: If there is nothing but white space.
        InputError: If the text holds half of a surrogate pair.
    """
    if not text.strip():
        raise EmptyInputError("There is no text yet: type a sentence.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"Character {error.start} of the text (U+{ord(text[error.start]):04X}) is half of a "
            "surrogate pair, which stands for no character. Remove it, or paste the text again."
        ) from None
