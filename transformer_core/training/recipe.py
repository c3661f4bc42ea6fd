"""What a run is made with: everything that its result depends on besides data and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from transformer_core.errors import ConfigError
from transformer_core.training.schedule import Schedule


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes:
        seed: Decides first weights, order of the data and dropout.
        max_tokens: Most positions of either side of a batch.
        schedule: The learning rate.
        label_smoothing: Share of the label's probability that is spread over the vocabulary.
        betas: AdamW's two decays.
        weight_decay: AdamW's, for matrices; vectors (norms, biases) have none.
        clip: Largest norm of the gradient; longer ones are shortened to it.
        precision: What products are computed in; weights and moments are always float32.
    """

    seed: int = 0
    max_tokens: int = 4096
    schedule: Schedule = field(default_factory=Schedule)
    label_smoothing: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with.

        Raises:
            ConfigError: If a number is out of range.
        """
        if self.max_tokens < 1:
            raise ConfigError(f"A batch holds at least 1 token, not {self.max_tokens}.")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(
                f"Label smoothing is a share from 0 to below 1, not {self.label_smoothing}."
            )
        if self.clip <= 0:
            raise ConfigError(f"The gradient is clipped at a norm above 0, not {self.clip}.")
        if self.precision not in ("float32", "bfloat16"):
            raise ConfigError(f"precision {self.precision!r}: choose float32 or bfloat16.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Recipe:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ConfigError: If a field is unknown or out of range.
        """
        try:
            values = dict(record)
            values["schedule"] = Schedule(**values["schedule"])
            values["betas"] = tuple(values["betas"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise ConfigError(f"This is no recipe of a training: {error}") from error
