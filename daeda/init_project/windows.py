"""Windows and a label that fit the data: how often an entity comes again, and how many days there are."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from daeda.init_project.proposal import Field, Label, View, Windows
from daeda.init_project.times import share
from daeda.init_project.words import (
    MEASURES,
    PARTS,
    PLACES,
    TALLIES,
    YEAR,
    any_of,
    is_key_name,
    is_outcome,
    is_plan,
    rank_as_entity,
)
from daeda.sql.handle import quoted_name

_HOUR, _DAY = 3_600, 86_400
_SECONDS = {"1h": _HOUR, "6h": 6 * _HOUR, "1d": _DAY, "2d": 2 * _DAY, "7d": 7 * _DAY, "28d": 28 * _DAY}
# A window in which this share of the rows has another event is worth looking at.
_LEAST, _MOST = 0.02, 0.95


@dataclass(frozen=True)
class Rhythm:
    """How often the entity of an event comes again, in the sample: the share of the events by window."""

    shares: dict[str, float]
    measured: bool


def rhythm_of(connection: duckdb.DuckDBPyConnection, view: View, source: str) -> Rhythm:
    """Within which windows the next event of an entity follows; not measured in a sample that leaves rows out."""
    assert view.time is not None
    if view.table.partial:
        return Rhythm({}, measured=False)
    windows = ", ".join(f"avg((coalesce(n - t, 1e18) <= {seconds})::INT)" for seconds in _SECONDS.values())
    key = quoted_name(source)
    row = connection.execute(
        f"SELECT {windows} FROM (SELECT t, min(t) OVER (PARTITION BY k ORDER BY t "
        "RANGE BETWEEN 0.000001 FOLLOWING AND UNBOUNDED FOLLOWING) AS n "
        f"FROM (SELECT {key} AS k, epoch({view.time.sql}) AS t FROM {view.table.sample}) "
        "WHERE k IS NOT NULL AND t IS NOT NULL)"
    ).fetchall()[0]
    return Rhythm({name: float(part or 0.0) for name, part in zip(_SECONDS, row, strict=True)}, measured=True)


def days_of(view: View) -> int:
    """Days from the first row of the sample to the last, both included."""
    assert view.time is not None
    return (view.time.last - view.time.first).days + 1


def window_pair(rhythm: Rhythm, days: int) -> tuple[str, str]:
    """Two windows: of a length in which something happens, and such that days with full ones are left.

    >>> window_pair(Rhythm({}, False), 30), window_pair(Rhythm({}, False), 5), window_pair(Rhythm({}, False), 1)
    (('1d', '7d'), ('1d', '2d'), ('1h', '6h'))
    """
    if days >= 59 and rhythm.measured and rhythm.shares["7d"] < 0.1 and rhythm.shares["28d"] >= _LEAST:
        return "7d", "28d"
    if days >= 9:
        return "1d", "7d"
    if days >= 4:
        return "1d", "2d"
    return ("6h", "1d") if days == 3 else ("1h", "6h")


def label_window(rhythm: Rhythm, days: int) -> str:
    """How far a label looks: so far that some come again and others do not, a day where both holds; empty for none.

    >>> label_window(Rhythm({}, False), 30), label_window(Rhythm({}, False), 2), label_window(Rhythm({}, False), 1)
    ('1d', '6h', '')
    """
    if days < 2:
        return ""
    if not rhythm.measured:
        return "1d" if days >= 3 else "6h"
    for window, least in (("1d", 3), ("6h", 2), ("1h", 2), ("7d", 23), ("28d", 65)):
        if days >= least and _LEAST <= rhythm.shares[window] <= _MOST:
            return window
    return "1d" if days >= 3 else "6h"


def windows_of(view: View, entity: str, key: str, rhythm: Rhythm) -> Windows:
    """Counts of the entity's events in two windows, and the mean of what is measured."""
    pair = window_pair(rhythm, days_of(view))
    best = _measure(view)
    reason = (
        f"{share(rhythm.shares[pair[0]])} of the events are followed by one of the same {key} within {pair[0]}, "
        f"{share(rhythm.shares[pair[1]])} within {pair[1]}"
        if rhythm.measured
        else ""
    )
    if best is None:
        return Windows(entity, key, pair, reason=reason)
    return Windows(entity, key, pair, best.name, is_late(best), reason)


