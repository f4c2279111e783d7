"""Sums over windows whose terms fade with age: each times `2^(-age / half_life)`.

Time is cut into blocks of BLOCK half-lives. Inside of one, the terms are faded to its end and summed exactly, as
128-bit integers by bands of exponents; each window takes a piece of every block that it reaches, the newest first, and
fades it to its own time. Bands lie at fixed exponents, so that a window is rounded the same way whatever else is in a
column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property

import polars as pl

from beam_pipeline.windows.polars_engine.moments import with_special
from beam_pipeline.windows.polars_engine.sums import BAND, Band, Doubles
from beam_pipeline.windows.polars_engine.windows import Windows
from daeda.errors import DayError

BLOCK = 16
_LONGEST_BLOCK = 2**62
# Half-lives after which nothing is left of the greatest doubles, however many.
_GONE = 2_200
_LN2 = math.log(2)
# Powers of two below this one are zero; a number that is so much smaller than another adds nothing to it.
_LEAST = -1_100
# Before the exponent of any number.
_NO_EXPONENT = -(10**6)


class Fading:
    """The rows of a column, and what each is at the end of its block: `numbers * 2^-halvings`."""

    def __init__(self, values: pl.Series, entity: pl.Series, time: pl.Series, half_life: Fraction) -> None:
        """Rows are in order of entity and time; `half_life` is in the unit of the times."""
        self._half_life = half_life
        self._length = min(max(1, math.floor(BLOCK * half_life)), _LONGEST_BLOCK)
        self._values = Doubles(values)
        cut = self._cut(time)
        self._block = cut["block"]
        rows = cut.with_columns(value=values, entity=entity, row=pl.int_range(pl.len())).with_columns(
            whole=pl.col("ahead").floor(),
            new=pl.col("entity").ne_missing(pl.col("entity").shift(1))
            | pl.col("block").ne_missing(pl.col("block").shift(1)),
        )
        faded = rows.select(
            number=pl.when(pl.col("value").is_finite())
            .then(pl.col("value") * ((pl.col("whole") - pl.col("ahead")) * _LN2).exp())
            .otherwise(0.0),
            halvings=pl.col("whole").cast(pl.Int64),
            begin=pl.when("new").then("row").forward_fill(),
        )
        self._begin, self._faded = faded["begin"], faded.select("number", "halvings")

    def sums(self, windows: Windows, now: pl.Series) -> pl.Series:
        """The faded sum of each window as of `now`, its time; 0.0 for an empty one, infinite beyond the doubles."""
        asked = self._cut(now)
        totals = pl.DataFrame({"mantissa": pl.zeros(len(windows), pl.Float64, eager=True)}).with_columns(
            exponent=pl.lit(_NO_EXPONENT, pl.Int64)
        )
        for piece in self._pieces(windows, asked):
            fading = (piece["rest"].floor() - piece["rest"]) * _LN2
            halvings = piece["whole"] + piece["rest"].floor().cast(pl.Int64)
            weight = fading.exp()
            for band in self._bands:
                terms = band.sums(Windows(piece["lo"], piece["hi"])).cast(pl.Float64) * weight
                totals = _added(totals, piece["p"], terms, band.exponent - halvings)
        return with_special(_doubles(totals), self._values, windows)

    def _cut(self, time: pl.Series) -> pl.DataFrame:
        """Columns block, and ahead: how many half-lives an instant lies before the end of its block, 0 up to BLOCK."""
        frame = pl.DataFrame({"time": time})
        inside = pl.col("time") % self._length
        ahead = (self._length - 1 - inside).cast(pl.Float64) * float(1 / self._half_life)
        return frame.select(block=pl.col("time") // self._length, ahead=ahead)

    @cached_property
    def _bands(self) -> list[Band]:
        """The numbers as whole ones, by bands of exponents that are multiples of BAND, the greatest first."""
        parts = Doubles(self._faded["number"]).parts.select(
            "mantissa", exponent=pl.col("exponent") - self._faded["halvings"]
        )
        parts = parts.with_columns(band=pl.col("exponent") // BAND, shift=pl.col("exponent") % BAND)
        powers = pl.Series([2**shift for shift in range(BAND)], dtype=pl.Int128)
        integers = parts["mantissa"].cast(pl.Int128) * powers.gather(parts["shift"])
        parts = parts.select("band", integer=integers)
        present = parts.filter(pl.col("integer") != 0)["band"].unique().sort(descending=True)
        if len(present) == 1:
            return [Band(parts["integer"], BAND * present[0])]
        return [
            Band(parts.select(pl.when(band=band).then("integer").otherwise(0).cast(pl.Int128)).to_series(), BAND * band)
            for band in present
        ]

    def _pieces(self, windows: Windows, asked: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Columns p, lo and hi: what a block has of a window, and whole + rest: how many half-lives lie between them.

        One frame holds at most one piece of a window, and later ones hold older pieces.
        """
        one = self._length / self._half_life
        count = min(math.floor(_GONE / one), 2**64 // self._length) + 2
        between = [number * one for number in range(count)]
        whole = pl.Series([min(math.floor(span), 10**6) for span in between], dtype=pl.Int64)
        rest = pl.Series([float(span - math.floor(span)) for span in between], dtype=pl.Float64)
        open_ = windows.frame().with_columns(asked).filter(pl.col("hi") > pl.col("lo"))
        while open_.height:
            newest = open_["hi"] - 1
            open_ = open_.with_columns(
                # Two blocks can lie almost 2^64 apart.
                apart=pl.col("block").cast(pl.Int128) - self._block.gather(newest).cast(pl.Int128),
                begin=self._begin.gather(newest),
            ).filter(pl.col("apart") < pl.lit(count, pl.Int128))
            open_ = open_.with_columns(begin=pl.max_horizontal("begin", "lo"), apart=pl.col("apart").cast(pl.Int64))
            apart = open_["apart"]
            yield open_.select(
                "p", "hi", lo="begin", whole=whole.gather(apart), rest=rest.gather(apart) - pl.col("ahead")
            )
            open_ = open_.filter(pl.col("begin") > pl.col("lo")).with_columns(hi="begin")


def doubles_of(values: pl.Series) -> pl.Series:
    """Numbers of any type as doubles; raises DayError for what is no number."""
    if not values.dtype.is_numeric():
        raise DayError(f"a sum needs numbers, found a column of {values.dtype}")
    return values.cast(pl.Float64)


def _added(totals: pl.DataFrame, p: pl.Series, terms: pl.Series, exponent: pl.Series) -> pl.DataFrame:
    """The totals with a term `terms * 2^exponent` more for those windows that are named."""
    frame = totals[p].with_columns(term=terms, more=exponent).with_columns(p=p).filter(pl.col("term") != 0)
    frame = frame.with_columns(top=pl.max_horizontal("exponent", "more"))
    powers = pl.Series([2.0**-shift for shift in range(-_LEAST + 1)], dtype=pl.Float64)
    left, right = (
        frame.select(number * powers.gather((frame["top"] - frame[name]).clip(0, -_LEAST))).to_series()
        for number, name in ((frame["mantissa"], "exponent"), (frame["term"], "more"))
    )
    mantissa, top = totals["mantissa"].scatter(frame["p"], left + right), frame["top"]
    return pl.DataFrame({"mantissa": mantissa, "exponent": totals["exponent"].scatter(frame["p"], top)})


def _doubles(totals: pl.DataFrame) -> pl.Series:
    """The totals as doubles, in two exact steps of which only the last one can leave bits behind."""
    limit = 900
    powers = pl.Series([math.ldexp(1.0, shift) for shift in range(_LEAST, limit + 1)], dtype=pl.Float64)
    first = totals["exponent"].clip(-limit, limit)
    second = (totals["exponent"] - first).clip(_LEAST, limit)
    return totals["mantissa"] * powers.gather(first - _LEAST) * powers.gather(second - _LEAST) + 0.0
