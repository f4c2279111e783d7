"""When a published value agrees with a recomputed one."""

from __future__ import annotations

import math
from decimal import Decimal
from enum import Enum, auto
from typing import Any

from daeda_audit.rules.vectors import half
from daeda_audit.values import order_key, single


class Tolerance(Enum):
    """How closely a column has to agree: what the semantics promise for its kind."""

    EXACT = auto()
    LAST_PLACE = auto()  # sums and means of doubles: one unit in the last place
    DEVIATION = auto()  # standard deviations: 1e-12 relative
    FADED = auto()  # decayed sums: 1e-12 of the sum of the absolute terms, which the value brings along
    LIBRARY = auto()  # logarithms and powers: 1e-15 relative
    VECTOR = auto()  # float16 of a number in float32: exactly
    UNIT_VECTOR = auto()  # float16 of a number in float64, whose norm may be summed in another order
    SINGLES = auto()  # a vector of float32: exactly
    UNIT_SINGLES = auto()  # float32 of a number in float64, as above


_VECTORS = {
    Tolerance.VECTOR: (half, 0.0),
    Tolerance.UNIT_VECTOR: (half, 1e-12),
    Tolerance.SINGLES: (single, 0.0),
    Tolerance.UNIT_SINGLES: (single, 1e-12),
}


class Faded(float):
    """A decayed sum, and the least and the greatest double that may stand for it."""

    least: float
    most: float

    def __new__(cls, value: float, least: float, most: float) -> Faded:
        """Make the sum with its ends."""
        faded = super().__new__(cls, value)
        faded.least, faded.most = least, most
        return faded


_RELATIVE = {Tolerance.DEVIATION: 1e-12, Tolerance.LIBRARY: 1e-15}


def agrees(expected: Any, actual: Any, tolerance: Tolerance) -> bool:
    """Whether `found` may stand where `expected` was recomputed. NaN agrees with NaN, and 0.0 with -0.0."""
    if tolerance in _VECTORS:
        return _vectors_agree(expected, actual, tolerance)
    if _same(expected, actual):
        return True
    if tolerance is Tolerance.FADED:
        return isinstance(expected, Faded) and isinstance(actual, float) and expected.least <= actual <= expected.most
    if tolerance is Tolerance.EXACT or not (isinstance(expected, float) and isinstance(actual, float)):
        return False
    if not (math.isfinite(expected) and math.isfinite(actual)):
        return False
    if tolerance is Tolerance.LAST_PLACE:
        return actual in (math.nextafter(expected, -math.inf), math.nextafter(expected, math.inf))
    return abs(actual - expected) <= _RELATIVE[tolerance] * abs(expected)


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, Decimal) != isinstance(actual, Decimal) and None not in (expected, actual):
        # A decimal is no double, even where the numbers are equal.
        return isinstance(expected, int) and isinstance(actual, Decimal) and expected == actual
    return order_key(expected) == order_key(actual)


def _vectors_agree(expected: Any, actual: Any, tolerance: Tolerance) -> bool:
    if expected is None or actual is None:
        return expected is actual
    if len(expected) != len(actual):
        return False
    rounded, slack = _VECTORS[tolerance]
    for wanted, got in zip(expected, actual, strict=True):
        allowed = {order_key(rounded(wanted * factor)) for factor in (1.0 - slack, 1.0, 1.0 + slack)}
        if order_key(float(got)) not in allowed:
            return False
    return True
