"""Sums, means and sample deviations of numbers over windows, in the types that the contract gives them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from beam_pipeline.polars_engine.rounding import deviation, nearest, to_doubles
from beam_pipeline.polars_engine.sums import Band, Doubles, decimal_sums, differences, halves_of, integer_sums
from beam_pipeline.polars_engine.windows import Windows, wide
from daeda.errors import DayError

# Squares are summed by products of digits, each of which leaves 66 bits for as many rows as there may be.
_DIGIT_BITS = 31


def sums(values: pl.Series, windows: Windows) -> tuple[pl.Series, pl.Series | None]:
    """The sum over each window, and where it does not fit its type, if it can be so anywhere.

    Integers come as Int64, decimals unscaled as Int128, doubles as doubles. The sum of an empty window is 0.
    """
    if values.dtype.is_integer():
        return integer_sums(values, windows)
    if values.dtype.is_decimal():
        return decimal_sums(values, windows)
    doubles = _doubles(values, "sum")
    exact = to_doubles([(band.sums(windows), band.exponent) for band in doubles.bands()])
    return _with_special(exact, doubles, windows), None


def means(values: pl.Series, windows: Windows) -> pl.Series:
    """The mean of each window, a double; any value for an empty one."""
    counts = windows.rows
    if values.dtype.is_integer():
        return to_doubles([(differences(values.cast(pl.Int128), windows), 0)], counts)
    if values.dtype.is_decimal():
        divisor = 10 ** _scale(values)
        upper, lower = halves_of(values.to_physical(), windows)
        return pl.Series(
            [
                nearest((high << 64) + low, (count or 1) * divisor, 0)
                for high, low, count in zip(upper, lower, counts, strict=True)
            ],
            dtype=pl.Float64,
        )
    doubles = _doubles(values, "mean")
    exact = to_doubles([(band.sums(windows), band.exponent) for band in doubles.bands()], counts)
    return _with_special(exact, doubles, windows)


def deviations(values: pl.Series, windows: Windows) -> pl.Series:
    """The sample standard deviation of each window, a double; NaN where it holds a NaN or an infinity.

    Of a window with fewer than two values any value.
    """
    special, divisor = None, 1
    if values.dtype.is_integer():
        bands = [Band(values.cast(pl.Int128))]
    elif values.dtype.is_decimal():
        bands, divisor = [Band(values.to_physical())], 10 ** _scale(values)
    else:
        doubles = _doubles(values, "std")
        bands, special = list(doubles.bands()), doubles.special(windows)
    least = min(band.exponent for band in bands)
    counts = windows.rows.to_list()
    totals, squares = [0] * len(windows), [0] * len(windows)
    for band in bands:
        shift = band.exponent - least
        for place, (one, square) in enumerate(zip(_totals(band, windows), _squares(band, windows), strict=True)):
            totals[place] += one << shift
            squares[place] += square << (2 * shift)
    found = pl.Series(
        [
            deviation(count, total, square, least, divisor) if count > 1 else 0.0
            for count, total, square in zip(counts, totals, squares, strict=True)
        ],
        dtype=pl.Float64,
    )
    if special is None:
        return found
    frame = pl.DataFrame({"found": found, "special": special})
    return frame.select(pl.when(pl.col("special").is_null()).then("found").otherwise(float("nan"))).to_series()


def _totals(band: Band, windows: Windows) -> Iterator[int]:
    upper, lower = halves_of(band.integers, windows)
    return ((high << 64) + low for high, low in zip(upper, lower, strict=True))


def _squares(band: Band, windows: Windows) -> list[int]:
    """The sums of the squares: of the products of all pairs of digits, each at its place."""
    rest = band.integers.abs()
    digits: list[pl.Series] = []
    while not digits or bool((rest != wide(0)).any()):
        digits.append(rest % wide(2**_DIGIT_BITS))
        rest = rest // wide(2**_DIGIT_BITS)
    found = [0] * len(windows)
    for place in range(2 * len(digits) - 1):
        products = [digits[one] * digits[place - one] for one in range(len(digits)) if 0 <= place - one < len(digits)]
        products_of_place = products[0]
        for product in products[1:]:
            products_of_place = products_of_place + product
        for number, one in enumerate(differences(products_of_place, windows)):
            found[number] += one << (_DIGIT_BITS * place)
    return found


def _with_special(exact: pl.Series, doubles: Doubles, windows: Windows) -> pl.Series:
    special = doubles.special(windows)
    if special is None:
        return exact
    return (
        pl.DataFrame({"exact": exact, "special": special})
        .select(pl.when(pl.col("special").is_null()).then("exact").otherwise("special"))
        .to_series()
    )


def _doubles(values: pl.Series, kind: str) -> Doubles:
    if not values.dtype.is_float():
        raise DayError(f"a {kind} needs numbers, found a column of {values.dtype}")
    return Doubles(values.cast(pl.Float64))


def _scale(values: pl.Series) -> int:
    assert isinstance(values.dtype, pl.Decimal)
    return values.dtype.scale
