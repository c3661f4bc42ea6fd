"""Checks that a picture's numbers are the model's, made when the picture is made."""

from dataclasses import dataclass

import torch

from transformer_core.tracing.trace import Trace

TOLERANCE = 1e-4

ROWS_AT_ONCE = 256
"""Rows of a long text that are checked at a time: memory stays O(n)."""


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: What must hold, such as ``rows sum to 1``.
        difference: Largest absolute difference from it.
        is_ok: Whether that is small enough.
    """

    name: str
    difference: float
    is_ok: bool


def prove(trace: Trace, site: str, *, layer: int, head: int, with_output: bool) -> list[Check]:
    """Check one head's pattern.

    Args:
        with_output: Also compare pattern · v with the module's own output; one more forward pass
            where the trace does not hold it yet.
    """
    record = trace.light(site, layer)
    off_one, off_zero = [0.0], [0.0]
    for start in range(0, record.n_query, ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        pattern, visible = record.pattern(head, rows), record.visible(head, rows)
        off_one.append(float((pattern.sum(-1) - 1).abs().max()))
        if visible is not None:
            off_zero.append(float(pattern.masked_fill(visible, 0.0).max()))
    checks = [_check("rows sum to 1", _worst(off_one))]
    if record.mask is not None or record.is_causal:
        largest = _worst(off_zero)
        checks.append(Check("masked cells are 0", largest, largest == 0.0))
    if with_output and (record.z is not None or trace.has_details):
        full = record if record.z is not None else trace.record(site, layer=layer)
        if full.z is not None:
            rebuilt = full.pattern(head) @ full.values(head)
            scale = max(1.0, float(full.z[head].abs().max()))
            difference = float((rebuilt - full.z[head]).abs().max()) / scale
            checks.append(_check("pattern · v = the module's output", difference))
    return checks


def _worst(differences: list[float]) -> float:
    """The largest; not a number if any is, which Python's max would lose."""
    return float(torch.tensor(differences, dtype=torch.float64).max())


def _check(name: str, difference: float) -> Check:
    return Check(
        name, difference, bool(torch.isfinite(torch.tensor(difference))) and difference <= TOLERANCE
    )
