"""A language that can be learnt in seconds: numbers in words."""

import random
from pathlib import Path

_ENGLISH = ("one", "two", "three", "four", "five", "six")
_FRENCH = ("un", "deux", "trois", "quatre", "cinq", "six")


def write_corpus(path: Path, *, n: int = 400, seed: int = 0) -> Path:
    """Write pairs such as ``two five`` and ``deux cinq``."""
    chance = random.Random(seed)
    rows = []
    for _ in range(n):
        digits = [chance.randrange(6) for _ in range(chance.randint(1, 6))]
        source = " ".join(_ENGLISH[digit] for digit in digits)
        rows.append(f"{source}\t{' '.join(_FRENCH[digit] for digit in digits)}\n")
    path.write_text("".join(rows), encoding="utf-8")
    return path
