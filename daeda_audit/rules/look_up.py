"""The look-up of one row, by the rules as they are written: which raw row it sees, and why not the others.

The values of many rows come from `newest.py`; this is what a report shows of one of them, and what the tests hold
against them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from daeda_audit.declared import Sight
from daeda_audit.raw.rows import choose
from daeda_audit.raw.view import Key, RawView, Row, by_key, key_of
from daeda_audit.rules.visible import Evidence, newest_first, unseen_by_look_up

# Rows that do not count and are still shown, at or after the row and before it.
_MOST_HIDDEN = 2

Asked = tuple[Mapping[str, Any], int]
Found = tuple[Row | None, Evidence]


def look_up(raw: RawView, asked: Sequence[Asked], sight: Sight, *, latest: bool = False) -> list[Found]:
    """For each asking row and its time in nanoseconds: the row of the view that it sees, and the evidence.

    Each asking row is given what lies within the ttl before its own time; `latest` asks for the newest row of all. The
    asking rows have the keys of the view.
    """
    keys = raw.view.keys
    wanted = {key for row, _ in asked if (key := key_of(row, keys)) is not None}
    if not wanted:
        return [(None, Evidence())] * len(asked)
    if raw.view.source.timestamp_field is None:
        return _static(raw, asked, wanted)
    names = [field.name for field in raw.view.fields]
    files = raw.files() if latest else raw.files_for((now for _, now in asked), sight.ttl)
    rows = choose(raw, files, None, keys, wanted).dicts(names)
    groups = {key: newest_first(raw, of_key, keys) for key, of_key in by_key(rows, keys).items()}
    if latest:
        return [_newest(raw, groups.get(key_of(row, keys) or (), [])) for row, _ in asked]
    answers: dict[tuple[Key | None, int], Found] = {}
    for row, now in asked:
        question = key_of(row, keys), now
        if question not in answers:
            answers[question] = _newest_seen(raw, groups.get(question[0] or (), []), now, sight)
    return [answers[key_of(row, keys), now] for row, now in asked]


def _newest(raw: RawView, rows: Sequence[Row]) -> Found:
    """The first row of the total order that has its times."""
    created = raw.view.source.created_field
    known = [row for row in rows if raw.instant(row) is not None and (created is None or row[created] is not None)]
    return (known[0] if known else None), Evidence.of(known[:1], (), shown_columns(raw, raw.view.keys))


def _newest_seen(raw: RawView, rows: Sequence[Row], now: int, sight: Sight) -> Found:
    """The first row of the total order that counts. One that comes before it is hidden for a reason."""
    hidden: list[tuple[str, Row]] = []
    chosen: Row | None = None
    for row in rows:
        reason = unseen_by_look_up(raw, row, now, sight)
        if reason is None:
            chosen = row
            break
        hidden.append((reason, row))
    return chosen, Evidence.of(
        [] if chosen is None else [chosen], nearest(raw, hidden, now), shown_columns(raw, raw.view.keys)
    )


def nearest(raw: RawView, hidden: Sequence[tuple[str, Row]], now: int) -> list[tuple[str, Row]]:
    """Of the rows that do not count, those nearest in time on either side, which tell most; the newest first."""
    later = [reason_and_row for reason_and_row in hidden if (raw.instant(reason_and_row[1]) or 0) >= now]
    earlier = [reason_and_row for reason_and_row in hidden if (raw.instant(reason_and_row[1]) or 0) < now]
    return [*later[-_MOST_HIDDEN:], *earlier[:_MOST_HIDDEN]]


def _static(raw: RawView, asked: Sequence[Asked], wanted: set[Key]) -> list[Found]:
    keys, names = raw.view.keys, [field.name for field in raw.view.fields]
    groups = by_key(choose(raw, raw.files(), None, keys, wanted).dicts(names), keys)
    answers = []
    for row, _ in asked:
        rows = groups.get(key_of(row, keys) or (), [])
        answers.append((rows[0] if rows else None, Evidence.of(rows, (), shown_columns(raw, raw.view.keys))))
    return answers


def shown_columns(raw: RawView, keys: Sequence[str]) -> list[str]:
    """The columns that a report shows of any row: its keys and its times."""
    times = (raw.view.source.timestamp_field, raw.view.source.created_field)
    return [*keys, *(name for name in times if name is not None)]
