"""How long ago the newest row of each window was."""

from __future__ import annotations

import polars as pl

from beam_pipeline.windows.polars_engine.windows import Windows

_LAST = pl.lit(2**63 - 1, dtype=pl.Int128)


def ages_of_newest(times: pl.Series, now: pl.Series, windows: Windows, per_unit: int) -> tuple[pl.Series, pl.Series]:
    """`now` less the time of the newest row, in `per_unit` of their units and rounded down; NULL without a row.

    Beside it, where an age does not fit Int64; it is NULL there as well. Ages are positive, so that dividing cuts down.
    """
    newest = pl.DataFrame({"lo": windows.lo, "hi": windows.hi}).select(
        pl.when(pl.col("hi") > pl.col("lo")).then(pl.col("hi") - 1)
    )
    frame = pl.DataFrame({"now": now, "then": times.gather(newest.to_series())})
    wide = frame.select(age=pl.col("now").cast(pl.Int128) - pl.col("then").cast(pl.Int128))
    ages = wide.select(age=pl.col("age") // pl.lit(per_unit, dtype=pl.Int128))
    outside = ages.select((pl.col("age") > _LAST).fill_null(False)).to_series()
    return ages.select(pl.when(pl.col("age") <= _LAST).then("age").cast(pl.Int64)).to_series(), outside
