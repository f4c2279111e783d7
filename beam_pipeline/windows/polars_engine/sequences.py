"""Sequences: the newest rows of each window, as lists of structs, or as aligned lists of one column each."""

from __future__ import annotations

import polars as pl

from beam_pipeline.windows.contract import Extent, WindowedAggregate
from beam_pipeline.windows.polars_engine.lists import Picked, in_lists, newest, oldest
from beam_pipeline.windows.polars_engine.past import Outside, Past

_LAST = pl.lit(2**63 - 1, dtype=pl.Int128)


class Sequences:
    """The sequences over one history: all columns that are asked for over one window share the rows that it keeps."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._picked: dict[tuple[Extent, int | None, bool, bool], Picked] = {}

    def of(self, wanted: WindowedAggregate) -> pl.Series:
        """The lists of one sequence, never NULL, nor are their structs. Raises Outside."""
        assert wanted.max_length is not None
        asked = (wanted.extent, wanted.max_length, wanted.newest_first, wanted.keeps_oldest)
        if asked not in self._picked:
            windows = self._past.windows[wanted.extent]
            pick = oldest if wanted.keeps_oldest else newest
            self._picked[asked] = pick(windows, wanted.max_length, newest_first=wanted.newest_first)
        picked = self._picked[asked]
        fields = {name: self._past.columns[name].gather(picked.rows) for name in wanted.columns}
        if wanted.age is not None:
            fields[wanted.age] = self._ages(picked, wanted)
        frame = pl.DataFrame(fields)
        return in_lists(frame.to_series() if wanted.apart else frame.to_struct(), picked.lengths)

    def _ages(self, picked: Picked, wanted: WindowedAggregate) -> pl.Series:
        """How long before the probe each row was, in units of the spine and rounded down: both are positive."""
        owner = _owners(picked.lengths)
        frame = pl.DataFrame({"now": self._past.now.gather(owner), "then": self._past.time.gather(picked.rows)})
        if _are_near(frame["now"], frame["then"]):
            age = pl.col("now") - pl.col("then")
            return frame.select(age if wanted.per_spine_unit == 1 else age // wanted.per_spine_unit).to_series()
        wide = frame.select(age=pl.col("now").cast(pl.Int128) - pl.col("then").cast(pl.Int128))
        ages = wide.select(age=pl.col("age") // pl.lit(wanted.per_spine_unit, dtype=pl.Int128))
        outside = ages.select(pl.col("age") > _LAST).to_series()
        if outside.any():
            raise Outside(wanted, int(owner[int(outside.arg_true()[0])]))
        return ages.select(pl.col("age").cast(pl.Int64)).to_series()


def _owners(lengths: pl.Series) -> pl.Series:
    """The index of each length, so many times: `[2, 0, 1]` gives `[0, 0, 2]`."""
    begins = pl.DataFrame({"rows": lengths}).select(
        "rows", p=pl.int_range(pl.len()), begin=pl.col("rows").cum_sum() - pl.col("rows")
    )
    begins = begins.filter(pl.col("rows") > 0)
    steps = begins["p"] - begins["p"].shift(1, fill_value=0)
    return pl.zeros(int(lengths.sum()), pl.Int64, eager=True).scatter(begins["begin"], steps).cum_sum()


def _are_near(now: pl.Series, then: pl.Series) -> bool:
    """Whether every difference of the two fits an Int64."""
    latest, oldest = now.max(), then.min()
    return latest is None or oldest is None or int(latest) - int(oldest) < 2**63  # type: ignore[arg-type]
