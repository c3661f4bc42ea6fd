"""Learning rates over the steps of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from transformer_core.errors import ConfigError


@dataclass(frozen=True)
class Schedule:
    """A learning rate for every step.

    ``inverse-sqrt`` is the paper's: rising for ``warmup`` steps, then falling with the square root
    of the step (Vaswani et al. 2017, section 5.3, with the peak as a number of its own).
    ``trapezoid`` rises, stays, and falls in a straight line to 0 once a decay was begun, which can
    be decided late (Zhai et al. 2022; Hägele et al. 2024): for runs whose end is not known.

    Attributes:
        kind: Which of the two.
        peak: Highest rate.
        warmup: Steps until it is reached.
        decay_start: Step at which the trapezoid's fall begins; None while it has not been decided.
        decay_steps: How many steps the fall takes.
    """

    kind: Literal["trapezoid", "inverse-sqrt"] = "trapezoid"
    peak: float = 2e-3
    warmup: int = 1_000
    decay_start: int | None = None
    decay_steps: int = 0

    def __post_init__(self) -> None:
        """Refuse rates that never move.

        Raises:
            ConfigError: If a number is out of range.
        """
        if self.kind not in ("trapezoid", "inverse-sqrt"):
            raise ConfigError(f"schedule {self.kind!r}: choose trapezoid or inverse-sqrt.")
        if not 0 < self.peak < 1:
            raise ConfigError(f"The peak rate must lie between 0 and 1, not be {self.peak}.")
        if self.warmup < 1:
            raise ConfigError(f"The warm-up takes at least 1 step, not {self.warmup}.")
        if self.decay_start is not None and self.decay_steps < 1:
            raise ConfigError(f"The decay takes at least 1 step, not {self.decay_steps}.")

    def rate(self, step: int) -> float:
        """Return the rate of a step, counted from 1."""
        risen = min(1.0, step / self.warmup)
        if self.kind == "inverse-sqrt":
            return self.peak * min(risen, math.sqrt(self.warmup / max(step, 1)))
        if self.decay_start is None or step <= self.decay_start:
            return self.peak * risen
        left = 1 - (step - self.decay_start) / self.decay_steps
        return self.peak * risen * max(left, 0.0)

    @property
    def last_step(self) -> int | None:
        """The step at which the rate reaches 0; None if it never does."""
        if self.kind != "trapezoid" or self.decay_start is None:
            return None
        return self.decay_start + self.decay_steps

    def decaying(self, start: int, steps: int) -> Schedule:
        """Return this schedule with its fall beginning after step ``start``.

        Raises:
            ConfigError: If the schedule is no trapezoid.
        """
        if self.kind != "trapezoid":
            raise ConfigError("Only the trapezoid schedule has a decay that can be begun.")
        return replace(self, decay_start=start, decay_steps=steps)
