"""What a person sets before a run on the page, with its limits; nothing here imports torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from transformer_core.config import Norm, Positions, TransformerConfig
from transformer_core.errors import CheckpointError, ConfigError
from transformer_core.training.toy_tasks import TASKS, task_named

if TYPE_CHECKING:
    from transformer_core.training.recipe import Recipe

OWN = "own"
"""The task of those who bring pairs of their own."""
DISTIL, DISTIL_OWN = "distil", "distil-own"
"""The tasks of a student: it learns from the built-in translator, on the pairs that ship or on a
person's own."""
TEACHER = "en-fr-small"
SETTINGS = "settings.json"
N_PAIRS = 10_000
"""Pairs of a toy task that are learnt from."""
N_CTX = 64
OWN_N_CTX = 128
"""Positions of a model of own pairs; longer pairs are left out, and it is said how many."""


class Limit(NamedTuple):
    """Smallest and largest value of a number, and what it is called."""

    least: float
    most: float
    words: str

    def check(self, value: float) -> None:
        """Refuse a value out of range.

        Raises:
            ConfigError: With the value and the range.
        """
        if not (math.isfinite(value) and self.least <= value <= self.most):
            raise ConfigError(
                f"{self.words} runs from {self.least:g} to {self.most:g}; {value:g} is outside."
            )


LIMITS = {
    "d_model": Limit(16, 256, "The width d_model"),
    "n_heads": Limit(1, 8, "The number of heads"),
    "n_layers": Limit(1, 6, "The number of layers"),
    "dropout": Limit(0, 0.5, "Dropout"),
    "peak": Limit(1e-5, 0.1, "The learning rate"),
    "warmup": Limit(1, 10_000, "The warm-up in steps"),
    "batch": Limit(4, 256, "The batch in pairs"),
    "label_smoothing": Limit(0, 0.5, "Label smoothing"),
    "max_steps": Limit(10, 50_000, "The number of steps"),
    "temperature": Limit(0.5, 10, "The temperature"),
    "soft_share": Limit(0, 1, "The share of the soft loss"),
    "seed": Limit(0, 2**31 - 1, "The seed"),
    "vocab_size": Limit(300, 8_000, "The size of the vocabulary"),
}


