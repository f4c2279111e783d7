"""What is unusual on one day: of the rows of a day, and of one column of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from daeda.errors import counted, cut
from daeda.statistics.model import Summary
from daeda_report.series import Series

# Rows: how many times as many as usual stand out, and how many days before are looked at.
_ROWS_RATIO, _DAYS_BEFORE, _FEWEST_DAYS = 1.5, 7, 3
# Days vary by themselves: so many median deviations are usual.
_USUAL_DEVIATIONS = 4.0 * 1.4826
_NULLS, _COVERAGE = 0.05, 0.03
_PSI = 0.25
# A unit moves all of a distribution by one factor; smaller ones than this are no change of a unit.
_LEAST_FACTOR, _SAME_FACTOR = 5.0, 1.35
_FACTORS = (10.0, 100.0, 1e3, 1e4, 1e6, 1e9, 7.0, 12.0, 24.0, 60.0, 3600.0, 86400.0, 1024.0, 1024.0**2)
_CATEGORY, _FEWEST_ROWS = 0.02, 30
_NEW_CATEGORY = 0.05
# More numbers than these are no categories; so many values are named.
_FEW_NUMBERS, _NAMED = 10, 3
# Bins of the drift that no value of the reference is in.
_BEYOND = {
    "less": "less than all before",
    "more": "greater than all before",
    "others": "of values that were not there before",
}


@dataclass(frozen=True)
class Seen:
    """Something that stands out on one day. `{day}` in `told` is filled in; `about` is the value that it is about."""

    kind: str
    index: int
    told: str
    weight: float
    about: str = ""


def of_rows(rows: Sequence[int | None]) -> Iterator[Seen]:
    """Days that have none, or many more, or many fewer, rows than those before them."""
    there = [(index, number) for index, number in enumerate(rows) if number is not None]
    yield from (Seen("rows", index, "{day} has no rows", 110.0, "none") for index, number in there if number == 0)
    there = [(index, number) for index, number in there if number > 0]
    if len(there) <= _FEWEST_DAYS:
        return
    usual = _deviation([math.log(number + 1) for _, number in there])
    for place, (index, number) in enumerate(there):
        before = [one for _, one in there[max(0, place - _DAYS_BEFORE) : place]]
        if len(before) < _FEWEST_DAYS:
            before = [one for other, (_, one) in enumerate(there) if other != place][:_DAYS_BEFORE]
        expected = median(before)
        ratio = (number + 1) / (expected + 1)
        if abs(math.log(ratio)) <= max(math.log(_ROWS_RATIO), _USUAL_DEVIATIONS * usual):
            continue
        double = ", as if a file had been read twice" if 1.9 <= ratio <= 2.1 else ""
        many = f"{number:,} rows, and days beside it {expected:,.0f}"
        times = f"{ratio:.1f} times as many" if ratio > 1 else f"{ratio:.0%} of that"
        yield Seen("rows", index, f"{{day}} has {many}: {times}{double}", 100 + min(20.0, 10 * abs(math.log2(ratio))))


def of_column(series: Series, reference: Sequence[int]) -> Iterator[Seen]:
    """Days on which a column is not what it was; what explains a drift is told in its place."""
    told = {index for index in range(len(series.summaries)) if series.summaries[index] is None}
    for one in (*_nulls(series, reference), *_units(series, reference), *_categories(series, reference)):
        told.add(one.index)
        yield one
    yield from (one for one in _drifts(series) if one.index not in told)


def _nulls(series: Series, reference: Sequence[int]) -> Iterator[Seen]:
    is_vector = series.kind == "embedding"
    there = [index for index, one in enumerate(series.summaries) if one is not None and one.rows]
    shares = [one.null_share for one in series.summaries if one is not None and one.rows]
    if shares and min(shares) == 1.0:
        what = "no row of {day} has a vector" if is_vector else "all of {day} is NULL"
        also = ", and so is each other day" if len(there) > 1 and not is_vector else ""
        yield from (Seen("nulls", index, what + also, 80.0) for index in there)
        return
    usual = _median_over(series, reference, lambda one: one.null_share)
    if usual is None:
        return
    varying = _USUAL_DEVIATIONS * _deviation(shares)
    for index, summary in enumerate(series.summaries):
        if summary is None or not summary.rows:
            continue
        more = summary.null_share - usual
        if more < max(varying, _COVERAGE if is_vector else _NULLS) or more * summary.rows < _FEWEST_ROWS / 10:
            continue
        if is_vector:
            sentence = (
                f"{summary.coverage:.1%} of the rows of {{day}} have a vector, and {1 - usual:.1%} had one before"
            )
            yield Seen("coverage", index, sentence, 90 + 20 * more)
        elif summary.null_share == 1.0:
            yield Seen("nulls", index, f"all of {{day}} is NULL, and {usual:.1%} was before", 92 + 20 * more)
        else:
            sentence = f"{summary.null_share:.1%} of {{day}} is NULL, and {usual:.1%} was before"
            yield Seen("nulls", index, sentence, 70 + 40 * more)


def _units(series: Series, reference: Sequence[int]) -> Iterator[Seen]:
    if not series.drifts:
        return
    usual = {q: _median_over(series, reference, partial(_quantile, q)) for q in ("0.25", "0.5", "0.75")}
    for index, summary in enumerate(series.summaries):
        if summary is None or index in reference:
            continue
        factors = [_factor(_quantile(q, summary), before) for q, before in usual.items()]
        known = [one for one in factors if one is not None]
        if len(known) < 2:
            continue
        factor = median(known)
        size = max(factor, 1 / factor)
        if size < _LEAST_FACTOR or max(known) / min(known) > _SAME_FACTOR:
            continue
        by = _round_factor(size)
        if by is None and size < 8:
            continue
        was, now = usual["0.5"] or usual["0.75"] or 0.0, _quantile("0.5", summary) or _quantile("0.75", summary) or 0.0
        times = "as great as" if factor > 1 else "smaller than"
        sentence = f"values of {{day}} are about {by or size:,.4g} times {times} before, as in another unit"
        sentence += f": the median is {_plain(now)} and was {_plain(was)}"
        yield Seen("unit", index, sentence, 95 + (5 if by is not None else 0))


def _categories(series: Series, reference: Sequence[int]) -> Iterator[Seen]:
    own = series.reference
    if own is None or own.top is None or not own.values or not series.drifts:
        return
    if own.numbers is not None and (not own.top.complete or len(own.top.values) > _FEW_NUMBERS):
        return
    if not own.top.complete and not _frequent(own):
        return
    shares = {value: count / own.rows for value, count in own.top.counts.items()}
    for index, summary in enumerate(series.summaries):
        if summary is None or summary.top is None or index in reference or summary.values < _FEWEST_ROWS:
            continue
        there = summary.top.counts
        least = min(there.values(), default=0) if not summary.top.complete else 0
        gone = {
            value: share
            for value, share in shares.items()
            if share >= _CATEGORY and value not in there and max(_FEWEST_ROWS / 3, 4 * least) <= share * summary.rows
        }
        lost = {value: share for value, share in shares.items() if value not in there}
        if gone and not (own.top.complete and _other_values(lost)):
            them = "it" if len(gone) == 1 else "one of them"
            sentence = f"no row of {{day}} has {_values(gone, 'or')}, and {sum(gone.values()):.1%} had {them} before"
            yield Seen("category", index, sentence, 75 + 20 * max(gone.values()), _about("gone", gone))
        if not own.top.complete or own.numbers is not None:
            continue
        came = {value: count / summary.rows for value, count in there.items() if value not in shares}
        new = {value: share for value, share in came.items() if share >= _NEW_CATEGORY}
        if new and not _other_values(came):
            verbs = ("is", "was") if len(new) == 1 else ("are", "were")
            sentence = (
                f"{sum(new.values()):.1%} of {{day}} {verbs[0]} {_values(new, 'and')}, which {verbs[1]} not there"
            )
            yield Seen("category", index, f"{sentence} before", 60 + 20 * max(new.values()), _about("new", new))


def _other_values(shares: Mapping[str, float]) -> bool:
    """Whether so much came or went that the values are no categories but those of a day: the drift tells it."""
    return len(shares) > _NAMED and sum(shares.values()) > 0.5


def _about(what: str, shares: Mapping[str, float]) -> str:
    return "\0".join((what, *sorted(shares)))


def _values(shares: Mapping[str, float], word: str) -> str:
    """`'a'`, `'a' or 'b'`, or the most frequent ones and how many more there are."""
    names = sorted(shares, key=lambda value: (-shares[value], value))
    told = [_quoted(name) for name in names[:_NAMED]]
    more = len(names) - len(told)
    if more:
        return f"{', '.join(told)} {word} {counted(more, 'more value')}"
    return f" {word} ".join(filter(None, (", ".join(told[:-1]), told[-1])))


def _frequent(summary: Summary) -> bool:
    """Whether a value is there often enough to be a category, where there are more values than are kept."""
    assert summary.top is not None
    return bool(summary.top.values) and summary.top.values[0][1] >= _CATEGORY * summary.rows


def _drifts(series: Series) -> Iterator[Seen]:
    own = series.reference
    for index, drift in enumerate(series.drifts):
        summary = series.summaries[index]
        if drift is None or summary is None or own is None:
            continue
        if drift.psi > _PSI + 3 * drift.by_chance:
            of = {"values": "", "lengths": " of the lengths", "norms": " of the norms"}[drift.of]
            bin_ = max(drift.bins, key=lambda each: abs(each.count / summary.rows - each.reference / own.rows))
            now, was = bin_.count / summary.rows, bin_.reference / own.rows
            where = f"{now:.1%} are in {_quoted(bin_.label)}, and {was:.1%} were before"
            if not bin_.reference and bin_.label in _BEYOND:
                where = f"{now:.1%} are {_BEYOND[bin_.label]}"
            yield Seen("drift", index, f"PSI {drift.psi:.2f}{of} on {{day}}: {where}", 30 + min(25.0, 10 * drift.psi))


def _quantile(q: str, summary: Summary) -> float | None:
    return summary.numbers.quantiles.get(q) if summary.numbers is not None else None


def _factor(now: float | None, before: float | None) -> float | None:
    """By what a number was multiplied; None where that says nothing."""
    if now is None or before is None or now == 0 or before == 0 or (now > 0) != (before > 0):
        return None
    factor = now / before
    return factor if math.isfinite(factor) and factor > 0 else None


def _round_factor(size: float) -> float | None:
    """The factor of two units that a number is close to."""
    return next((one for one in _FACTORS if 1 / 1.2 < size / one < 1.2), None)


def _median_over(series: Series, reference: Sequence[int], told: Callable[[Summary], float | None]) -> float | None:
    """The median over the reference days, or, of fewer than three of them, over all days."""
    chosen: Sequence[int] = reference if len(reference) >= _FEWEST_DAYS else range(len(series.summaries))
    values = [told(one) for index in chosen if (one := series.summaries[index]) is not None and one.rows]
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _deviation(values: Sequence[float]) -> float:
    """The median distance from the median."""
    middle = median(values)
    return median([abs(value - middle) for value in values])


def _plain(value: float) -> str:
    """Four places of a number, without an exponent where it has a usual size.

    >>> _plain(179_823.0), _plain(0.00123456), _plain(1e300)
    ('179,800', '0.001235', '1e+300')
    """
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.15g}" if 1e-4 <= abs(rounded) < 1e15 else f"{value:.4g}"


def _quoted(value: str) -> str:
    return f"'{cut(value)}'".replace("{", "{{").replace("}", "}}")
