"""The place of values in their order, and the row of the greatest place in each window."""

from __future__ import annotations

import polars as pl

from beam_pipeline.polars_engine.windows import Windows


def places_in_order(values: pl.Series) -> pl.Series:
    """Int64 numbers that are ordered as the values are, equal where they are; `values` has no NULLs.

    Polars orders as the contract does: NaN is the greatest number, text goes by bytes, a NULL in a list is its least
    element, and a list comes before those that continue it.
    """
    dtype = values.dtype
    if dtype.is_integer() and dtype != pl.UInt64:
        return values.cast(pl.Int64)
    if dtype == pl.Boolean:
        return values.cast(pl.Int64)
    if dtype.is_temporal():
        return values.to_physical().cast(pl.Int64)
    return values.rank("dense").cast(pl.Int64)


def greatest(places: pl.Series, windows: Windows) -> pl.Series:
    """The greatest of `places` (Int64) in each window, NULL for an empty one.

    A window of n rows is covered by two runs of 2^k rows, the greatest power of two that is not above n. The greatest
    of all runs of 2^k rows come from those of half the length; each level answers the windows that it fits.
    """
    length = windows.rows
    probes = windows.frame().filter(length > 0).with_columns(n=pl.col("hi") - pl.col("lo"))
    found = []
    run, size = places, 1
    while probes.height:
        fitting = probes.filter(pl.col("n") < 2 * size)
        if fitting.height:
            left, right = run.gather(fitting["lo"]), run.gather(fitting["hi"] - size)
            best = pl.DataFrame({"p": fitting["p"], "l": left, "r": right})
            found.append(best.select("p", best=pl.max_horizontal("l", "r")))
            probes = probes.filter(pl.col("n") >= 2 * size)
        if probes.height:
            pair = pl.DataFrame({"a": run, "b": run.shift(-size)})
            run, size = pair.select(pl.max_horizontal("a", "b")).to_series(), 2 * size
    every = pl.select(p=pl.int_range(len(windows)))
    best = pl.concat([pl.DataFrame(schema={"p": pl.Int64, "best": pl.Int64}), *found])
    return every.join(best, on="p", how="left", maintain_order="left")["best"]


def rows_of_greatest(places: pl.Series, windows: Windows) -> pl.Series:
    """A row of the greatest place of each window, NULL for an empty one.

    Rows are numbered through in the order of their places, so that the greatest number of a window names its row.
    """
    order = places.arg_sort().cast(pl.Int64)
    number = pl.DataFrame({"row": order}).with_row_index("number").sort("row")["number"].cast(pl.Int64)
    return order.gather(greatest(number, windows))
