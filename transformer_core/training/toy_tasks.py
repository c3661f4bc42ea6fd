"""Small tasks that are learned while somebody looks: pairs of strings, made on the spot."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from dataclasses import dataclass

from transformer_core.errors import ConfigError, DataError
from transformer_core.training.data import Pair

N_UNSEEN = 200
"""Strings that are kept from the training, to be tried on."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PATIENCE = 20
"""Draws for each pair that is wanted: a space too small to hold so many gives fewer."""
_FIRST_DAY = datetime.date(1900, 1, 1)
_N_DAYS = 73_049  # up to 2099-12-31

Make = Callable[[random.Random, int], tuple[str, str]]


@dataclass(frozen=True)
class ToyTask:
    """A task whose examples are made, not collected.

    Attributes:
        name: What settings call it.
        title: What people call it.
        what: What is to be learned, in a sentence.
        size_name: What its size counts; empty where it has none.
        sizes: Smallest, default and largest size.
        make: Draws a source of a size, and its target.
    """

    name: str
    title: str
    what: str
    size_name: str
    sizes: tuple[int, int, int]
    make: Make

    def check_size(self, size: int) -> None:
        """Refuse a size out of range.

        Raises:
            ConfigError: Naming the range.
        """
        least, _, most = self.sizes
        if self.size_name and not least <= size <= most:
            raise ConfigError(
                f"{self.title}: {self.size_name.lower()} run from {least} to {most}, not {size}."
            )


def _letters(rng: random.Random, size: int) -> str:
    return "".join(rng.choices(_LETTERS, k=size))


def _copy(rng: random.Random, size: int) -> tuple[str, str]:
    text = _letters(rng, size)
    return text, text


def _reverse(rng: random.Random, size: int) -> tuple[str, str]:
    text = _letters(rng, size)
    return text, text[::-1]


def _sort(rng: random.Random, size: int) -> tuple[str, str]:
    text = _letters(rng, size)
    return text, "".join(sorted(text))


def _add(rng: random.Random, size: int) -> tuple[str, str]:
    """Both numbers and the sum have a fixed number of digits, so that digits have fixed places."""
    first, second = rng.randrange(10**size), rng.randrange(10**size)
    return f"{first:0{size}d}+{second:0{size}d}", f"{first + second:0{size + 1}d}"


def _date(rng: random.Random, _: int) -> tuple[str, str]:
    day = _FIRST_DAY + datetime.timedelta(days=rng.randrange(_N_DAYS))
    # English names whatever the locale of the machine.
    month = _MONTHS[day.month - 1]
    forms = (
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{day.day} {month[:3]} {day.year}",
        f"{month[:3]} {day.day}, {day.year}",
        f"{day.day:02d}.{day.month:02d}.{day.year}",
    )
    return rng.choice(forms), day.isoformat()


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

TASKS = {
    task.name: task
    for task in (
        ToyTask(
            "copy",
            "Copy",
            "Write the letters as they stand: abc → abc.",
            "Symbols",
            (2, 10, 20),
            _copy,
        ),
        ToyTask(
            "reverse",
            "Reverse",
            "Write the letters from the end: abc → cba.",
            "Symbols",
            (2, 10, 20),
            _reverse,
        ),
        ToyTask(
            "sort",
            "Sort",
            "Write the letters in the order of the alphabet: bca → abc.",
            "Symbols",
            (2, 8, 16),
            _sort,
        ),
        ToyTask("add", "Add", "Write the sum: 12+95 → 107.", "Digits", (2, 2, 6), _add),
        ToyTask(
            "dates",
            "Dates",
            "Write a date in one form: 3 March 1984 → 1984-03-03.",
            "",
            (0, 0, 0),
            _date,
        ),
    )
}
"""The tasks by name."""


def task_named(name: str) -> ToyTask:
    """Return a task.

    Raises:
        ConfigError: If there is none of that name.
    """
    if name not in TASKS:
        raise ConfigError(f"There is no task {name!r}; there are {', '.join(TASKS)}.")
    return TASKS[name]


def make_pairs(
    task: ToyTask, *, size: int, n_pairs: int, seed: int
) -> tuple[list[Pair], list[Pair]]:
    """Draw pairs to learn from, and others with sources that are not among them.

    Args:
        task: What to learn.
        size: How long a source is, in what ``size_name`` counts.
        n_pairs: Pairs to learn from; fewer where there are not so many sources.
        seed: Decides all draws.

    Returns:
        The pairs to learn from, and the unseen ones.

    Raises:
        ConfigError: If the size is out of range.
        DataError: If the task has next to no sources of that size.
    """
    task.check_size(size)
    rng = random.Random(seed)  # noqa: S311 (strings to learn from, no secrets)
    found: dict[str, str] = {}
    for _ in range(_PATIENCE * (n_pairs + N_UNSEEN)):
        source, target = task.make(rng, size)
        found.setdefault(source, target)
        if len(found) == n_pairs + N_UNSEEN:
            break
    pairs = [Pair(source, target, line) for line, (source, target) in enumerate(found.items(), 1)]
    is_full = len(pairs) == n_pairs + N_UNSEEN
    n_unseen = N_UNSEEN if is_full else min(N_UNSEEN, len(pairs) // 5)
    if not n_unseen:
        raise DataError(f"{task.title}: there are only {len(pairs)} sources of size {size}.")
    return pairs[n_unseen:], pairs[:n_unseen]
