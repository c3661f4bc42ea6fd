"""What a server lets people train, from its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from transformer_core.errors import ConfigError

RUNS = "TRANSFORMER_WORKBENCH_RUNS"
RUNS_EACH = "TRANSFORMER_WORKBENCH_RUNS_EACH"
RUN_MINUTES = "TRANSFORMER_WORKBENCH_RUN_MINUTES"


@dataclass(frozen=True)
class LiveLimits:
    """How much is trained at once, and for how long.

    Attributes:
        n_runs: Runs that train at once on the server.
        n_each: Runs that train at once for one person.
        minutes: Minutes of training after which a run ends.
        n_kept: Runs whose files are kept, the newest; older ones that do not train are deleted.
    """

    n_runs: int = 4
    n_each: int = 2
    minutes: float = 20.0
    n_kept: int = 40

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> LiveLimits:
        """Read ``TRANSFORMER_WORKBENCH_RUNS``, ``…_RUNS_EACH`` and ``…_RUN_MINUTES``.

        Raises:
            ConfigError: If one of them is no number of at least 0 (minutes: above 0).
        """
        plain = cls()
        minutes = _number(environment, RUN_MINUTES, plain.minutes)
        if minutes <= 0:
            raise ConfigError(f"{RUN_MINUTES} is {minutes:g}; it must be above 0.")
        return cls(
            int(_number(environment, RUNS, plain.n_runs)),
            int(_number(environment, RUNS_EACH, plain.n_each)),
            minutes,
        )


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
        if not 0 <= value < 1e9:
            raise ValueError(text)
    except ValueError as error:
        raise ConfigError(f"{name} is {text!r}; it must be a number of at least 0.") from error
    return value
