"""Exact sums over windows, by prefix sums of 128-bit integers.

A number is `integer * 2^exponent` (or `* 10^-scale`), and the integers are summed, so that nothing is rounded. Doubles
are split by exponent into bands of BAND exponents each: inside a band the 53 bits of every mantissa, shifted to the
lowest exponent of the band, fit 93 bits, and 2^33 of them an Int128. Most columns have one band, and no column has more
than 53.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from beam_pipeline.windows.polars_engine.windows import Windows, running_count, wide

BAND = 40
_MANTISSA = 2**52
_SPECIAL = 2047
# Exponent of the lowest bit of a double that has the exponent field 0 or 1.
_LEAST = -1074
_HALF = 2**64


@dataclass(frozen=True)
class Band:
    """Numbers of one column as `integer * 2^exponent`; the integers (Int128) of rows outside of the band are 0."""

    integers: pl.Series
    exponent: int = 0

    def sums(self, windows: Windows) -> pl.Series:
        """Their sum over each window, Int128; those of all rows together must fit."""
        return self._running.gather(windows.hi) - self._running.gather(windows.lo)

    @cached_property
    def _running(self) -> pl.Series:
        return pl.concat([pl.Series([0], dtype=pl.Int128), self.integers.cum_sum()])

    @cached_property
    def halves(self) -> tuple[Band, Band]:
        """The upper and the lower 64 bits apart, where the sums could leave 128: `upper * 2^64 + lower` in all."""
        return Band(self.integers // wide(_HALF)), Band(self.integers % wide(_HALF))


@dataclass(frozen=True)
class Doubles:
    """The values of a column of doubles without NULLs."""

    values: pl.Series

    @cached_property
    def parts(self) -> pl.DataFrame:
        """Columns mantissa (signed, with its leading bit), exponent of its lowest bit, and special (NaN, infinite)."""
        bits = pl.DataFrame({"value": self.values.cast(pl.Float64)}).select(
            bits=pl.col("value").reinterpret(dtype=pl.Int64)
        )
        field = (pl.col("bits") // _MANTISSA) & _SPECIAL
        mantissa = (pl.col("bits") & (_MANTISSA - 1)) + pl.when(field > 0).then(_MANTISSA).otherwise(0)
        return bits.select(
            mantissa=pl.when(pl.col("bits") < 0).then(-mantissa).otherwise(mantissa),
            exponent=pl.max_horizontal(field, 1) - 1 + _LEAST,
            special=field == _SPECIAL,
        )

    @cached_property
    def bands(self) -> tuple[Band, ...]:
        """The finite numbers, band by band, at least one; zeros are in any."""
        return tuple(self._bands())

    def _bands(self) -> Iterator[Band]:
        parts = self.parts.with_columns(counts=~pl.col("special") & (pl.col("mantissa") != 0))
        greatest = parts.filter("counts")["exponent"].max()
        if greatest is None:
            yield Band(pl.zeros(len(self.values), pl.Int128, eager=True))
            return
        parts = parts.with_columns(band=(greatest - pl.col("exponent")) // BAND)
        powers = pl.Series([2**shift for shift in range(BAND)], dtype=pl.Int128)
        for band in parts.filter("counts")["band"].unique().sort():
            least = greatest - BAND * (band + 1) + 1
            inside = parts.select(
                "mantissa", shift=pl.col("exponent") - least, inside=pl.col("counts") & (pl.col("band") == band)
            ).with_columns(shift=pl.when("inside").then("shift").otherwise(0))
            integers = inside["mantissa"].cast(pl.Int128) * powers.gather(inside["shift"])
            kept = pl.DataFrame({"integer": integers, "inside": inside["inside"]})
            yield Band(kept.select(pl.when("inside").then("integer").otherwise(0)).to_series().cast(pl.Int128), least)

    def special(self, windows: Windows) -> pl.Series | None:
        """The sum of windows that hold a NaN or an infinity, NULL for the others; None where no value is one."""
        special = self.parts["special"]
        if not special.any():
            return None
        values = pl.DataFrame({"value": self.values, "special": special})
        positive, negative, nan = (
            running_count(values.select(pl.col("special") & flag).to_series())
            for flag in (pl.col("value") == float("inf"), pl.col("value") == -float("inf"), pl.col("value").is_nan())
        )
        counts = pl.DataFrame(
            {
                name: running.gather(windows.hi) - running.gather(windows.lo)
                for name, running in (("positive", positive), ("negative", negative), ("nan", nan))
            }
        )
        both = (pl.col("nan") > 0) | ((pl.col("positive") > 0) & (pl.col("negative") > 0))
        return counts.select(
            pl.when(both).then(float("nan"))
            .when(pl.col("positive") > 0).then(float("inf"))
            .when(pl.col("negative") > 0).then(-float("inf"))
            .otherwise(None).cast(pl.Float64)
        ).to_series()  # fmt: skip


def integer_sums(integers: Band, windows: Windows) -> tuple[pl.Series, pl.Series]:
    """Sums of integers as Int64, and where they do not fit."""
    total = integers.sums(windows).cast(pl.Int64, strict=False)
    return total, total.is_null()


def decimal_sums(integers: Band, windows: Windows) -> tuple[pl.Series, pl.Series]:
    """Unscaled sums of decimals as Int128, and where they have more than 38 digits.

    The upper and the lower 64 bits are summed apart: together they could leave 128 bits and come back.
    """
    upper, lower = (half.sums(windows) for half in integers.halves)
    halves = pl.DataFrame({"upper": upper + lower // wide(_HALF), "lower": lower % wide(_HALF)})
    limit = 10**38
    most, rest = divmod(limit - 1, _HALF)
    least, least_rest = divmod(-limit + 1, _HALF)
    outside = halves.select(
        (pl.col("upper") > most)
        | ((pl.col("upper") == most) & (pl.col("lower") > pl.lit(rest, pl.Int128)))
        | (pl.col("upper") < least)
        | ((pl.col("upper") == least) & (pl.col("lower") < pl.lit(least_rest, pl.Int128)))
    ).to_series()
    fitting = halves.select(pl.when(outside).then(0).otherwise("upper").cast(pl.Int128)).to_series()
    return fitting * wide(_HALF) + halves["lower"], outside
