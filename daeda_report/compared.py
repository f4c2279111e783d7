"""What the days of a column are compared with: the reference days, without those that are exceptions among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from daeda.statistics.bins import coarsened
from daeda.statistics.drift import Drift, drift_of, merged
from daeda.statistics.model import Numbers, Summary

# An index above this is much, if it is so far above what chance makes.
MUCH, BEYOND_CHANCE = 0.25, 3.0
# An exception is one day, or one of so many. Where more days are unlike the others they are a pattern, as weekends are.
_EXCEPTIONS = 5
# So many days one after another count up before that is no chance.
_FEWEST_STEPS = 6
# Neighbouring days of what counts up have spans that differ by no more, and a gap between them that is no longer.
_LIKE_SPANS = 5.0


@dataclass(frozen=True)
class Compared:
    """The reference days that count, all their rows, and how far each day is from them."""

    days: tuple[int, ...]
    reference: Summary | None
    drifts: tuple[Drift | None, ...] = ()
    left_out: tuple[int, ...] = ()


def compared(summaries: Sequence[Summary | None], reference: Sequence[int], *, chosen: bool) -> Compared:
    """Compare each day with the reference; of days that nobody has `chosen` exceptions are left out."""
    all_days = tuple(index for index in reference if summaries[index] is not None)
    found = _with(summaries, all_days)
    if chosen or found.reference is None:
        return found
    left = list(all_days)
    may_go = max(1, len(left) // _EXCEPTIONS) if len(left) > 2 else 0
    drifts: Sequence[Drift | None] = found.drifts
    while (worst := _worst(drifts, left)) is not None:
        if len(all_days) - len(left) == may_go:
            return found
        left.remove(worst)
        drifts = _with(summaries, left, among=left).drifts
    if len(left) == len(all_days):
        return found
    return replace(_with(summaries, left), left_out=tuple(index for index in all_days if index not in left))


def _with(summaries: Sequence[Summary | None], days: Sequence[int], among: Sequence[int] | None = None) -> Compared:
    pooled = together([one for index in days if (one := summaries[index]) is not None])
    if pooled is None:
        return Compared((), None)
    even = _evened(pooled, summaries)
    drifts = [
        None if one is None or (among is not None and index not in among) else drift_of(even, one)
        for index, one in enumerate(summaries)
    ]
    return Compared(tuple(days), pooled, tuple(drifts))


def _worst(drifts: Sequence[Drift | None], days: Sequence[int]) -> int | None:
    """The day among these that is furthest from all of them, if that is much."""
    far = [(drift.psi, index) for index in days if (drift := drifts[index]) is not None and much(drift)]
    return max(far)[1] if far else None


def much(drift: Drift, rows_alike: float = 1.0) -> bool:
    """Whether an index is much; of `rows_alike` rows, as of items of a list, there are as good as one."""
    return drift.psi > MUCH + BEYOND_CHANCE * drift.by_chance * rows_alike


def moves(kind: str | None, summaries: Sequence[Summary | None]) -> bool:
    """Whether a column has other values on each day by its nature: keys, times, and whole numbers that count up."""
    there = [one for one in summaries if one is not None]
    if kind in ("key", "timestamp") or any(one.dtype.startswith(("timestamp", "date")) for one in there):
        return True
    if not there or not there[-1].dtype.startswith(("int", "uint")):
        return False
    numbers = [one.numbers for one in there if one.numbers is not None and one.numbers.quantiles]
    middles = [one.quantiles["0.5"] for one in numbers]
    steps = [later - before for before, later in pairwise(middles)]
    if len(steps) >= _FEWEST_STEPS:
        return all(step > 0 for step in steps) and min(middles) > 0
    return bool(steps) and all(_goes_on(before, later) for before, later in pairwise(numbers))


def _goes_on(before: Numbers, later: Numbers) -> bool:
    """Whether the numbers of a day begin where those of the day before end, as numbers of orders or seconds do."""
    ends = (before.minimum, before.maximum, later.minimum, later.maximum)
    least, end, begin, greatest = (math.nan if one is None else one for one in ends)
    spans = sorted((end - least, greatest - begin))
    return 0 <= begin - end <= spans[1] and 0 < spans[1] <= _LIKE_SPANS * spans[0]


def together(summaries: Sequence[Summary]) -> Summary | None:
    """All rows of these days; days on which the column had another type than on the last one are left out."""
    alike = [one for one in summaries if one.dtype == summaries[-1].dtype]
    items = [one.items for one in alike if one.items is not None]
    all_rows = merged(alike)
    return None if all_rows is None else replace(all_rows, items=merged(items))


def _evened(reference: Summary, summaries: Sequence[Summary | None]) -> Summary:
    """The reference by the widest bins of any day, so that its bins are the same on all days."""
    there = [one for one in summaries if one is not None]
    return replace(
        reference,
        numbers=_widened(reference.numbers, [one.numbers for one in there]),
        lengths=_widened(reference.lengths, [one.lengths for one in there]),
        norms=_widened(reference.norms, [one.norms for one in there]),
    )


def _widened(own: Numbers | None, others: Sequence[Numbers | None]) -> Numbers | None:
    if own is None:
        return None
    widest = max((one.histogram.shift for one in others if one is not None), default=0)
    return replace(own, histogram=coarsened(own.histogram, widest))
