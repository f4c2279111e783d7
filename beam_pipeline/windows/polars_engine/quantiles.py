"""The value at a rank of each window, in the order of values.

The rows of an entity are numbered in the order of their values, so a number is a row of it. The wanted number is found
bit by bit from the highest one: the rows whose bit is 0 move before those whose bit is 1, each in their order, which
leaves the rows of a window together on either side, and their counts say on which side the wanted one is.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import polars as pl

from beam_pipeline.windows.polars_engine.windows import Windows, running_count


def rows_of_quantile(entity: pl.Series, values: pl.Series, windows: Windows, q: Decimal) -> pl.Series:
    """The row of the value at rank ceil(q * n) of the n values of each window, NULL for an empty one.

    `entity` is non-decreasing, and each window lies within one.
    """
    probes = windows.frame().filter(pl.col("hi") > pl.col("lo"))
    found = probes.select("p", row=_selected(_numbers(entity, values), _placed(probes, q)))
    every = pl.select(p=pl.int_range(len(windows)))
    return every.join(found, on="p", how="left", maintain_order="left")["row"]


def _placed(probes: pl.DataFrame, q: Decimal) -> pl.DataFrame:
    """The probes with `place`: how many values of the window come before the wanted one, in whole numbers."""
    share = Fraction(q)
    sized = probes.with_columns(rows=pl.col("hi") - pl.col("lo"))
    sizes = sized["rows"].unique().to_list()
    places = [-(-share.numerator * size // share.denominator) - 1 for size in sizes]
    table = pl.DataFrame({"rows": sizes, "place": places}, schema={"rows": pl.Int64, "place": pl.Int64})
    return sized.join(table, on="rows", how="left", maintain_order="left").drop("rows")


def _numbers(entity: pl.Series, values: pl.Series) -> pl.Series:
    """Per row how many rows of its entity come before it in the order of the values."""
    rows = len(values)
    order = pl.DataFrame({"value": values}).select(pl.arg_sort_by("value").cast(pl.Int64)).to_series()
    # One integer that carries the row is sorted several times faster than rows by two keys; the codes of an entity, of
    # which there are at most as many as rows, leave room for it.
    packed = pl.DataFrame({"entity": entity.rle_id().cast(pl.Int64).gather(order)}).select(
        pl.col("entity") * rows + pl.int_range(pl.len())
    )
    row = order.gather(packed.to_series().sort() % max(rows, 1))
    begins = pl.DataFrame({"entity": entity}).select(
        number=pl.int_range(pl.len()), first=pl.col("entity").ne_missing(pl.col("entity").shift(1))
    )
    number = begins.select(pl.col("number") - pl.when("first").then("number").otherwise(0).cum_max()).to_series()
    return pl.zeros(rows, pl.Int64, eager=True).scatter(row, number)


def _selected(numbers: pl.Series, probes: pl.DataFrame) -> pl.Series:
    """Per probe the row of its window that has `place` of the window's numbers below its own."""
    open_ = probes.select("lo", "hi", "place")
    frame = pl.DataFrame({"number": numbers}).select("number", row=pl.int_range(pl.len()))
    most = int(numbers.max() or 0)  # type: ignore[arg-type]
    for bit in range(most.bit_length() - 1, -1, -1):
        zero = frame.select(pl.col("number") & 2**bit == 0).to_series()
        before = running_count(zero)
        zeros = int(before[-1])
        ends = open_.with_columns(low=before.gather(open_["lo"]), high=before.gather(open_["hi"]))
        up = pl.col("place") >= pl.col("high") - pl.col("low")
        open_ = ends.select(
            lo=pl.when(up).then(zeros + pl.col("lo") - pl.col("low")).otherwise("low"),
            hi=pl.when(up).then(zeros + pl.col("hi") - pl.col("high")).otherwise("high"),
            place=pl.col("place") - pl.when(up).then(pl.col("high") - pl.col("low")).otherwise(0),
        )
        frame = pl.concat([frame.filter(zero), frame.filter(~zero)])
    return frame["row"].gather(open_["lo"])
