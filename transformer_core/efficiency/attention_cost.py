"""What attention itself costs as texts get longer: torch's fused kernel against the equation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as fused

from transformer_core.efficiency.timing import GoOn, Spread, peak_bytes, ratios, take_turns
from transformer_core.errors import ConfigError
from transformer_core.functional import scaled_dot_product_attention as step_by_step

LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
MAX_LENGTH = 4096
N_HEADS = 2
"""Heads that are measured: enough for times and bytes, which grow in proportion to heads."""


@dataclass(frozen=True)
class LengthPoint:
    """Attention over one length.

    Attributes:
        length: Queries, and keys.
        naive: Seconds of softmax(q kᵀ / √d) v, step by step, with the pattern written down.
        sdpa: Seconds of the fused kernel, which never holds it.
        ratio: naive ÷ sdpa, round by round.
        naive_bytes: Tensors held at once by the first; queries, keys and values not counted.
        sdpa_bytes: By the second; what the kernel uses inside itself is not seen.
        largest_difference: Between the two outputs.
    """

    length: int
    naive: Spread
    sdpa: Spread
    ratio: Spread
    naive_bytes: int
    sdpa_bytes: int
    largest_difference: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@torch.inference_mode()
def length_curve(
    *,
    d_head: int = 64,
    n_heads: int = N_HEADS,
    lengths: Sequence[int] = LENGTHS,
    rounds: int = 3,
    go_on: GoOn = lambda: None,
) -> list[LengthPoint]:
    """Measure both at each length, on random queries, keys and values.

    Raises:
        ConfigError: If a length is below 1 or above 4,096.
    """
    for length in lengths:
        if not 1 <= length <= MAX_LENGTH:
            raise ConfigError(f"A length of {length} cannot be measured: from 1 to {MAX_LENGTH:,}.")
    generator = torch.Generator().manual_seed(0)
    points = []
    for length in lengths:
        go_on()
        q, k, v = (torch.randn(1, n_heads, length, d_head, generator=generator) for _ in range(3))
        points.append(_point(q, k, v, rounds, go_on))
    return points


def _point(q: Tensor, k: Tensor, v: Tensor, rounds: int, go_on: GoOn) -> LengthPoint:
    works: dict[str, Callable[[], Tensor]] = {
        "naive": lambda: step_by_step(q, k, v).output,
        "sdpa": lambda: fused(q, k, v),
    }
    seconds = take_turns(works, rounds=rounds, go_on=go_on)
    return LengthPoint(
        length=q.shape[2],
        naive=Spread.of(seconds["naive"]),
        sdpa=Spread.of(seconds["sdpa"]),
        ratio=ratios(seconds["naive"], seconds["sdpa"]),
        naive_bytes=peak_bytes(works["naive"]),
        sdpa_bytes=peak_bytes(works["sdpa"]),
        largest_difference=float((works["naive"]() - works["sdpa"]()).abs().max()),
    )
