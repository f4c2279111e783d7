"""The value at a rank of each window, in the order of values.

Rows are numbered through in the order of their values, so a number is a row. Of short windows the numbers are sorted.
In long ones the number is searched for: whether half of those that are left stand in the window, is counted in sorted
blocks of 2^k rows.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import polars as pl

from beam_pipeline.windows.polars_engine.items import blocks
from beam_pipeline.windows.polars_engine.lists import expanded, numbered_in
from beam_pipeline.windows.polars_engine.windows import Windows

# Rows of a window that are sorted for it alone.
_SHORT = 128


def rows_of_quantile(values: pl.Series, windows: Windows, q: Decimal) -> pl.Series:
    """The row of the value at rank ceil(q * n) of the n values of each window, NULL for an empty one."""
    order = pl.DataFrame({"value": values}).select(pl.arg_sort_by("value").cast(pl.Int64)).to_series()
    numbers = pl.zeros(len(order), pl.Int64, eager=True).scatter(order, pl.select(pl.int_range(len(order))).to_series())
    probes = windows.frame().filter(windows.rows > 0)
    probes = _placed(probes, q)
    short = pl.col("hi") - pl.col("lo") <= _SHORT
    found = [_by_sorting(numbers, block) for block in blocks(probes.filter(short), _SHORT)]
    found.append(_by_search(numbers, probes.filter(~short)))
    every = pl.select(p=pl.int_range(len(windows)))
    return order.gather(every.join(pl.concat(found), on="p", how="left", maintain_order="left")["number"])


def _placed(probes: pl.DataFrame, q: Decimal) -> pl.DataFrame:
    """The probes with `place`: how many values of the window come before the wanted one, in whole numbers."""
    share = Fraction(q)
    sized = probes.with_columns(rows=pl.col("hi") - pl.col("lo"))
    sizes = sized["rows"].unique().to_list()
    places = [-(-share.numerator * size // share.denominator) - 1 for size in sizes]
    table = pl.DataFrame({"rows": sizes, "place": places}, schema={"rows": pl.Int64, "place": pl.Int64})
    return sized.join(table, on="rows", how="left", maintain_order="left").drop("rows")


def _by_sorting(numbers: pl.Series, probes: pl.DataFrame) -> pl.DataFrame:
    """Columns p and number."""
    pairs = expanded(probes, pl.col("lo"), pl.col("hi"), "p", "place")
    ordered = pairs.select("p", "place", number=numbers.gather(pairs["row"])).sort("p", "number")
    return ordered.filter(numbered_in("p") == pl.col("place")).select("p", "number")


def _by_search(numbers: pl.Series, probes: pl.DataFrame) -> pl.DataFrame:
    """Columns p and number: the greatest number with at most `place` of the window's before it."""
    tree = _SortedBlocks(numbers)
    open_ = probes.with_columns(least=pl.lit(0, pl.Int64), most=pl.lit(len(numbers) - 1, pl.Int64))
    for _ in range(len(numbers).bit_length()):
        if not probes.height:
            break
        middle = open_.select((pl.col("least") + pl.col("most") + 1) // 2).to_series()
        fits = tree.before(open_["lo"], open_["hi"], middle) <= open_["place"]
        open_ = open_.with_columns(fits=fits, middle=middle).with_columns(
            least=pl.when("fits").then("middle").otherwise("least"),
            most=pl.when("fits").then("most").otherwise(pl.max_horizontal("least", pl.col("middle") - 1)),
        )
    return open_.select("p", number="least")


class _SortedBlocks:
    """Of numbers by row, how many of a window are below a threshold: blocks are sorted once per length, when asked."""

    def __init__(self, numbers: pl.Series) -> None:
        self._stride = len(numbers) + 1
        self._rows = pl.DataFrame({"number": numbers}).select("number", row=pl.int_range(pl.len()))
        self._levels: list[pl.Series] = []

    def before(self, lo: pl.Series, hi: pl.Series, threshold: pl.Series) -> pl.Series:
        """How many numbers of the rows `[lo, hi)` are below the threshold."""
        open_ = pl.DataFrame({"left": lo, "right": hi, "threshold": threshold}).with_columns(count=pl.lit(0, pl.Int64))
        level = 0
        while (open_["left"] < open_["right"]).any():
            keys = self._level(level)
            for side, block in (("left", pl.col("left")), ("right", pl.col("right") - 1)):
                odd = (pl.col("left") < pl.col("right")) & (pl.col(side) % 2 == 1)
                asked = open_.select(pl.when(odd).then(block * self._stride + pl.col("threshold")).otherwise(0))
                below = keys.search_sorted(asked.to_series(), side="left").cast(pl.Int64)
                open_ = open_.with_columns(more=below).with_columns(
                    pl.when(odd)
                    .then(pl.col("count") + pl.col("more") - block * 2**level)
                    .otherwise("count")
                    .alias("count"),
                    pl.when(odd).then(pl.col(side) + (1 if side == "left" else -1)).otherwise(side).alias(side),
                )
            open_ = open_.with_columns(pl.col("left") // 2, pl.col("right") // 2)
            level += 1
        return open_["count"]

    def _level(self, level: int) -> pl.Series:
        if level == len(self._levels):
            key = pl.col("row") // 2**level * self._stride + pl.col("number")
            self._levels.append(self._rows.select(key).to_series().sort())
        return self._levels[level]
