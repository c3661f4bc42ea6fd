"""Numbers as people read them, the same in every picture; the browser's are in numbers.js."""

from __future__ import annotations

import math

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SMALL, _LARGE = 1e-3, 1e6


def written(value: float, digits: int = 3) -> str:
    """Write a number with so many significant digits and a true minus sign.

    0.677, 12.3, 4,560, 1.23 × 10⁻⁵; 0 only for an exact 0.
    """
    if math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    sign, size = "−" if value < 0 else "", abs(value)
    if math.isinf(size):
        return f"{sign}∞"
    if size < _SMALL or size >= _LARGE:
        mantissa, exponent = f"{size:.{digits - 1}e}".split("e")
        return f"{sign}{mantissa} × 10{str(int(exponent)).translate(_RAISED)}"
    rounded = float(f"{size:.{digits}g}")
    decimals = max(0, digits - 1 - math.floor(math.log10(rounded)))
    return f"{sign}{rounded:,.{decimals}f}"
