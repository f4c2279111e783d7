"""Numbers that are many times what they were, as in another unit."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from functools import partial
from statistics import median

from daeda.statistics.model import Summary
from daeda_report.seen import Seen, median_over, when
from daeda_report.series import Series

# A unit moves all of a distribution by one factor; smaller ones than this are no change of a unit.
_LEAST_FACTOR, _SAME_FACTOR = 5.0, 1.35
_FACTORS = (10.0, 100.0, 1e3, 1e4, 1e6, 1e9, 7.0, 12.0, 24.0, 60.0, 3600.0, 86400.0, 1024.0, 1024.0**2)
_LOOKED_AT = ("0.25", "0.5", "0.75")
_SECONDS = {"d": 86_400.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}

Usual = Mapping[str, float | None]


def units(series: Series) -> Iterator[Seen]:
    """Days whose numbers are as in another unit than those of the reference; where they count up, of the day before."""
    if series.moves:
        yield from _of_moving(series)
        return
    usual = {q: median_over(series, partial(_quantile, q)) for q in _LOOKED_AT}
    for index, summary in enumerate(series.summaries):
        if summary is not None and index not in series.compared:
            factor = _common_factor(summary, usual)
            if factor is not None and series.drifts:
                yield _seen(series, index, factor, summary, usual)


def _of_moving(series: Series) -> Iterator[Seen]:
    before: Usual | None = None
    for index, summary in enumerate(series.summaries):
        if summary is None or summary.numbers is None or not summary.numbers.quantiles:
            continue
        factor = None if before is None else _common_factor(summary, before)
        if factor is None or before is None:
            before = {q: _quantile(q, summary) for q in _LOOKED_AT}
        elif _round_factor(max(factor, 1 / factor)) is not None:
            yield _seen(series, index, factor, summary, before)


def _common_factor(summary: Summary, usual: Usual) -> float | None:
    """By what all quantiles were multiplied; None where that is little, or not the same."""
    factors = [_factor(_quantile(q, summary), before) for q, before in usual.items()]
    known = [one for one in factors if one is not None]
    if len(known) < 2 or max(known) / min(known) > _SAME_FACTOR:
        return None
    factor = median(known)
    size = max(factor, 1 / factor)
    return factor if size >= _LEAST_FACTOR and (_round_factor(size) is not None or size >= 8) else None


def _seen(series: Series, index: int, factor: float, summary: Summary, usual: Usual) -> Seen:
    size = max(factor, 1 / factor)
    by = _round_factor(size)
    was, now = usual["0.5"] or usual["0.75"] or 0.0, _quantile("0.5", summary) or _quantile("0.75", summary) or 0.0
    times = "as great as" if factor > 1 else "smaller than"
    what, unit = series.part or "values", series.unit
    sentence = f"{what} of {{day}} are about {by or size:,.4g} times {times} {when(series, index)}, as in another unit"
    sentence += f": the median is {_told(now, unit)} and was {_told(was, unit)}"
    return Seen("unit", index, sentence, 95 + (5 if by is not None else 0))


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


def _told(value: float, unit: str | None) -> str:
    """Four places of a number, without an exponent where it has a usual size; or the day of a time.

    >>> _told(179_823.0, None), _told(0.00123456, None), _told(1e300, None), _told(1.7e12, "ms"), _told(1.7e12, "us")
    ('179,800', '0.001235', '1e+300', '2023-11-14', '1970-01-20')
    """
    if unit is not None:
        try:
            return str((dt.datetime(1970, 1, 1) + dt.timedelta(seconds=value * _SECONDS[unit])).date())
        except OverflowError:
            pass
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.15g}" if 1e-4 <= abs(rounded) < 1e15 else f"{value:.4g}"
