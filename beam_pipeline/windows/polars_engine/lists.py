"""Which rows a list keeps, and the lists of their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from beam_pipeline.windows.polars_engine.windows import Windows


@dataclass(frozen=True)
class Picked:
    """Rows picked for each distinct probe, one probe after another: `lengths[i]` of the flat `rows` are of probe i."""

    rows: pl.Series
    lengths: pl.Series


def expanded(frame: pl.DataFrame, begin: pl.Expr, end: pl.Expr, *kept: str, newest: bool = False) -> pl.DataFrame:
    """The columns `kept` of each row once per number in `[begin, end)`, and `row`, the number.

    `newest` begins with the greatest.
    """
    numbers = pl.int_ranges(end - 1, begin - 1, step=-1) if newest else pl.int_ranges(begin, end)
    # A list without numbers would still give a row.
    return frame.filter(end > begin).select(*kept, row=numbers).explode("row")


def newest(windows: Windows, max_length: int, *, newest_first: bool) -> Picked:
    """The newest `max_length` rows of each window."""
    frame = windows.frame().select(lo=pl.max_horizontal("lo", pl.col("hi") - min(max_length, 2**62)), hi="hi")
    rows = expanded(frame, pl.col("lo"), pl.col("hi"), newest=newest_first)["row"]
    return Picked(rows, frame["hi"] - frame["lo"])


def oldest(windows: Windows, max_length: int, *, newest_first: bool) -> Picked:
    """The oldest `max_length` rows of each window."""
    frame = windows.frame().select(lo="lo", hi=pl.min_horizontal("hi", pl.col("lo") + min(max_length, 2**62)))
    rows = expanded(frame, pl.col("lo"), pl.col("hi"), newest=newest_first)["row"]
    return Picked(rows, frame["hi"] - frame["lo"])


def collected(picks: Sequence[pl.DataFrame], probes: int, *, newest_first: bool) -> Picked:
    """Lists of the rows of frames with columns p, position and row, where the rows of a p stand together.

    `position` counts from 0, over all picks, for the row that comes first in a list which is newest first.
    """
    lengths = pl.zeros(probes, pl.Int64, eager=True)
    for pick in picks:
        counts = counts_of(pick["p"])
        lengths = lengths.scatter(counts["p"], lengths.gather(counts["p"]) + counts["rows"])
    ends = lengths.cum_sum()
    first = ends - lengths if newest_first else ends - 1
    rows = pl.zeros(int(lengths.sum()), pl.Int64, eager=True)
    for pick in picks:
        begin = first.gather(pick["p"])
        rows = rows.scatter(begin + pick["position"] if newest_first else begin - pick["position"], pick["row"])
    return Picked(rows, lengths)


def counts_of(p: pl.Series) -> pl.DataFrame:
    """Columns p and rows: how many neighbours are the same, where equal ones stand together."""
    runs = pl.DataFrame({"run": p.rle()}).unnest("run")
    return runs.select(p=pl.col("value"), rows=pl.col("len").cast(pl.Int64))


def numbered_in(p: str) -> pl.Expr:
    """0, 1, 2 ... for the rows of each value of a column, which stand together."""
    position = pl.int_range(pl.len())
    begins = pl.col(p).ne_missing(pl.col(p).shift(1))
    return position - pl.when(begins).then(position).otherwise(0).cum_max()


def lists_of(values: pl.Series, picked: Picked) -> pl.Series:
    """One list per distinct probe, never NULL."""
    return in_lists(values.gather(picked.rows), picked.lengths)


def in_lists(flat: pl.Series, lengths: pl.Series) -> pl.Series:
    """Values that stand one after another, cut into lists of these lengths."""
    offsets = pl.concat([pl.Series([0], dtype=pl.Int64), lengths.cum_sum()])
    return pl.Series(pa.LargeListArray.from_arrays(offsets.to_arrow(), flat.to_arrow()))


def elements_of(lists: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The elements of lists that are not NULL, each list turned around, and how many stand before each list.

    In a list the first element is the newest, and rows run from old to new.
    """
    lengths = lists.list.len().cast(pl.Int64)
    before = pl.concat([pl.Series([0], dtype=pl.Int64), lengths.cum_sum()])
    turned = lists.filter(lengths > 0).list.reverse().explode()
    return turned.cast(lists.dtype.inner), before  # type: ignore[attr-defined]
