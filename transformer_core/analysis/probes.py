"""The fixed texts on which heads are told apart: always the same, so that scores can be compared.

Thirty sentences, written for this project, show what a head does on language. Eight sequences of
random words, each said twice, show what it does where nothing but repetition helps: there the word
that follows can be known only from its first time (Olsson et al. 2022, "In-context Learning and
Induction Heads", section "repeated random tokens").
"""

import random
from dataclasses import dataclass

SENTENCES = (
    "The animal didn't cross the street because it was too tired.",
    "She poured the water into the glass until it was full.",
    "After the rain stopped, the children ran out into the garden.",
    "The keys to the old cabinet are on the kitchen table.",
    "In 1969, two people walked on the moon for the first time.",
    "My brother lives in Paris, but he works in London.",
    "Nobody knew why the train had stopped between two stations.",
    "The doctor told the nurse that she would be late.",
    "If you heat the metal slowly, it bends without breaking.",
    "The report, which was long, surprised every member of the board.",
    "Can you tell me where the nearest post office is?",
    "He bought apples, pears, plums and a loaf of bread.",
    "The new bridge is longer than the old one.",
    "When the lights went out, we sat in the dark and waited.",
    "The company sold its factory in Germany last year.",
    "Although the film was short, it seemed to last for hours.",
    "A small boat drifted down the river past the mill.",
    "The teacher asked the students to read the second chapter.",
    "Please close the window before you leave the room.",
    "The price of coffee rose by twelve percent in March.",
    "The dog that chased the cat was hungry.",
    "Most of the houses on this street were built before the war.",
    "They have never seen snow, so they were very excited.",
    "The committee will meet again on Tuesday at nine.",
    "What he said was true, but what he did was wrong.",
    "The engine makes a strange noise whenever the car turns left.",
    "Her first book was about birds; her second was about maps.",
    "The museum opens at ten and closes at six every day.",
    "Scientists have found water under the surface of Mars.",
    "I would have called you, but I lost my phone.",
)
"""Everyday English of 8 to 12 words, with pronouns, clauses, names, numbers and lists."""

_NOUNS = """
arm bag ball bank bed bell bird boat bone book box bread bridge bus cake card cat chair city
clock cloud coat coin corn cow cup desk dog door dress duck ear egg eye face farm field fire
fish flag flower foot fork fruit game gate gift girl glass gold hair hand hat head hill home
horse house ice ink iron jar key king knife lake lamp land leaf leg letter light line lion
lip map meat milk mine mirror moon mouth music nail neck nest net night nose nut oil page
paint paper park pen pig pipe plant plate pool rain ring river road rock roof room root rope
rose salt sand school sea seed sheep ship shirt shoe shop silk sky snow soap song soup spoon
star stone sugar sun table tail tea tent tooth tower town train tree truck wall water wave
wheel wind window wine wing wood wool yard
"""
WORDS = tuple(_NOUNS.split())

N_REPEATS = 8
N_WORDS = 24
SEED = 2022


@dataclass(frozen=True)
class Probes:
    """Texts of two kinds.

    Attributes:
        sentences: Language.
        repeats: Random words, said twice.
    """

    sentences: tuple[str, ...]
    repeats: tuple[str, ...]


def repeated_words(n_texts: int, n_words: int, *, seed: int) -> tuple[str, ...]:
    """Texts of random words, no word twice, and then all of them again in the same order."""
    generator = random.Random(seed)  # noqa: S311 (a fixed sequence, no secret)
    texts = (generator.sample(WORDS, n_words) for _ in range(n_texts))
    return tuple(" ".join(words + words) for words in texts)


PROBES = Probes(SENTENCES, repeated_words(N_REPEATS, N_WORDS, seed=SEED))
"""The set that every model is measured on."""