def is_late(one: Field) -> bool:
    """Whether a field of an event is named like what is known only when it is over."""
    return one.column is not None and is_outcome(one.column.words)


def is_planned(one: Field) -> bool:
    """Whether a field of an event is named like what is fixed beforehand.

    A word like `scheduled` alone may be an answer, yes or no.
    """
    column = one.column
    return column is not None and is_plan(column.words) and (len(column.words) > 1 or column.is_instant)


def is_tally(one: Field) -> bool:
    """Whether a field is a number named like what was counted up to today: of a past event, its future is in it."""
    return one.column is not None and one.column.is_number and any_of(one.column.words, TALLIES)


def is_part(one: Field) -> bool:
    """Whether a field is named like a part of a time, such as the month."""
    return one.column is not None and len(one.column.words) == 1 and one.column.words[0] in PARTS


def outcomes_of(view: View) -> list[Field]:
    """The fields of an event that may be predicted: what is measured first, and of that what is known last."""
    used = {*view.keys, view.created, *(view.time.columns if view.time else ())}
    late = [one for one in view.fields if is_late(one) and one.name not in used and "time" not in _words(one)]
    measured = measures_of(view)
    return [one for one in measured if one in late] + [
        *(one for one in late if one not in measured and one.column is not None and not one.column.is_instant),
        *(one for one in measured if one not in late),
    ]


def _words(one: Field) -> tuple[str, ...]:
    return one.column.words if one.column is not None else ()


def measures_of(view: View) -> list[Field]:
    """The fields of an event that may be averaged, the likeliest first."""
    used = {
        *view.keys,
        view.created,
        *(view.time.columns if view.time else ()),
        *(view.time.field if view.time else "",),
    }
    found = []
    for one in view.fields:
        column = one.column
        if column is None or one.name in used or one.source in used or not column.is_number or column.distinct < 2:
            continue
        words = column.words
        named = is_key_name(words) or (column.is_integer and len(words) == 1 and rank_as_entity(words) > 0)
        parts = named or any(word in PARTS or word in YEAR for word in words)
        if parts or "time" in words or any_of(words, PLACES) or is_planned(one) or column.null_share > 0.9:
            continue
        if column.unique and column.is_integer:
            continue
        if column.is_integer and not any_of(words, MEASURES) and column.distinct > 1_000:
            # A number of something, such as that of a flight.
            continue
        found.append((2 * any_of(words, MEASURES) + (column.dtype == "double"), one))
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])]


def _measure(view: View) -> Field | None:
    return next(iter(measures_of(view)), None)


def label_ahead(view: View, entity: str, key: str, rhythm: Rhythm) -> Label | None:
    """Whether the entity has another event within a window, or, where it always has, what is measured then.

    None where the data is too short for a label.
    """
    window = label_window(rhythm, days_of(view))
    if not window:
        return None
    measure = _measure(view)
    always = rhythm.measured and rhythm.shares[window] > _MOST
    if always and measure is not None:
        reason = f"{share(rhythm.shares[window])} of the events have another one of the same {key} within {window}"
        name = f"{entity}_next_{measure.name}"
        return Label(name, window, measure.name, matures_after=_matures(view), reason=reason)
    reason = f"true for {share(rhythm.shares[window])} of the rows" if rhythm.measured else ""
    return Label(f"{entity}_again", window, matures_after=_matures(view), reason=reason)


def _matures(view: View) -> str:
    """How long after a window its rows become known, where the view says when: a round figure above most."""
    if not view.created:
        return ""
    return next((name for name in ("1h", "6h", "1d", "2d", "7d") if _SECONDS[name] >= view.created_lag), "28d")
