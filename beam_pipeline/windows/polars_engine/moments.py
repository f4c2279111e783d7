"""Sums, means and sample deviations of numbers over windows, in the types that the contract gives them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from beam_pipeline.windows.polars_engine.rounding import deviation, nearest, to_doubles
from beam_pipeline.windows.polars_engine.sums import Band, Doubles, decimal_sums, integer_sums
from beam_pipeline.windows.polars_engine.windows import Windows, wide
from daeda.errors import DayError

# Squares are summed by products of digits, each of which leaves 66 bits for as many rows as there may be.
_DIGIT_BITS = 31


@dataclass(frozen=True)
class Numbers:
    """The values of a column without NULLs, and their sums of all rows before each: for all windows."""

    values: pl.Series

    @cached_property
    def integers(self) -> Band:
        """Integers, or unscaled decimals."""
        return Band(self.values.to_physical().cast(pl.Int128))

    @cached_property
    def doubles(self) -> Doubles:
        """Doubles; raises DayError for what is no number."""
        if not self.values.dtype.is_float():
            raise DayError(f"a sum needs numbers, found a column of {self.values.dtype}")
        return Doubles(self.values.cast(pl.Float64))

    @property
    def bands(self) -> tuple[Band, ...]:
        """All of them, as integers."""
        exact = self.values.dtype.is_integer() or self.values.dtype.is_decimal()
        return (self.integers,) if exact else self.doubles.bands

    @cached_property
    def squares(self) -> dict[int, list[Band]]:
        """By the exponent of each band: its squares, as products of digits that belong at multiples of _DIGIT_BITS."""
        return {band.exponent: _squares(band) for band in self.bands}


def sums(numbers: Numbers, windows: Windows) -> tuple[pl.Series, pl.Series | None]:
    """The sum over each window, and where it does not fit its type, if it can be so anywhere.

    Integers come as Int64, decimals unscaled as Int128, doubles as doubles. The sum of an empty window is 0.
    """
    if numbers.values.dtype.is_integer():
        return integer_sums(numbers.integers, windows)
    if numbers.values.dtype.is_decimal():
        return decimal_sums(numbers.integers, windows)
    doubles = numbers.doubles
    exact = to_doubles([(band.sums(windows), band.exponent) for band in doubles.bands])
    return with_special(exact, doubles, windows), None


def means(numbers: Numbers, windows: Windows) -> pl.Series:
    """The mean of each window, a double; any value for an empty one."""
    counts = windows.rows
    if numbers.values.dtype.is_integer():
        return to_doubles([(numbers.integers.sums(windows), 0)], counts)
    if numbers.values.dtype.is_decimal():
        divisor = 10 ** _scale(numbers.values)
        each = zip(_totals(numbers.integers, windows), counts.to_list(), strict=True)
        exact = [nearest(total, (count or 1) * divisor, 0) for total, count in each]
        return pl.Series(exact, dtype=pl.Float64)
    doubles = numbers.doubles
    rounded = to_doubles([(band.sums(windows), band.exponent) for band in doubles.bands], counts)
    return with_special(rounded, doubles, windows)


def deviations(numbers: Numbers, windows: Windows) -> pl.Series:
    """The sample standard deviation of each window, a double; NaN where it holds a NaN or an infinity.

    Of a window with fewer than two values any value.
    """
    divisor = 10 ** _scale(numbers.values) if numbers.values.dtype.is_decimal() else 1
    special = numbers.doubles.special(windows) if numbers.values.dtype.is_float() else None
    bands = numbers.bands
    least = min(band.exponent for band in bands)
    totals, squares = [0] * len(windows), [0] * len(windows)
    for band in bands:
        shift = band.exponent - least
        totals = [total + (more << shift) for total, more in zip(totals, _totals(band, windows), strict=True)]
        for place, products in enumerate(numbers.squares[band.exponent]):
            at = _DIGIT_BITS * place + 2 * shift
            added = products.sums(windows).to_list()
            squares = [square + (more << at) for square, more in zip(squares, added, strict=True)]
    each = zip(windows.rows.to_list(), totals, squares, strict=True)
    exact = [deviation(*sums_of, least, divisor) if sums_of[0] > 1 else 0.0 for sums_of in each]
    frame = pl.DataFrame({"exact": pl.Series(exact, dtype=pl.Float64), "special": special})
    return frame.select(pl.when(pl.col("special").is_null()).then("exact").otherwise(float("nan"))).to_series()


def _totals(band: Band, windows: Windows) -> list[int]:
    upper, lower = (half.sums(windows).to_list() for half in band.halves)
    return [(high << 64) + low for high, low in zip(upper, lower, strict=True)]


def _squares(band: Band) -> list[Band]:
    """The squares of the integers: per place the products of all pairs of digits that belong there."""
    rest = band.integers.abs()
    digits: list[pl.Series] = []
    while not digits or bool((rest != wide(0)).any()):
        digits.append(rest % wide(2**_DIGIT_BITS))
        rest = rest // wide(2**_DIGIT_BITS)
    squares = []
    for place in range(2 * len(digits) - 1):
        pairs = [(low, place - low) for low in range(len(digits)) if 0 <= place - low < len(digits)]
        product = digits[pairs[0][0]] * digits[pairs[0][1]]
        for low, high in pairs[1:]:
            product = product + digits[low] * digits[high]
        squares.append(Band(product))
    return squares


def with_special(exact: pl.Series, doubles: Doubles, windows: Windows) -> pl.Series:
    """The sums, or the NaN or infinity of those windows that hold one."""
    special = doubles.special(windows)
    if special is None:
        return exact
    return (
        pl.DataFrame({"exact": exact, "special": special})
        .select(pl.when(pl.col("special").is_null()).then("exact").otherwise("special"))
        .to_series()
    )


def _scale(values: pl.Series) -> int:
    assert isinstance(values.dtype, pl.Decimal)
    return values.dtype.scale
