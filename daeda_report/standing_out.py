"""What is unusual on one day: of the rows of a day, and of one column of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import median

from daeda.errors import counted
from daeda.statistics.drift import Drift, DriftBin
from daeda.statistics.model import Numbers, Summary
from daeda_report.compared import much
from daeda_report.seen import (
    FEWEST_DAYS,
    FEWEST_ROWS,
    Seen,
    deviation,
    median_over,
    part_of_day,
    quoted,
    share_in_words,
    verb,
    when,
)
from daeda_report.series import Series
from daeda_report.units import units

# Rows: how many times as many as usual stand out, and how many days before are looked at.
_ROWS_RATIO, _DAYS_BEFORE = 1.5, 7
# Days vary by themselves: so many median deviations are usual.
_USUAL_DEVIATIONS = 4.0 * 1.4826
_NULLS, _COVERAGE = 0.05, 0.03
# Where the reference lacks more than most days: first days have less behind them.
_LACKING = 0.5
_CATEGORY, _NEW_CATEGORY = 0.02, 0.05
# More numbers than these are no categories; so many values are named.
_FEW_NUMBERS, _NAMED = 10, 3
# Bins of the drift that no value of the reference is in.
_BEYOND = {"less": "less than all", "more": "greater than all", "others": "of values that were not there"}


def of_rows(rows: Sequence[int | None]) -> Iterator[Seen]:
    """Days that have none, or many more, or many fewer, rows than those before them."""
    there = [(index, number) for index, number in enumerate(rows) if number is not None]
    yield from (Seen("rows", index, "{day} has no rows", 110.0, "none") for index, number in there if number == 0)
    there = [(index, number) for index, number in there if number > 0]
    if len(there) < FEWEST_DAYS:
        return
    usual = deviation([math.log(number + 1) for _, number in there])
    for place, (index, number) in enumerate(there):
        before = [one for _, one in there[max(0, place - _DAYS_BEFORE) : place]]
        if len(before) < FEWEST_DAYS:
            before = [one for other, (_, one) in enumerate(there) if other != place][:_DAYS_BEFORE]
        if len(before) < FEWEST_DAYS and (min(before) < FEWEST_ROWS or max(before) > _ROWS_RATIO * min(before)):
            continue
        expected = median(before)
        ratio = (number + 1) / (expected + 1)
        if abs(math.log(ratio)) <= max(math.log(_ROWS_RATIO), _USUAL_DEVIATIONS * usual):
            continue
        double = ", as if a file had been read twice" if 1.9 <= ratio <= 2.1 else ""
        many = f"{counted(number, 'row')}, and days beside it {expected:,.0f}"
        # Judged with one row more on both sides, and told as it is.
        told = number / expected
        times = f"{told:.1f} times as many" if ratio > 1 else f"{100 * told:.2g}% of that"
        yield Seen("rows", index, f"{{day}} has {many}: {times}{double}", 100 + min(20.0, 10 * abs(math.log2(ratio))))


def of_column(series: Series) -> Iterator[Seen]:
    """Days on which a column, or what is in its lists, is not what it was."""
    yield from _of_values(series)
    for inner in series.inner:
        yield from (replace(one, about=f"{inner.part}\0{one.about}") for one in of_column(inner))


def _of_values(series: Series) -> Iterator[Seen]:
    """What explains a drift is told in its place."""
    told = {index for index in range(len(series.summaries)) if series.summaries[index] is None}
    for one in (*_nulls(series), *_not_finite(series), *_without_length(series), *units(series)):
        told.add(one.index)
        yield one
    for one in _categories(series):
        if one.index not in told:
            yield one
    told |= {one.index for one in _categories(series)}
    yield from (one for one in _drifts(series) if one.index not in told)


def _nulls(series: Series) -> Iterator[Seen]:
    is_vector = series.kind == "embedding"
    there = [index for index, one in enumerate(series.summaries) if one is not None and one.rows]
    shares = [one.null_share for one in series.summaries if one is not None and one.rows]
    if shares and min(shares) == 1.0:
        what = "no row of {day} has a vector" if is_vector else f"{part_of_day(series, 1.0)} NULL"
        also = ", and so is each other day" if len(there) > 1 and not is_vector else ""
        yield from (Seen("nulls", index, what + also, 80.0) for index in there)
        return
    usual = median_over(series, lambda one: one.null_share)
    if usual is None:
        return
    varying, usual_of_all = _USUAL_DEVIATIONS * deviation(shares), median(shares)
    for index, summary in enumerate(series.summaries):
        if summary is None or not summary.rows:
            continue
        least, before, time = max(varying, _COVERAGE if is_vector else _NULLS), usual, when(series, index)
        if summary.null_share - usual < least and summary.null_share - usual_of_all >= max(least, _LACKING):
            # All of the reference may lack what most days have.
            before, time = usual_of_all, "on other days"
        more = summary.null_share - before
        if more < least or more * summary.rows < FEWEST_ROWS / 10:
            continue
        if is_vector:
            sentence = (
                f"{share_in_words(summary.coverage)} of the rows of {{day}} have a vector, and "
                f"{share_in_words(1 - before)} had one {time}"
            )
            yield Seen("coverage", index, sentence, 90 + 20 * more)
            continue
        sentence = f"{part_of_day(series, summary.null_share)} NULL, and "
        sentence += f"{share_in_words(before)} {verb(series)} {time}"
        yield Seen("nulls", index, sentence, (92 + 20 * more) if summary.null_share == 1.0 else (70 + 40 * more))


def _not_finite(series: Series) -> Iterator[Seen]:
    """NaN and infinities: one of them makes a sum, and a training, worthless."""
    for what in ("NaN", "infinite"):
        usual = median_over(series, partial(_share, what=what))
        shares = [_share(one, what) for one in series.summaries if one is not None and one.rows]
        if usual is None or not any(shares):
            continue
        least = max(_USUAL_DEVIATIONS * deviation(shares), _NULLS) if usual else 0.0
        every = min(shares) == 1.0
        for index, one in enumerate(series.summaries):
            share = 0.0 if one is None or not one.rows else _share(one, what)
            if not every and (share == 0.0 or share - usual < least):
                continue
            also = ", and so is each other day" if every and len(shares) > 1 else ""
            if not every:
                also = f", and {share_in_words(usual)} {verb(series)} {when(series, index)}"
            of = f"{share_in_words(share)} of the vectors of {{day}} are" if _has_norms(series) else None
            yield Seen("not finite", index, f"{of or part_of_day(series, share)} {what}{also}", 72 + 20 * share, what)


def _without_length(series: Series) -> Iterator[Seen]:
    """Vectors that are all 0, as those that a store does not know and fills in."""
    usual = median_over(series, _zero_share)
    if usual is None:
        return
    for index, summary in enumerate(series.summaries):
        share = _zero_share(summary) if summary is not None else None
        if share is not None and share - usual >= _COVERAGE:
            told = f"{share_in_words(share)} of the vectors of {{day}} are all 0, and "
            told += f"{share_in_words(usual)} were {when(series, index)}"
            yield Seen("coverage", index, told, 90 + 20 * share, "zero")


def _zero_share(summary: Summary) -> float | None:
    norms = summary.norms
    return norms.zeros / summary.values if norms is not None and summary.values else None


def _numbers(summary: Summary) -> Numbers | None:
    return summary.norms or summary.numbers


def _has_norms(series: Series) -> bool:
    return any(one is not None and one.norms is not None for one in series.summaries)


def _share(summary: Summary, what: str) -> float:
    numbers = _numbers(summary)
    if numbers is None or not summary.rows:
        return 0.0
    return (numbers.nan if what == "NaN" else numbers.below + numbers.above) / summary.rows


def _categories(series: Series) -> Iterator[Seen]:
    own = series.reference
    if own is None or own.top is None or not own.values or not series.drifts:
        return
    if own.numbers is not None and (not own.top.complete or len(own.top.values) > _FEW_NUMBERS):
        return
    if not own.top.complete and not _frequent(own):
        return
    for index, summary in enumerate(series.summaries):
        if summary is None or summary.top is None or summary.values < FEWEST_ROWS:
            continue
        if index in series.compared and (len(series.compared) < FEWEST_DAYS or not own.top.complete):
            continue
        shares = _shares_of_others(own, summary if index in series.compared else None)
        there = summary.top.counts
        least = min(there.values(), default=0) if not summary.top.complete else 0
        gone = {
            value: share
            for value, share in shares.items()
            if share >= _CATEGORY and value not in there and max(FEWEST_ROWS / 3, 4 * least) <= share * summary.rows
        }
        lost = {value: share for value, share in shares.items() if value not in there}
        if gone and not (own.top.complete and _other_values(lost)):
            yield Seen(
                "category", index, _gone(series, index, gone), 75 + 20 * max(gone.values()), _about("gone", gone)
            )
        if not own.top.complete or own.numbers is not None:
            continue
        came = {value: count / summary.rows for value, count in there.items() if value not in shares}
        new = {value: share for value, share in came.items() if share >= _NEW_CATEGORY}
        if new and not _other_values(came):
            yield Seen("category", index, _new(series, index, new), 60 + 20 * max(new.values()), _about("new", new))


def _shares_of_others(own: Summary, day: Summary | None) -> dict[str, float]:
    """The share of each value in the reference, without that of one of its own days."""
    assert own.top is not None
    counts = own.top.counts
    if day is None or day.top is None:
        return {value: count / own.rows for value, count in counts.items()}
    rest = counts - day.top.counts
    return {value: count / (own.rows - day.rows) for value, count in rest.items()}


def _gone(series: Series, index: int, gone: Mapping[str, float]) -> str:
    share, time = share_in_words(min(1.0, sum(gone.values()))), when(series, index)
    if series.part:
        return f"none of the {series.part} of {{day}} is {_values(gone, 'or')}, and {share} were {time}"
    them = "it" if len(gone) == 1 else "one of them"
    return f"no row of {{day}} has {_values(gone, 'or')}, and {share} had {them} {time}"


def _new(series: Series, index: int, new: Mapping[str, float]) -> str:
    verbs = ("is", "was") if len(new) == 1 else ("are", "were")
    whole = f"the {series.part} of {{day}}" if series.part else "{day}"
    share = share_in_words(min(1.0, sum(new.values())))
    return f"{share} of {whole} {verbs[0]} {_values(new, 'and')}, which {verbs[1]} not there {when(series, index)}"


def _other_values(shares: Mapping[str, float]) -> bool:
    """Whether so much came or went that the values are no categories but those of a day: the drift tells it."""
    return len(shares) > _NAMED and sum(shares.values()) > 0.5


def _about(what: str, shares: Mapping[str, float]) -> str:
    return "\0".join((what, *sorted(shares)))


def _values(shares: Mapping[str, float], word: str) -> str:
    """`'a'`, `'a' or 'b'`, or the most frequent ones and how many more there are."""
    names = sorted(shares, key=lambda value: (-shares[value], value))
    told = [quoted(name) for name in names[:_NAMED]]
    more = len(names) - len(told)
    if more:
        return f"{', '.join(told)} {word} {counted(more, 'more value')}"
    return f" {word} ".join(filter(None, (", ".join(told[:-1]), told[-1])))


def _frequent(summary: Summary) -> bool:
    """Whether a value is there often enough to be a category, where there are more values than are kept."""
    assert summary.top is not None
    return bool(summary.top.values) and summary.top.values[0][1] >= _CATEGORY * summary.rows


def _drifts(series: Series) -> Iterator[Seen]:
    if series.reference is not None and not series.reference.values:
        # What has no value there is told as NULL.
        return
    for index, drift in enumerate(series.drifts):
        summary = series.summaries[index]
        if drift is None or summary is None or series.reference is None or not much(drift, series.alike):
            continue
        of = {"values": f" of the {series.part}" if series.part else "", "lengths": " of the lengths"}.get(drift.of)
        sentence = f"PSI {drift.psi:.2f}{' of the norms' if of is None else of} on {{day}}: "
        yield Seen("drift", index, sentence + _moved(series, index, drift), 30 + min(25.0, 10 * drift.psi))


def _moved(series: Series, index: int, drift: Drift) -> str:
    """Where the bin lies whose share has changed most."""
    summary, own = series.summaries[index], series.reference
    assert summary is not None
    assert own is not None
    shares = {one: (one.count / summary.rows, one.reference / own.rows) for one in drift.bins}
    worst = max(drift.bins, key=lambda one: abs(shares[one][0] - shares[one][1]))
    now, was = map(share_in_words, shares[worst])
    time = when(series, index)
    if not worst.reference and worst.label in _BEYOND:
        return f"{now} are {_BEYOND[worst.label]} {time}{_such_as(worst, summary, own)}"
    return f"{now} are in {quoted(worst.label)}, and {was} were {time}"


def _such_as(worst: DriftBin, summary: Summary, own: Summary) -> str:
    """The most frequent one of the values that were not there."""
    if worst.label != "others" or summary.top is None or own.top is None:
        return ""
    known = own.top.counts
    new = next((value for value, _ in summary.top.values if value not in known), None)
    return "" if new is None else f", such as {quoted(new)}"
