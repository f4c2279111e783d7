"""Distinct probes, and where the window of each begins and ends in the sorted history.

A window is the half-open range `[lo, hi)` of history rows, one per distinct probe; the windows of an entity without
history are empty wherever they stand.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

# An entity and any int64 time in one Int128, with room on both sides for `t - W` of windows up to 2^64.
_WIDE_STRIDE = 2**67
_WIDEST = 2**64
_NARROW_BITS = 62
_FIRST, _LAST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Windows:
    """History rows `lo[i] <= j < hi[i]` of each distinct probe; Int64, with `lo <= hi`."""

    lo: pl.Series
    hi: pl.Series

    def __len__(self) -> int:
        return len(self.lo)

    @property
    def rows(self) -> pl.Series:
        """How many rows each window has."""
        return self.hi - self.lo

    def frame(self) -> pl.DataFrame:
        """Columns p (index of the probe), lo and hi."""
        return pl.DataFrame({"lo": self.lo, "hi": self.hi}).select(pl.int_range(pl.len()).alias("p"), "lo", "hi")

    def within(self, before: pl.Series) -> Windows:
        """The same windows over rows that were thinned out or multiplied: `before[j]` of them stand before row j."""
        return Windows(before.gather(self.lo), before.gather(self.hi))


@dataclass(frozen=True)
class DistinctProbes:
    """Each (entity, time) once, in order; `inverse` has the index for each value of a result, None if it is its own."""

    entity: pl.Series
    time: pl.Series
    inverse: pl.Series | None

    def __len__(self) -> int:
        return len(self.time)

    @staticmethod
    def of(entity: pl.Series, time: pl.Series, order: pl.Series | None = None) -> DistinctProbes:
        """Merge neighbours that share entity and time, as the rows of one impression list do; `order` as in Probes."""
        frame = pl.DataFrame({"e": entity, "t": time})
        new = frame.select(
            (pl.col("e").ne_missing(pl.col("e").shift(1))) | (pl.col("t").ne_missing(pl.col("t").shift(1)))
        ).to_series()
        if new.all():
            return DistinctProbes(entity, time, order)
        kept = frame.filter(new)
        inverse = new.cast(pl.Int64).cum_sum() - 1
        return DistinctProbes(kept["e"], kept["t"], inverse if order is None else inverse.gather(order))


class Finder:
    """Finds windows by binary search of (entity, time) keys; upper ends once for all windows that end alike."""

    def __init__(self, entity: pl.Series, time: pl.Series, probes: DistinctProbes) -> None:
        """`entity` (codes from 0) and `time` are the history's, sorted by both."""
        self._probes = probes
        self._least, self._greatest = _span(time)
        entities = max(_most(entity), _most(probes.entity)) + 1
        span = self._greatest - self._least + 2
        self._narrow = (entities * span).bit_length() <= _NARROW_BITS and self._greatest < _LAST
        self._stride = span if self._narrow else _WIDE_STRIDE
        self._keys = self._key(entity, time)
        self._ends: dict[tuple[int | None, int], tuple[pl.Series, pl.Series]] = {}

    def find(self, window: int | None, aligned_to: int | None = None, offset: int = 0) -> Windows:
        """The rows of `[e - window, e)`; None looks back without end.

        `e` is the time of the probe, rounded down to a whole `aligned_to`, then moved back by `offset`.
        """
        if (aligned_to, offset) not in self._ends:
            end = _ends(self._probes.time, aligned_to, offset)
            self._ends[aligned_to, offset] = end, self._before(end)
        end, hi = self._ends[aligned_to, offset]
        return Windows(self._before(self._earlier(end, _WIDEST if window is None else min(window, _WIDEST))), hi)

    def _earlier(self, time: pl.Series, shift: int) -> pl.Series:
        """The times less `shift`; a narrow key takes all that lies before the history for its begin."""
        first = self._least + shift
        if not self._narrow or shift > _LAST:
            return time.cast(pl.Int128) - wide(shift)
        if first > _LAST:
            return pl.select(pl.repeat(self._least, len(time), dtype=pl.Int64)).to_series()
        return time.clip(lower_bound=first) - shift

    def _before(self, instant: pl.Series) -> pl.Series:
        """How many rows stand before the first row of the probe's entity at or after `instant`."""
        return self._keys.search_sorted(self._key(self._probes.entity, instant), side="left").cast(pl.Int64)

    def _key(self, entity: pl.Series, instant: pl.Series) -> pl.Series:
        """Order of (entity, time) in one integer; a narrow one moves instants outside the history's span next to it."""
        frame = pl.DataFrame({"e": entity, "t": instant})
        if not self._narrow:
            stride = pl.lit(self._stride, dtype=pl.Int128)
            return frame.select(pl.col("e").cast(pl.Int128) * stride + pl.col("t").cast(pl.Int128)).to_series()
        least, greatest = (pl.lit(limit, dtype=instant.dtype) for limit in (self._least, self._greatest + 1))
        time = pl.col("t").clip(least, greatest).cast(pl.Int64) - self._least
        return frame.select(pl.col("e") * self._stride + time).to_series()


def _ends(time: pl.Series, aligned_to: int | None, offset: int) -> pl.Series:
    """Where the windows of probes at these times end; what lies before the first Int64 is held there."""
    if aligned_to is None and not offset:
        return time
    end = pl.col("t").cast(pl.Int128)
    if aligned_to is not None:
        grid = pl.lit(aligned_to, dtype=pl.Int128)
        # A remainder may have the sign of the time: twice, and it has none.
        end -= (end % grid + grid) % grid
    end -= pl.lit(offset, dtype=pl.Int128)
    least = pl.lit(_FIRST, dtype=pl.Int128)
    return pl.DataFrame({"t": time}).select(pl.max_horizontal(end, least).cast(pl.Int64)).to_series()


def _span(time: pl.Series) -> tuple[int, int]:
    return (0, 0) if time.is_empty() else (int(time.min()), int(time.max()))  # type: ignore[arg-type]


def _most(entity: pl.Series) -> int:
    return 0 if entity.is_empty() else int(entity.abs().max())  # type: ignore[arg-type]


def wide(value: int) -> pl.Series:
    """A number to compute with Int128 columns: Polars takes no plain integer there."""
    return pl.Series([value], dtype=pl.Int128)


def running_count(flags: pl.Series) -> pl.Series:
    """How many flags are set before each row, one row more than there are flags."""
    return pl.concat([pl.Series([0], dtype=pl.Int64), flags.cast(pl.Int64).cum_sum()])
