"""The row of the greatest value in each window."""

from __future__ import annotations

import polars as pl

from beam_pipeline.windows.polars_engine.windows import Windows


def greatest(keys: pl.Series, windows: Windows) -> pl.Series:
    """The greatest of `keys` (Int64) in each window, NULL for an empty one.

    A window of n rows is covered by two runs of 2^k rows, the greatest power of two that is not above n. The greatest
    of all runs of 2^k rows come from those of half the length; each level answers the windows that it fits.
    """
    length = windows.rows
    probes = windows.frame().filter(length > 0).with_columns(n=pl.col("hi") - pl.col("lo"))
    answered = []
    run, size = keys, 1
    while probes.height:
        fitting = probes.filter(pl.col("n") < 2 * size)
        if fitting.height:
            left, right = run.gather(fitting["lo"]), run.gather(fitting["hi"] - size)
            best = pl.DataFrame({"p": fitting["p"], "l": left, "r": right})
            answered.append(best.select("p", best=pl.max_horizontal("l", "r")))
            probes = probes.filter(pl.col("n") >= 2 * size)
        if probes.height:
            pair = pl.DataFrame({"a": run, "b": run.shift(-size)})
            run, size = pair.select(pl.max_horizontal("a", "b")).to_series(), 2 * size
    every = pl.select(p=pl.int_range(len(windows)))
    best = pl.concat([pl.DataFrame(schema={"p": pl.Int64, "best": pl.Int64}), *answered])
    return every.join(best, on="p", how="left", maintain_order="left")["best"]


def rows_of_greatest(values: pl.Series, windows: Windows, *, least: bool = False) -> pl.Series:
    """A row of the greatest (or least) value of each window, NULL for an empty one; `values` has no NULLs.

    Rows are numbered through in the order of their values, so that the greatest number of a window names its row.
    Polars orders as the contract does: NaN is the greatest number, text goes by bytes, a NULL in a list is its least
    element, and a list comes before those that continue it.
    """
    order = pl.DataFrame({"value": values}).select(pl.arg_sort_by("value", descending=least)).to_series()
    order = order.cast(pl.Int64)
    number = pl.zeros(len(order), pl.Int64, eager=True).scatter(order, pl.select(pl.int_range(len(order))).to_series())
    return order.gather(greatest(number, windows))
