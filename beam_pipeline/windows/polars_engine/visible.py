"""Rows that become known late: which rows of a window a probe may see.

Going through an entity's rows in order, all before the first one that was not known by t were known: that part of a
window is a range. If a row behind it was known all the same, the probe is mixed, and gets a copy of the rows it sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from beam_pipeline.windows.polars_engine.extremes import greatest
from beam_pipeline.windows.polars_engine.items import PAIR_BUDGET
from beam_pipeline.windows.polars_engine.lists import expanded
from beam_pipeline.windows.polars_engine.windows import DistinctProbes, Finder, Windows


@dataclass(frozen=True)
class Seen:
    """What the probes see of their windows: ranges, empty for the probes in `mixed` (Int64 indices, ascending)."""

    windows: Windows
    mixed: pl.Series


@dataclass(frozen=True)
class Copies:
    """The rows that a block of mixed probes sees: probe i those of `rows` in its window; `owner` is i for each row."""

    rows: pl.Series
    owner: pl.Series
    windows: Windows


class Visibility:
    """When the rows of a history became known; the probes are those whose windows are asked for."""

    def __init__(self, entity: pl.Series, time: pl.Series, known: pl.Series, probes: DistinctProbes) -> None:
        self._known, self._probes = known, probes
        self._at_once = bool((known <= time).all())
        running = pl.DataFrame({"e": entity, "k": known}).select(pl.col("k").cum_max().over("e")).to_series()
        # The first row of the probe's entity that became known at its time or later: the running maximum of an entity
        # is sorted, as times are, and is searched as they are.
        self._hidden_from = Finder(entity, running, probes).find(0).hi

    def within(self, windows: Windows) -> Seen:
        """What the probes see of the rows in `windows`, all of which have an earlier time."""
        if self._at_once:
            return Seen(windows, pl.Series([], dtype=pl.Int64))
        frame = pl.DataFrame({"lo": windows.lo, "hi": windows.hi, "cut": self._hidden_from})
        cut = frame.select(pl.min_horizontal("hi", pl.max_horizontal("lo", "cut"))).to_series()
        # Turned around (-1 - known), so that the greatest is the one that was known first.
        first_known = -1 - greatest(-1 - self._known, Windows(cut, windows.hi))
        mixed = (first_known < self._probes.time).fill_null(False)
        end = pl.DataFrame({"lo": windows.lo, "cut": cut, "mixed": mixed}).select(
            pl.when("mixed").then("lo").otherwise("cut")
        )
        return Seen(Windows(windows.lo, end.to_series()), mixed.arg_true().cast(pl.Int64))

    def copies(self, windows: Windows, mixed: pl.Series) -> Iterator[Copies]:
        """The rows that the mixed probes see, so many probes at a time that about PAIR_BUDGET rows are looked at."""
        frame = pl.DataFrame(
            {"lo": windows.lo.gather(mixed), "hi": windows.hi.gather(mixed), "t": self._probes.time.gather(mixed)}
        )
        number = (frame["hi"] - frame["lo"]).cum_sum() // PAIR_BUDGET
        for _, block in frame.group_by(number, maintain_order=True):
            pairs = expanded(block.with_columns(p=pl.int_range(pl.len())), pl.col("lo"), pl.col("hi"), "p", "t")
            pairs = pairs.filter(self._known.gather(pairs["row"]) < pairs["t"])
            counts = pairs.group_by("p").len()
            every = pl.select(p=pl.int_range(block.height)).join(counts, on="p", how="left", maintain_order="left")
            ends = every["len"].fill_null(0).cast(pl.Int64).cum_sum()
            yield Copies(pairs["row"], pairs["p"], Windows(ends.shift(1, fill_value=0), ends))