@dataclass(frozen=True)
class LiveSettings:
    """A run on the page; the defaults learn to reverse ten letters in a minute.

    Attributes:
        task: A toy task's name, or ``own`` for pairs that a person brings.
        size: How long a toy task's sources are.
        level: What a token of one's own pairs is; toy tasks have characters.
        vocab_size: Entries of a BPE vocabulary.
        d_model: Width of the residual stream.
        n_heads: Heads of a layer.
        n_layers: Layers of the encoder, and of the decoder.
        norm: ``pre`` or ``post``.
        positions: How order gets in.
        dropout: Share dropped in training.
        peak: Highest learning rate.
        warmup: Steps until it is reached; 1 is none, and the rate then stays.
        batch: Pairs of a batch, of the longest length.
        label_smoothing: Share of the label's probability that is spread.
        max_steps: Step at which the run ends.
        seed: Of data, first weights and order.
        temperature: Of a student and its teacher: what logits are divided by.
        soft_share: Of a student: the share of the loss that the teacher sets; the true tokens set
            the rest.

    Raises:
        ConfigError: If a value is out of range or two contradict each other.
    """

    task: str = "reverse"
    size: int = 10
    level: Literal["characters", "bpe"] = "characters"
    vocab_size: int = 1_000
    d_model: int = 64
    n_heads: int = 4
    n_layers: int = 2
    norm: Norm = "pre"
    positions: Positions = "sinusoidal"
    dropout: float = 0.0
    peak: float = 2e-3
    warmup: int = 100
    batch: int = 32
    label_smoothing: float = 0.1
    max_steps: int = 1_500
    seed: int = 0
    temperature: float = 1.0
    soft_share: float = 0.7

    def __post_init__(self) -> None:
        for name, limit in LIMITS.items():
            limit.check(getattr(self, name))
        if self.is_toy:
            task_named(self.task).check_size(self.size)
        if self.level not in ("characters", "bpe"):
            raise ConfigError(f"level is {self.level!r}; it must be characters or bpe.")
        if self.level == "bpe" and self.task != OWN:
            raise ConfigError("The toy tasks are read character by character.")
        self.config(300)

    @property
    def is_distilled(self) -> bool:
        """Whether a teacher is listened to."""
        return self.task in (DISTIL, DISTIL_OWN)

    @property
    def is_toy(self) -> bool:
        """Whether the pairs are made up, from the seed."""
        return self.task != OWN and not self.is_distilled

    @property
    def brings_pairs(self) -> bool:
        """Whether a person brings the pairs."""
        return self.task in (OWN, DISTIL_OWN)

    @property
    def title(self) -> str:
        """What the run is called."""
        if self.task == OWN:
            return "Own pairs"
        if self.is_distilled:
            return f"Student of {TEACHER}" + (", own pairs" if self.brings_pairs else "")
        task = TASKS[self.task]
        return (
            f"{task.title}, {self.size} {task.size_name.lower()}" if task.size_name else task.title
        )

    @property
    def n_ctx(self) -> int:
        """Positions that the model reads at most."""
        return N_CTX if self.is_toy else OWN_N_CTX

    @property
    def shape(self) -> dict[str, Any]:
        """The model's configuration without its vocabulary, as a plan of a run takes it."""
        return {
            "d_model": self.d_model,
            "n_heads": self.n_heads,
            "d_ff": 2 * self.d_model,
            "n_encoder_layers": self.n_layers,
            "n_decoder_layers": self.n_layers,
            "n_ctx": self.n_ctx,
            "dropout": self.dropout,
            "norm": self.norm,
            "positions": self.positions,
        }

    def config(self, vocab_size: int) -> TransformerConfig:
        """The model's configuration.

        Raises:
            ConfigError: If heads and width do not fit.
        """
        return TransformerConfig(vocab_size=vocab_size, **self.shape)

    def recipe(self, longest: int) -> Recipe:
        """How it is trained: AdamW, the paper's rise and fall of the rate.

        Without a warm-up the rate is at its peak from the first step and stays there: the paper's
        fall with √(warm-up ÷ step) would take it down at once.

        Args:
            longest: Tokens of the longest side, its special token included.
        """
        from transformer_core.training.recipe import Recipe
        from transformer_core.training.schedule import Schedule

        return Recipe(
            seed=self.seed,
            max_tokens=self.batch * longest,
            schedule=Schedule(
                "inverse-sqrt" if self.warmup > 1 else "trapezoid",
                peak=self.peak,
                warmup=self.warmup,
            ),
            label_smoothing=self.label_smoothing,
        )

    def changed(self, **changes: Any) -> LiveSettings:
        """These settings with some of them changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> LiveSettings:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ConfigError: If a field is unknown or a value out of range.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(record) - known):
            raise ConfigError(f"Unknown setting {', '.join(unknown)}.")
        try:
            return cls(**record)
        except TypeError as error:
            raise ConfigError(f"These are no settings of a run: {error}") from error

    def save(self, folder: Path) -> None:
        """Write them into a run's folder."""
        (folder / SETTINGS).write_text(json.dumps(self.to_dict(), indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> LiveSettings:
        """Read them from a run's folder.

        Raises:
            CheckpointError: If there are none that can be read.
        """
        try:
            return cls.from_dict(json.loads((folder / SETTINGS).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, ConfigError) as error:
            raise CheckpointError(
                f"{folder.name} holds no run that can be read: {error}"
            ) from error


POST_WITHOUT_WARMUP = {"norm": "post", "warmup": 1, "n_layers": 4}
PRE_WITHOUT_WARMUP = {"norm": "pre", "warmup": 1, "n_layers": 4}
"""The ready comparison: the same deep model at its peak rate from the first step, norm last or
first (Xiong et al. 2020). Reversing ten letters, after 250 steps: 2.19 nats a token and nothing
right, against 0.13 and 90 %. Two layers learn either way."""
