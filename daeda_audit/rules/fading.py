"""Decayed counts and sums, by adding up all rows that are inside each time one is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from daeda.durations import Duration
from daeda_audit.rules.compare import Faded

_BITS = 53
# Whole numbers of 2^-_UNIT stand for terms: below the least double and what is left of it in the products.
_UNIT = 1_500
_LEAST_NORMAL = 1 << (_UNIT - 1_022)
_SHARE = 10**12


class Fading:
    """The sum of values, or of 1, times 2^(-age / half-life): the newest value counts most."""

    def __init__(self, values: Sequence[Any] | None, instants: Sequence[int], half_life: Duration) -> None:
        """Instants are in nanoseconds; without values it is a count."""
        assert half_life.nanoseconds is not None
        self._values = None if values is None else [float(value) for value in values]
        self._instants, self._half_life = instants, half_life.nanoseconds
        self._inside: set[int] = set()
        self._special: dict[int, float] = {}

    def enter(self, row: int) -> None:
        """Keep the row."""
        if self._values is not None and not math.isfinite(self._values[row]):
            self._special[row] = self._values[row]
        else:
            self._inside.add(row)

    def leave(self, row: int) -> None:
        """Forget it."""
        self._inside.discard(row)
        self._special.pop(row, None)

    def value(self, now: int) -> float | None:
        """The sum with its ends; an infinity or NaN where one is inside; NULL, or a count of 0, where nothing is."""
        if self._special:
            different = {str(value) for value in self._special.values()}
            return next(iter(self._special.values())) if len(different) == 1 else math.nan
        if not self._inside:
            return 0.0 if self._values is None else None
        total, slack = 0, 0
        for row in self._inside:
            term = self._term(row, now)
            total += term
            slack += abs(term) if abs(term) < _LEAST_NORMAL else -(-abs(term) // _SHARE)
        # An end that no double has lies between two of them.
        least = math.nextafter(_double(total - slack), -math.inf)
        return Faded(_double(total), least, math.nextafter(_double(total + slack), math.inf))

    def _term(self, row: int, now: int) -> int:
        """A value and what is left of it, each a whole number of 53 bits, multiplied and put in its place."""
        whole, rest = divmod(now - self._instants[row], self._half_life)
        share = int(math.ldexp(2.0 ** -(rest / self._half_life), _BITS))
        mantissa, exponent = (0.5, 1) if self._values is None else math.frexp(self._values[row])
        shift = exponent - 2 * _BITS - whole + _UNIT
        product = int(math.ldexp(mantissa, _BITS)) * share
        return product << shift if shift >= 0 else product >> min(-shift, 4 * _BITS)


def _double(units: int) -> float:
    """The double nearest to so many units, infinite beyond the greatest."""
    try:
        return units / (1 << _UNIT)
    except OverflowError:
        return math.inf if units > 0 else -math.inf
