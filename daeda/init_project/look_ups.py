"""Views that are looked up: by which keys of the events, what of them is a feature, and what is left apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import duckdb

from daeda.errors import shortened
from daeda.init_project.answers import Answering
from daeda.init_project.asked import chosen_known, chosen_time
from daeda.init_project.days import seconds
from daeda.init_project.joins import Pair, find_pairs, found_at_all, found_before, keys_of, unique_pairs
from daeda.init_project.keys import entity_of
from daeda.init_project.naming import fields_of, must_import, name_of
from daeda.init_project.proposal import Field, View
from daeda.init_project.seen import Seen
from daeda.init_project.tables import valid_name
from daeda.init_project.times import Time, share
from daeda.init_project.windows import is_late, is_part, is_tally

_MOST_FEATURES = 4


def look_up(
    connection: duckdb.DuckDBPyConnection, events: View, seen: Seen, answering: Answering, before: Sequence[View],
    predicted: str,
) -> tuple[View, list[str]]:  # fmt: skip
    """The view of another table: looked up where keys of the events stand in it, else declared and not used."""
    table = seen.table
    time = chosen_time(seen, answering, quiet=True)
    pairs = find_pairs(connection, events.table, table, time, predicted)
    own = {one.source for one in events.fields if one.name in events.keys}
    assert events.time is not None
    fixed = [pair for pair in pairs if not pair.late or pair.left in own]
    in_time = keys_of(fixed, seen.keys) or fixed[:1]
    chosen = unique_pairs(connection, table, fixed) if time is None else in_time
    zone = events.zone if time is not None and not time.zoned and time.has_clock else "UTC"
    imported = must_import(table, time, zone)
    keys = {pair.right: valid_name(pair.left) for pair in chosen}
    if not keys:
        return _apart(seen, time, zone, pairs, before)
    types = {pair.right: _type_of(events, pair.left) for pair in chosen}
    if differs := [name for name, dtype in types.items() if dtype != (table.column(name).stored or dtype)]:
        if table.database is not None:
            view, _ = _apart(seen, time, zone, pairs, before)
            return view, [
                f"{differs[0]} is {table.column(differs[0]).stored} in {table.shown} and {types[differs[0]]} in "
                f"{events.table.shown}: a key has one type, so that nothing is looked up; make them the same"
            ]
        # Made anew, it has the type that the events have.
        imported = True
    taken = {one.name.lower() for view in before for one in view.fields}
    fields, left_out = fields_of(table, time, keys, taken, imported=imported)
    fields = tuple(replace(one, dtype=types.get(one.source, one.dtype)) for one in fields)
    created, lag, after, why = "", 0.0, "", ""
    if time is not None:
        by_day = events.time.has_clock and not time.has_clock
        created, lag, after, why = chosen_known(connection, seen, time, answering, quiet=True, by_day=by_day)
        found = found_before(connection, events.table, events.time, table, time, chosen, seconds(after))
        join = f"{share(found)} of the rows of {events.name} have an earlier row here"
    else:
        found = found_at_all(connection, events.table, table, chosen)
        join = f"{share(found)} of the rows of {events.name} find their row here"
    if table.partial or events.table.partial:
        join += ", in a sample"
    features, spare = _features(fields, keys.values(), time, created)
    view = View(
        table.name, table, "static" if time is None else "look-up", time,
        tuple((entity_of(key), key) for key in keys.values()), fields, features, imported, name_of(fields, created),
        lag, after, zone, {"time": time.why if time else "", "entity": join, "created": why, "join": join},
        {
            "time": tuple(one.name for one in seen.times if one is not time and one.score > 0),
            "entity": tuple(map(_told_pair, (pair for pair in pairs if pair not in chosen))),
            "features": spare,
        },
        left_out,
    )  # fmt: skip
    return view, []


def _told_pair(pair: Pair) -> str:
    return f"{pair.right} = {pair.left}{', known only when the event is over' if pair.late else ''}"


def _type_of(view: View, source: str) -> str:
    """The type of the field of a column."""
    return next(one.dtype for one in view.fields if one.source == source)


def _apart(
    seen: Seen, time: Time | None, zone: str, pairs: Sequence[Pair], before: Sequence[View]
) -> tuple[View, list[str]]:
    """A table that no row of the events leads to: named, and not read."""
    table, events = seen.table, before[0]
    fixed = [pair for pair in pairs if not pair.late]
    if pairs and not fixed:
        columns = shortened([pair.left for pair in pairs], 3)
        sentence = (
            f"{table.shown} shares {columns} with {events.table.shown}, which is what is predicted or is named like "
            "how an event went, known only when it is over: nothing is looked up by it; if it is fixed beforehand, "
            "give the column another name in the file"
        )
    elif time is None and pairs:
        columns = shortened([pair.right for pair in fixed], 3)
        sentence = (
            f"{table.shown} has no time, and several rows for each {columns}: a table without a time is looked up by a "
            f"key of {events.name} that stands once in it; give it a time to count its rows"
        )
    else:
        sentence = f"{table.shown} shares no key with {events.table.shown}, so that nothing is looked up in it"
    return View(table.name, table, "apart", time, (), (), zone=zone), [sentence]


def _features(
    fields: Sequence[Field], keys: Collection[str], time: Time | None, created: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is looked up of a view, and what may be besides."""
    chosen, spare, parts = list[str](), list[str](), list[str]()
    for one in fields:
        column = one.column
        if one.name in keys or column is None or column.name == created:
            continue
        if time is not None and column.name in time.columns:
            continue
        if time is not None and is_part(one):
            parts.append(one.name)
            continue
        dull = column.distinct < 2 or column.null_share > 0.5 or (column.dtype == "string" and column.unique)
        good = not (dull or is_late(one) or column.is_instant or (time is None and is_tally(one)))
        (chosen if good and len(chosen) < _MOST_FEATURES else spare).append(one.name)
    if not chosen:
        # A name of each is better than nothing.
        names = [one.name for one in fields if one.name in spare and one.dtype == "string" and not is_late(one)]
        chosen = names[:1]
    return tuple(chosen), (*(name for name in spare if name not in chosen), *parts)
