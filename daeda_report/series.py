"""What statistics tell of a column over the days, as lists that have a value for each day; and how far each drifts."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from daeda.statistics.bins import coarsened
from daeda.statistics.drift import Drift, drift_of, merged
from daeda.statistics.model import QUANTILES, Histogram, Numbers, Summary

Shown = dict[str, Any]
_BARS = 24
# Beyond this ratio of the greatest to the middle a scale of powers shows more.
_WIDE = 40.0
_MOST_HALVED = 2.0**52
_MOST_VALUES = 12
# So many days one after another count up before that is no chance.
_FEWEST_STEPS = 6
_TITLES = {"numbers": "Values", "lengths": "List lengths", "norms": "Lengths of the vectors"}


@dataclass(frozen=True)
class Series:
    """One column: a summary for each day, or None; that of the reference days together; and drift against them."""

    name: str
    kind: str | None
    summaries: tuple[Summary | None, ...]
    reference: Summary | None
    drifts: tuple[Drift | None, ...] = ()

    @classmethod
    def of(cls, name: str, kind: str | None, summaries: Sequence[Summary | None], reference: Sequence[int]) -> Series:
        """The series with its drift; keys, times and what counts up are other ones on each day, and drift by nature."""
        pooled = together([one for index in reference if (one := summaries[index]) is not None])
        drifts: tuple[Drift | None, ...] = ()
        if pooled is not None and not _moves(kind, summaries):
            even = _evened(pooled, summaries)
            drifts = tuple(None if one is None else drift_of(even, one) for one in summaries)
        return cls(name, kind, tuple(summaries), pooled, drifts)

    @property
    def psi(self) -> list[float | None]:
        """The index of each day."""
        if not self.drifts:
            return [None] * len(self.summaries)
        return [None if one is None else _rounded(one.psi, 4) for one in self.drifts]

    def shown(self) -> Shown:
        """For the page."""
        return {
            "numbers": [
                _numbers_shown(title, [getattr(one, of) if one is not None else None for one in self.summaries],
                               getattr(self.reference, of) if self.reference is not None else None,
                               _unit_of(self.summaries) if of == "numbers" else None)
                for of, title in _TITLES.items()
                if self._has(of) and not (of == "lengths" and self._has("norms"))
            ],
            "items": self._items(),
            "top": _top_shown(self.summaries, self.reference),
            "distinct": _distinct_shown(self.summaries),
            "drift": _drift_shown(self.drifts),
        }  # fmt: skip

    def _has(self, of: str) -> bool:
        return any(one is not None and getattr(one, of) is not None for one in self.summaries)

    def _items(self) -> Shown | None:
        items = [one.items if one is not None else None for one in self.summaries]
        if not any(items):
            return None
        reference = self.reference.items if self.reference is not None else None
        numbers = [one.numbers if one is not None else None for one in items]
        return {
            "numbers": _numbers_shown(
                "Items of the lists", numbers, reference.numbers if reference else None, _unit_of(items)
            )
            if any(numbers)
            else None,
            "top": _top_shown(items, reference),
        }


def _moves(kind: str | None, summaries: Sequence[Summary | None]) -> bool:
    """Whether a column has other values on each day by its nature: keys, times, and whole numbers that count up."""
    there = [one for one in summaries if one is not None]
    if kind in ("key", "timestamp") or any(one.dtype.startswith(("timestamp", "date")) for one in there):
        return True
    if not there or not there[-1].dtype.startswith(("int", "uint")):
        return False
    middles = [one.numbers.quantiles["0.5"] for one in there if one.numbers is not None and one.numbers.quantiles]
    steps = [later - before for before, later in pairwise(middles)]
    return len(steps) >= _FEWEST_STEPS and all(step > 0 for step in steps) and min(middles) > 0


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


def _unit_of(summaries: Sequence[Summary | None]) -> str | None:
    """The unit of numbers that are times since 1970: `d`, `ms`, `us` or `ns`; None of other ones."""
    dtype = next((one.dtype for one in reversed(summaries) if one is not None), "")
    if dtype == "date":
        return "d"
    return dtype.removeprefix("timestamp[")[:2] if dtype.startswith("timestamp[") else None


def _numbers_shown(title: str, numbers: Sequence[Numbers | None], reference: Numbers | None, unit: str | None) -> Shown:
    edges, logarithmic = _edges([one for one in numbers if one is not None], reference)
    # Six places of the seconds since 1970 are hours.
    told = partial(_told, places=6 if unit is None else 17)
    return {
        "title": title,
        "unit": unit,
        "mean": [told(one.mean) if one is not None else None for one in numbers],
        "deviation": [told(one.deviation) if one is not None else None for one in numbers],
        "minimum": [told(one.minimum) if one is not None else None for one in numbers],
        "maximum": [told(one.maximum) if one is not None else None for one in numbers],
        "quantiles": {q: [told(one.quantiles.get(q) if one else None) for one in numbers] for q in QUANTILES},
        "error": max((one.quantile_error for one in numbers if one is not None), default=0.0),
        "zeros": [_share(one.zeros, one.finite) if one else None for one in numbers],
        "nan": [one.nan if one else None for one in numbers],
        "infinite": [one.below + one.above if one else None for one in numbers],
        # Not rounded: of great numbers, such as seconds since 1970, neighbouring edges would be the same.
        "edges": [float(edge) if math.isfinite(edge) else None for edge in edges],
        "logarithmic": logarithmic,
        "counts": [_counted(one.histogram, edges) if one else None for one in numbers],
        "reference": _counted(reference.histogram, edges) if reference is not None else None,
    }


def _edges(numbers: Sequence[Numbers], reference: Numbers | None) -> tuple[list[float], bool]:
    """The edges of the bars, which are the same on all days: from the least to the greatest of the usual values."""
    lows = [one.quantiles["0.01"] for one in numbers if one.quantiles]
    highs = [one.quantiles["0.99"] for one in numbers if one.quantiles]
    if not lows:
        return [], False
    low, high = min(lows), max(highs)
    # Of greater numbers there are no halves.
    whole = all(float(value).is_integer() and abs(value) < _MOST_HALVED for value in (*lows, *highs))
    if whole and high - low < _BARS:
        return [value - 0.5 for value in np.arange(low, high + 2)], False
    if low == high:
        return [min(low - 0.5, math.nextafter(low, -math.inf)), max(high + 0.5, _above(high))], False
    middles = sorted(one.quantiles["0.5"] for one in numbers if one.quantiles)
    middle = middles[len(middles) // 2]
    if low > 0 and high > _WIDE * middle:
        powers = np.linspace(math.log2(low), math.log2(high), _BARS, endpoint=False)[1:]
        return [low, *(float(edge) for edge in np.exp2(powers)), _above(high)], True
    if not math.isfinite(high - low):
        return [low, high], False
    if whole:
        # As many whole numbers in each, the greatest among them.
        step = math.ceil((high - low + 1) / _BARS)
        return [low - 0.5 + step * place for place in range(math.ceil((high - low + 1) / step) + 1)], False
    # Great numbers close to each other have few others between them.
    inner = dict.fromkeys(float(edge) for edge in np.linspace(low, high, _BARS, endpoint=False))
    return [*inner, _above(high)], False


def _above(value: float) -> float:
    """The next double, which may not be infinite."""
    return min(math.nextafter(value, math.inf), sys.float_info.max)


def _counted(histogram: Histogram, edges: Sequence[float]) -> list[int]:
    """How many numbers lie between the edges, and first and last how many before and behind them."""
    places = np.searchsorted(np.array(edges), _middles(histogram), side="right")
    counts = np.bincount(places, np.array(histogram.counts, np.float64), minlength=len(edges) + 1)
    return [int(each) for each in counts]


def _middles(histogram: Histogram) -> npt.NDArray[np.float64]:
    """The middle of each bin; of narrow ones it is the number itself."""
    bins = np.array(histogram.bins, np.int64)
    size = np.abs(bins)
    greatest = np.array([np.finfo(np.float64).max]).view(np.int64)[0]
    low = np.minimum(size << histogram.shift, greatest).view(np.float64)
    high = np.minimum(((size + 1) << histogram.shift) - 1, greatest).view(np.float64)
    middle: npt.NDArray[np.float64] = np.where(bins == 0, 0.0, np.sign(bins) * (low / 2 + high / 2))
    return middle


def _top_shown(summaries: Sequence[Summary | None], reference: Summary | None) -> Shown | None:
    """The most frequent values of all days, with the share that each has on each day."""
    tops = [one.top if one is not None else None for one in summaries]
    if not any(one is not None and one.values for one in tops):
        return None
    totals: Counter[str] = Counter()
    for one in tops:
        totals.update({} if one is None else one.counts)
    values = sorted(totals, key=lambda value: (-totals[value], value))[:_MOST_VALUES]
    by_day = [one.counts if one is not None else Counter[str]() for one in tops]
    own = reference.top.counts if reference is not None and reference.top is not None else Counter[str]()
    return {
        "values": values,
        "shares": [
            [None if one is None else _share(counts.get(value, 0), one.rows) for one, counts in zip(
                summaries, by_day, strict=True)]
            for value in values
        ],
        "reference": [_share(own.get(value, 0), reference.rows) if reference is not None else None for value in values],
        "complete": all(one.complete for one in tops if one is not None) and len(totals) <= _MOST_VALUES,
        "error": max((one.error for one in tops if one is not None), default=0),
        "others": max(0, len(totals) - _MOST_VALUES),
    }  # fmt: skip


def _distinct_shown(summaries: Sequence[Summary | None]) -> Shown | None:
    found = [one.distinct if one is not None else None for one in summaries]
    if not any(found):
        return None
    return {
        "counts": [one.count if one is not None else None for one in found],
        "error": max((one.error for one in found if one is not None), default=0.0),
    }


def _drift_shown(drifts: Sequence[Drift | None]) -> Shown | None:
    """The bins of each day. Labels and counts of the reference stand once for all days that have the same."""
    if not any(drifts):
        return None
    variants: dict[tuple[tuple[str, int], ...], int] = {}
    which: list[int | None] = []
    counts: list[list[int] | None] = []
    for one in drifts:
        if one is None:
            which.append(None)
            counts.append(None)
            continue
        key = tuple((each.label, each.reference) for each in one.bins)
        which.append(variants.setdefault(key, len(variants)))
        counts.append([each.count for each in one.bins])
    return {
        "of": next(one.of for one in drifts if one is not None),
        "bins": [[label for label, _ in key] for key in variants],
        "reference": [[count for _, count in key] for key in variants],
        "which": which,
        "counts": counts,
    }


def _share(part: int, whole: int) -> float:
    return _rounded(part / whole, 6) if whole else 0.0


def _told(value: float | None, places: int) -> float | None:
    """A number with as many places as a reader sees; None for what JSON cannot hold."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{places}g}")


def _rounded(value: float, places: int) -> float:
    return round(value, places) if math.isfinite(value) else 0.0
