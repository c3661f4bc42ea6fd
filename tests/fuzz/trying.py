"""How hard the properties are tried: the same few examples in CI, new and many ones on request.

``make fuzz`` (``HYPOTHESIS_PROFILE=long``) draws anew each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

_QUIET = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large)
PROFILES = {
    "ci": settings(
        max_examples=30, derandomize=True, deadline=None, database=None,
        suppress_health_check=_QUIET, phases=[Phase.explicit, Phase.generate],
    ),
    "long": settings(
        max_examples=2_000, derandomize=False, deadline=None, print_blob=True,
        suppress_health_check=_QUIET, phases=[Phase.explicit, Phase.generate, Phase.shrink],
    ),
}  # fmt: skip
CHOSEN = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")]
MAX_WORDS = 700
"""Characters of an error: it may hold a path or two."""
IN_CI = PROFILES["ci"].max_examples


def tried(
    *, times: int = IN_CI, **strategies: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try a property on what strategies draw, by the name of its argument.

    Args:
        times: Examples in CI; on request that many times more, too.
        strategies: What draws each argument.
    """
    n_examples = CHOSEN.max_examples * times // IN_CI
    chosen = settings(CHOSEN, max_examples=max(1, n_examples))

    def wrap(function: Callable[..., None]) -> Callable[..., None]:
        return chosen(given(**strategies)(function))

    return wrap


def check_words(error: Exception, *, tells_no: str | None = None) -> None:
    """An error is said in words that a page can show, not more than one reads, without a path."""
    message = str(error)
    assert tells_no is None or tells_no not in message
    assert 0 < len(message) < MAX_WORDS
    message.encode()
