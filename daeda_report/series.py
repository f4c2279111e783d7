"""What statistics tell of a column over the days, as lists that have a value for each day; and how far each drifts."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from daeda.statistics.drift import Drift
from daeda.statistics.model import QUANTILES, Histogram, Numbers, Summary
from daeda_report.compared import compared, moves

Shown = dict[str, Any]
_BARS = 24
# Beyond this ratio of the greatest to the middle a scale of powers shows more.
_WIDE = 40.0
_MOST_HALVED = 2.0**52
_MOST_VALUES = 12
_TITLES = {"numbers": "Values", "lengths": "List lengths", "norms": "Lengths of the vectors"}


@dataclass(frozen=True)
class Series:
    """One column: a summary for each day, or None; that of the reference days together; and drift against them.

    `compared` are the reference days that count, without those `left_out`. `inner` are what is in its lists and
    structs: `part` names it in words, and `alike` is how many of its values a row has, which are no more than one by
    chance.
    """

    name: str
    kind: str | None
    summaries: tuple[Summary | None, ...]
    reference: Summary | None
    drifts: tuple[Drift | None, ...] = ()
    compared: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()
    moves: bool = False
    inner: tuple[Series, ...] = ()
    part: str = ""
    alike: float = 1.0

    @classmethod
    def of(
        cls,
        name: str,
        kind: str | None,
        summaries: Sequence[Summary | None],
        reference: Sequence[int],
        *,
        chosen: bool = False,
    ) -> Series:
        """The series with its drift; keys, times and what counts up are other ones on each day, and drift by nature.

        Of a reference that nobody has `chosen` exceptions are left out.
        """
        moving = moves(kind, summaries)
        own = compared(summaries, reference, chosen=chosen or moving)
        drifts = () if moving or own.reference is None else own.drifts
        inner = tuple(_inner(name, summaries, reference, chosen=chosen))
        return cls(name, kind, tuple(summaries), own.reference, drifts, own.days, own.left_out, moving, inner)

    @property
    def unit(self) -> str | None:
        """The unit of times since 1970; None of other values."""
        return _unit_of(self.summaries)

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


def _inner(
    name: str, summaries: Sequence[Summary | None], reference: Sequence[int], *, chosen: bool
) -> Iterator[Series]:
    """Series of the items of lists, and of the fields of structs."""
    fields = dict.fromkeys(field for one in summaries if one is not None for field in one.fields)
    parts = {f"values of {field}": [one.fields.get(field) if one else None for one in summaries] for field in fields}
    for part, those in {"items": [one.items if one else None for one in summaries], **parts}.items():
        if not any(those):
            continue
        rows = sum(one.rows for one in those if one is not None)
        outer = sum(one.values for one in summaries if one is not None)
        alike = max(1.0, rows / outer) if outer else 1.0
        yield replace(Series.of(name, None, those, reference, chosen=chosen), part=part, alike=alike)


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
    # Statistics that were kept before 0 was told apart from -0.0 are still read.
    return float(f"{value:.{places}g}") + 0.0


def _rounded(value: float, places: int) -> float:
    return round(value, places) if math.isfinite(value) else 0.0
