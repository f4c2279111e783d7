"""How far a column of a day has moved away from the same column of a reference: the population stability index.

    PSI = sum over bins of (p - q) * ln(p / q)

with the shares p of the day and q of the reference, each of which has half a row more in each bin, so that an empty bin
counts and no logarithm is infinite. Numbers are in about ten bins of equal shares of the reference, one for what is
less than all of it, and one for what is more; categories in one for each value of the reference and one for all others.
NULLs have a bin of their own. Of lists their lengths are compared, and of vectors their norms.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from daeda.statistics.bins import coarsened, edges
from daeda.statistics.model import TOP_VALUES, Histogram, Numbers, Summary, Top

_BINS = 10
_HALF = 0.5


@dataclass(frozen=True)
class DriftBin:
    """A bin with how often it is there in the reference and on the day."""

    label: str
    reference: int
    count: int


@dataclass(frozen=True)
class Drift:
    """The index, and the bins that it is the sum over. `of` says what was compared: values, lengths or norms."""

    psi: float
    of: str
    bins: tuple[DriftBin, ...]

    @property
    def by_chance(self) -> float:
        """About what the index is where nothing changed, for days have so many rows and no more."""
        totals = [sum(side) for side in zip(*((each.reference, each.count) for each in self.bins), strict=True)]
        return (len(self.bins) - 1) * math.fsum(1 / total for total in totals if total)


def drift_of(reference: Summary, summary: Summary) -> Drift | None:
    """The drift of a column; None where it cannot be told: without rows, for other types, for values without number.

    Values that are more than are kept are no categories: of texts like names or ids only the share of NULLs is told.
    """
    if reference.dtype != summary.dtype or not reference.rows or not summary.rows:
        return None
    of, bins = _bins(reference, summary)
    bins = [*bins, DriftBin("NULL", reference.nulls, summary.nulls)]
    bins = [each for each in bins if each.reference or each.count]
    return Drift(_index(bins, reference.rows, summary.rows), of, tuple(bins))


def merged(summaries: Sequence[Summary]) -> Summary | None:
    """The summary of all rows of several days, as far as drift needs it; None of none. They are of one type."""
    if not summaries:
        return None
    return Summary(
        summaries[0].dtype,
        sum(each.values for each in summaries),
        sum(each.nulls for each in summaries),
        numbers=_merged_numbers([each.numbers for each in summaries]),
        top=_merged_top([each.top for each in summaries]),
        lengths=_merged_numbers([each.lengths for each in summaries]),
        norms=_merged_numbers([each.norms for each in summaries]),
    )


def _merged_numbers(given: Sequence[Numbers | None]) -> Numbers | None:
    numbers = [each for each in given if each is not None]
    if len(numbers) < len(given) or not numbers:
        return None
    shift = max(each.histogram.shift for each in numbers)
    counts: Counter[int] = Counter()
    for each in numbers:
        histogram = coarsened(each.histogram, shift)
        counts.update(dict(zip(histogram.bins, histogram.counts, strict=True)))
    bins = sorted(counts)
    return Numbers(
        finite=sum(each.finite for each in numbers),
        nan=sum(each.nan for each in numbers),
        below=sum(each.below for each in numbers),
        above=sum(each.above for each in numbers),
        histogram=Histogram(shift, tuple(bins), tuple(counts[one] for one in bins)),
    )


def _merged_top(given: Sequence[Top | None]) -> Top | None:
    tops = [each for each in given if each is not None]
    if len(tops) < len(given) or not tops:
        return None
    counts: Counter[str] = Counter()
    for each in tops:
        counts.update(each.counts)
    chosen = sorted(counts.items(), key=lambda named: (-named[1], named[0]))
    complete = all(each.complete for each in tops) and len(chosen) <= TOP_VALUES
    return Top(tuple(chosen[:TOP_VALUES]), sum(each.error for each in tops), complete)


def _index(bins: Sequence[DriftBin], reference: int, count: int) -> float:
    """
    >>> round(_index([DriftBin("a", 50, 50), DriftBin("b", 50, 50)], 100, 100), 6)
    0.0
    """
    both = [(each.reference, each.count) for each in bins]
    reference_total, total = (sum(side) + _HALF * len(bins) for side in zip(*both, strict=True))
    shares = [((was + _HALF) / reference_total, (now + _HALF) / total) for was, now in both]
    return math.fsum((now - was) * math.log(now / was) for was, now in shares)


def _bins(reference: Summary, summary: Summary) -> tuple[str, list[DriftBin]]:
    for of in ("norms", "lengths"):
        was, now = getattr(reference, of), getattr(summary, of)
        if was is not None and now is not None:
            return of, _of_numbers(was, now)
    if reference.top is not None and summary.top is not None and reference.top.complete and _few(reference):
        return "values", _of_categories(reference.top, summary)
    if reference.numbers is not None and summary.numbers is not None:
        return "values", _of_numbers(reference.numbers, summary.numbers)
    return "values", [DriftBin("values", reference.values, summary.values)]


def _few(reference: Summary) -> bool:
    """Whether the values of the reference are so few that each is a category; of numbers, no more than bins."""
    return reference.top is not None and (reference.numbers is None or len(reference.top.values) <= _BINS)


def _of_categories(was: Top, summary: Summary) -> list[DriftBin]:
    assert summary.top is not None
    now = summary.top.counts
    bins = [DriftBin(value, count, now[value]) for value, count in was.counts.items()]
    return [*bins, DriftBin("others", 0, summary.values - sum(each.count for each in bins))]


def _of_numbers(was: Numbers, now: Numbers) -> list[DriftBin]:
    shift = max(was.histogram.shift, now.histogram.shift)
    before, after = coarsened(was.histogram, shift), coarsened(now.histogram, shift)
    found = dict(zip(after.bins, after.counts, strict=True))
    groups = _groups(dict(zip(before.bins, before.counts, strict=True)), was.finite)
    bins = []
    for place, (first, last, count) in enumerate(groups):
        # What is between two bins of the reference belongs to the lower one.
        high = last if place == len(groups) - 1 else groups[place + 1][0] - 1
        bins.append(
            DriftBin(_label(first, last, shift), count, sum(found[one] for one in found if first <= one <= high))
        )
    if groups:
        least, greatest = groups[0][0], groups[-1][1]
        bins.insert(0, DriftBin("less", 0, sum(found[one] for one in found if one < least)))
        bins.append(DriftBin("more", 0, sum(found[one] for one in found if one > greatest)))
    else:
        bins.append(DriftBin("numbers", 0, now.finite))
    special = (("-inf", was.below, now.below), ("inf", was.above, now.above), ("NaN", was.nan, now.nan))
    return [*bins, *(DriftBin(*each) for each in special)]


def _groups(counts: dict[int, int], total: int) -> list[tuple[int, int, int]]:
    """Neighbouring bins put together to about equal shares: the first and the last bin of each, and its count."""
    groups: list[tuple[int, int, int]] = []
    first, held, passed = None, 0, 0
    for number in sorted(counts):
        first = number if first is None else first
        held += counts[number]
        if passed + held >= total * (len(groups) + 1) / _BINS:
            groups.append((first, number, held))
            first, passed, held = None, passed + held, 0
    if first is not None:
        groups.append((first, max(counts), held))
    return groups


def _label(first: int, last: int, shift: int) -> str:
    """
    >>> _label(0, 0, 47), _label(0, (1023 << 52) >> 47, 47)
    ('0', '0 to 1.03125')
    """
    low, high = _shown(edges(first, shift)[0]), _shown(edges(last, shift)[1])
    return low if low == high else f"{low} to {high}"


def _shown(edge: float) -> str:
    """An edge as a reader sees it. The bin of 0 has numbers beside 0 in it that are less than all others."""
    return "0" if abs(edge) < sys.float_info.min else f"{edge:.6g}"
