"""Aggregates of the history of each probe over the window `[t - W, t)`: the interface of the kernel.

Rows at exactly t are not seen, rows at exactly t - W are. No kind collects NULLs. Nothing depends on how the history
was cut into chunks, as long as each entity is whole.

    history, probes ── bounds ──┬── count
                                ├── exact_sum, double_sum   (limbs)
                                └── lists, distinct         (rows to take)

Memory beside the input and the result, at its peak: about 30 bytes per history row, 50 where a column is made distinct,
plus a copy of a column that has NULLs; per distinct probe 16 bytes per window, 4 per limb of a sum (3 or 4 limbs for
usual doubles, 66 for all exponents there are) and 24 per distinct item found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_pipeline.kernel.bounds import Bools, BoundFinder, Bounds, Int64s, distinct_probes, segments_of
from beam_pipeline.kernel.distinct import item_codes, newest_distinct, next_same
from beam_pipeline.kernel.exact_sum import SumOverflow, WindowSums, window_sums
from beam_pipeline.kernel.lists import gather, newest, take
from daeda.errors import NotBuiltYet
from daeda.operators.temporal import BUILT_KINDS
from daeda.settings.aggregations import LIST_KINDS, AggregateKind

_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True)
class History:
    """One chunk of history: whole entities, sorted by (entity, time, tie order), the newest last.

    Attributes:
        entity: int64 codes, non-decreasing.
        time: int64, in the unit of the windows.
        columns: Arrow arrays of the same length, of any type that DuckDB gives; NULLs are possible.
    """

    entity: Int64s
    time: Int64s
    columns: Mapping[str, pa.Array]

    def __post_init__(self) -> None:
        lengths = {len(self.entity), len(self.time), *(len(column) for column in self.columns.values())}
        if len(lengths) != 1:
            raise ValueError(f"the columns of a history have different lengths: {sorted(lengths)}")


@dataclass(frozen=True)
class Probes:
    """The moments that look back: int64 entity codes and times, sorted by (entity, time); any of them may repeat."""

    entity: Int64s
    time: Int64s

    def __post_init__(self) -> None:
        if len(self.entity) != len(self.time):
            raise ValueError(f"{len(self.entity)} entities and {len(self.time)} times do not make probes")


@dataclass(frozen=True)
class WindowedAggregate:
    """One aggregate over one window.

    Attributes:
        name: column that it makes, for messages.
        kind: what is computed.
        column: column of the history; None counts rows.
        window: length of the window in the unit of the times, None for unbounded.
        max_length: most values of a list kind.
        newest_first: otherwise each finished list is turned around.
    """

    name: str
    kind: AggregateKind
    column: str | None
    window: int | None
    max_length: int | None = None
    newest_first: bool = True

    def __post_init__(self) -> None:
        if self.kind not in BUILT_KINDS:
            raise NotBuiltYet(
                f"'{self.name}': kind '{self.kind}' is not built, known: {', '.join(sorted(BUILT_KINDS))}"
            )
        if (self.kind in LIST_KINDS) != (self.max_length is not None):
            raise ValueError(f"'{self.name}': 'max_length' belongs to list kinds, and they need it")
        if self.kind != "count" and self.column is None:
            raise ValueError(f"'{self.name}': kind '{self.kind}' needs a column")
        if self.window is not None and self.window < 0:
            raise ValueError(f"'{self.name}': a window cannot be negative, found {self.window}")


def aggregate(history: History, probes: Probes, aggregates: Sequence[WindowedAggregate], where: str) -> list[pa.Array]:
    """Compute the aggregates of every probe.

    Args:
        history: one chunk of whole entities.
        probes: moments of the same entities; an entity without history has empty windows.
        aggregates: what to compute; bounds are found once per distinct window and NULLs dropped once per column.
        where: begins the message of an overflow, like "operator 'rolling_x', day 2017-01-29".

    Returns:
        Per aggregate one array of the length of the probes: int64 counts, sums of the type of `Aggregate.output`,
        `last` of the column's type, lists of it. Over an empty window a count is 0, a list empty, the rest NULL.

    Raises:
        SumOverflow: an integer sum leaves int64, or a decimal one 38 digits.
        DayError: lists of more than 2^31 - 1 values in all, or text of more bytes than Arrow's offsets reach: the
            caller cuts smaller chunks; a type that cannot be summed or told apart.
        KeyError: a column that the history does not have.
    """
    distinct = distinct_probes(probes.entity, probes.time)
    segments = segments_of(history.entity)
    finder = BoundFinder(segments, history.time, distinct)
    windows = {window: finder.find(window) for window in dict.fromkeys(one.window for one in aggregates)}
    del finder  # its keys take as much memory as the times
    results: dict[int, pa.Array] = {}
    for column in dict.fromkeys(one.column for one in aggregates):
        places = [place for place, one in enumerate(aggregates) if one.column == column]
        source = None if column is None else history.columns[column]
        needed = {aggregates[place].window for place in places}
        held = _Column(source, segments.ranks, {window: windows[window] for window in needed})
        sums = _sums(held, [aggregates[place] for place in places], distinct.entity, where)
        for place in places:
            results[place] = _one(held, aggregates[place], distinct.inverse, sums)
    return [results[place] for place in range(len(aggregates))]


class _Column:
    """One column of the history without its NULLs, and the windows as ranges of what is left."""

    def __init__(self, source: pa.Array | None, ranks: Callable[[], Int64s], windows: dict[int | None, Bounds]) -> None:
        """Without a `source` the windows are those of the rows; `ranks` gives the entity of each history row."""
        self.values = source
        self.windows = windows
        self._ranks = ranks
        self._valid: Bools | None = None
        if source is not None and source.null_count:
            self._valid = np.asarray(source.is_valid())
            before = np.zeros(len(source) + 1, dtype=np.int64)
            np.cumsum(self._valid, out=before[1:])
            self.values = source.drop_null()
            self.windows = {name: Bounds(before[one.lo], before[one.hi]) for name, one in windows.items()}

    @cached_property
    def following(self) -> Int64s:
        """Per value the next one that is the same item of the same entity."""
        ranks = self._ranks()
        codes, limit = item_codes(self.values)
        return next_same(ranks if self._valid is None else ranks[self._valid], codes, limit)


def _sums(
    held: _Column, aggregates: Sequence[WindowedAggregate], entity: Int64s, where: str
) -> dict[int | None, WindowSums]:
    """The sums of a column by window; raises SumOverflow for the first one that does not fit."""
    summing = [one for one in aggregates if one.kind == "sum"]
    wanted = list(dict.fromkeys(one.window for one in summing))
    if not wanted:
        return {}
    sums = dict(zip(wanted, window_sums(held.values, [held.windows[one] for one in wanted]), strict=True))
    for one in summing:
        outside = sums[one.window].outside
        if outside is not None and outside.any():
            raise SumOverflow(where, one.name, int(entity[np.argmax(outside)]), sums[one.window].type)
    return sums


def _one(
    held: _Column, wanted: WindowedAggregate, inverse: Int64s | None, sums: Mapping[int | None, WindowSums]
) -> pa.Array:
    """One aggregate of every probe; what distinct probes share is spread by `inverse` last."""
    window = held.windows[wanted.window]
    match wanted.kind:
        case "count":
            return pa.array(_spread(window.hi - window.lo, inverse))
        case "sum":
            return sums[wanted.window].to_arrow(window.hi == window.lo, inverse)
        case "last":
            empty = _spread(window.hi == window.lo, inverse)
            return take(held.values, pa.array(_spread(window.hi - 1, inverse), mask=empty))
        case "list":
            assert wanted.max_length is not None
            return gather(held.values, newest(window, wanted.max_length), inverse, wanted.newest_first)
        case "last_distinct":
            assert wanted.max_length is not None
            picked = newest_distinct(held.following, window, wanted.max_length)
            return gather(held.values, picked, inverse, wanted.newest_first)
        case _:
            raise AssertionError(f"kind '{wanted.kind}' is outside BUILT_KINDS")


def _spread(values: npt.NDArray[_Scalar], inverse: Int64s | None) -> npt.NDArray[_Scalar]:
    return values if inverse is None else values[inverse]
