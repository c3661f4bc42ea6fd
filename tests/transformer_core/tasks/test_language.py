"""A text that a model cannot read is told from one that it can; in doubt nothing is said."""

import pytest

from transformer_core.tasks.language import doubt


@pytest.mark.parametrize(
    "text",
    [
        "The Transformer model has revolutionized natural language processing.",
        "Where is the station?",
        "cat",
        "BLEU, chrF and GPU",
        "Die, he said, and the die was cast in the night.",
        "Σ is the sum of the numbers from 1 to n.",
    ],
)
def test_english_and_what_may_be_english_raise_no_doubt(text: str) -> None:
    assert doubt(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("😀😀 🎉", "no word"),
        ("12 + 34 = 46", "no word"),
        ("日本語の文です。", "8 of 8|7 of 7"),
        ("שלום, מה שלומך היום?", "another script"),
        ("Где находится вокзал?", "another script"),
        ("Où est la gare, et que fait le chat dans la maison ?", "French"),
        ("Der Hund ist nicht im Haus, und die Katze auch nicht.", "German"),
        ("¿Dónde está el perro que no es de los niños?", "Spanish"),
    ],
)
def test_other_scripts_and_languages_are_named(text: str, message: str) -> None:
    found = doubt(text)
    assert found is not None
    assert any(part in found for part in message.split("|"))


def test_a_model_of_another_language_is_not_told_to_read_english() -> None:
    assert doubt("Où est la gare, et que fait le chat ?", "French") is None
    assert doubt("The dog is in the house and the cat is not.", "French") is not None
