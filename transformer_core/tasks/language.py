"""Whether a text is one that a model has learned to read, by its letters and its small words."""

from __future__ import annotations

import unicodedata

_SMALL_WORDS = {
    "English": "the of and to in is that it for was on are as with his they at be this have from",
    "French": "le la les des et est une un du que dans qui pour pas sur au avec ne ce il elle où",
    "German": "der die das und ist nicht ein eine zu den mit von auf für dem sich im es ich wo",
    "Spanish": "el los las que una un por con para del se no es al lo como más pero dónde está",
    "Italian": "il gli che di una non per con del della sono è nel ma come più dove questo si",
    "Portuguese": "os que uma um não para com do da em no na por mais como dos mas onde está ao",
}
_WORDS = {language: frozenset(words.split()) for language, words in _SMALL_WORDS.items()}
ENOUGH = 2
"""Small words of another language that tell of it."""


def doubt(text: str, model_reads: str = "English") -> str | None:
    """Say why a model will not make sense of a text; None where nothing speaks against it.

    A guess from the script of its letters and from frequent small words, which no model is needed
    for; short texts may be of any language.

    Args:
        text: Any text.
        model_reads: The language that the model learned, a name in English.
    """
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return "The text holds no word. The model writes something all the same; it means nothing."
    n_latin = sum(_is_latin(letter) for letter in letters)
    if 2 * n_latin < len(letters):
        return (
            f"{len(letters) - n_latin:,} of {len(letters):,} letters are of another script than "
            f"{model_reads}. The model learned {model_reads}: what it writes here means nothing."
        )
    words = "".join(c if c.isalpha() else " " for c in text.casefold()).split()
    counts = {name: sum(word in known for word in words) for name, known in _WORDS.items()}
    likely = max(counts, key=lambda name: (counts[name], name == model_reads))
    if likely == model_reads or counts[likely] < max(ENOUGH, 2 * counts.get(model_reads, 0)):
        return None
    return f"This looks like {likely}. The model learned {model_reads}: expect little sense."


def _is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(("LATIN", "FEMININE", "MASCULINE", "FULLWIDTH"))
