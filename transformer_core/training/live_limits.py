"""What a server lets people train."""

from __future__ import annotations

from dataclasses import dataclass

from transformer_core.settings import settings


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
    def of_settings(cls) -> LiveLimits:
        """Return what the server's settings say.

        Raises:
            ConfigError: If one of them cannot be used.
        """
        said = settings()
        return cls(said.runs, said.runs_each, said.run_minutes)
