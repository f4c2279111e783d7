"""From tables to a proposal: which are events, which are looked up and how, what is counted, and what is predicted."""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from daeda.durations import Duration
from daeda.errors import InputError, did_you_mean, shortened
from daeda.init_project.answers import AT_ITS_TIME, NOTHING, Answering, Choice, Question
from daeda.init_project.days import seconds
from daeda.init_project.joins import Pair, find_pairs, found_at_all, found_before, keys_of, unique_pairs
from daeda.init_project.keys import Key, entity_of, find_keys
from daeda.init_project.naming import fields_of, must_import
from daeda.init_project.proposal import Field, Label, Proposal, View, Windows
from daeda.init_project.tables import Table, valid_name
from daeda.init_project.times import Time, find_created, find_times, share
from daeda.init_project.windows import is_late, is_part, is_tally, label_ahead, outcomes_of, rhythm_of, windows_of
from daeda.init_project.words import is_outcome, rank_as_entity

_MOST_TIMES = 5
_MOST_FEATURES = 4
_LEAST_PER_VALUE = 1.2
AGAIN = "again"
_OF_A_DAY = "it has a date and no hour, so that it may tell of the whole day"


@dataclass(frozen=True)
class Seen:
    """A table with what its columns may be."""

    table: Table
    times: tuple[Time, ...]
    keys: tuple[Key, ...]

    @property
    def likely(self) -> tuple[Time, ...]:
        """The times that are likely."""
        return tuple(time for time in self.times if time.score > 0)[:_MOST_TIMES]

    @property
    def entities(self) -> list[Key]:
        """The keys that come again."""
        again = [key for key in self.keys if key.column.per_value >= _LEAST_PER_VALUE]

        def order(key: Key) -> tuple[bool, float, float, int]:
            words = key.column.words
            return is_outcome(words), -rank_as_entity(words), -key.score, -key.column.distinct

        return sorted(again, key=order)


def propose(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], answering: Answering) -> Proposal:
    """The proposal, with the answers to its questions; raises InputError with what is missing."""
    seen = look(connection, tables)
    _refuse_timeless(seen)
    events = _chosen_events(seen, answering)
    time = _chosen_time(events, answering, quiet=False)
    if time is None:
        raise InputError(f"{events.table.shown} has no time that was chosen: events need one")
    zone = _chosen_zone(events.table, time, answering)
    _refuse_conversion(events.table, time, zone)
    entity = _chosen_entity(events, answering)
    view = _events_view(connection, events, time, zone, entity, answering)
    others, sentences, told_of_label = list[View](), list[str](), list[str]()
    windows, label = _learned(connection, events, view, entity, answering, told_of_label)
    predicted = source_of(view, label)
    if windows is not None and label is not None and windows.measure and windows.measure == label.of_field:
        # What is predicted is known later than its event.
        windows = replace(windows, late=True)
    for other in seen:
        if other.table is not events.table:
            found, told = _look_up(connection, view, other, answering, [view, *others], predicted)
            others.append(found)
            sentences += told
    view = _with_keys_of(view, others)
    return Proposal((view, *others), _grain(view, events), windows, label, (*sentences, *told_of_label))


def source_of(view: View, label: Label | None) -> str:
    """The column of the files that is predicted; empty where the label is of other rows."""
    return next((one.source for one in view.fields if label is not None and one.name == label.of_field), "")


def look(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> list[Seen]:
    """What the columns of each table may be."""
    times = [tuple(find_times(connection, table)) for table in tables]
    found = []
    for table, own in zip(tables, times, strict=True):
        time = next((one for one in own if one.score > 0), None)
        shared = {
            pair.left
            for other, others in zip(tables, times, strict=True)
            if other is not table
            for pair in find_pairs(connection, table, other, next((one for one in others if one.score > 0), None))
            if not pair.late
        }
        found.append(Seen(table, own, tuple(find_keys(table, time, shared))))
    return found


def _refuse_timeless(seen: Sequence[Seen]) -> None:
    if any(one.times for one in seen):
        return
    shown = shortened([one.table.shown for one in seen], 4)
    raise InputError(
        f"nothing in {shown} says when a row happened, and training data is made of events in time: add a column with "
        "a time, like 2024-01-31 10:00:00 or seconds since 1970, or name a file that has one"
    )


def _chosen_events(seen: Sequence[Seen], answering: Answering) -> Seen:
    timed = [one for one in seen if one.times]

    def weight(one: Seen) -> float:
        return math.log10(max(1, _rows(one.table))) + min(3, len(one.entities)) - 10 * (not one.likely)

    ranked = sorted(timed, key=weight, reverse=True)
    choices = tuple(
        Choice(one.table.name, f"{told_rows(one.table)}, {len(one.entities)} possible keys that come again")
        for one in ranked
    )
    chosen = answering.answer(
        Question(("event",), "What is an event? Each becomes a row of the training set.", choices)
    )
    return next(one for one in ranked if one.table.name == chosen)


def _rows(table: Table) -> float:
    return float(table.rows) * (10 if table.partial else 1)


def told_rows(table: Table) -> str:
    """How many rows a table has, or was looked at."""
    return f"{'more than ' if table.partial else ''}{table.rows:,} rows"


def _chosen_time(seen: Seen, answering: Answering, *, quiet: bool) -> Time | None:
    times = seen.likely or seen.times[:_MOST_TIMES]
    choices = [Choice(time.name, time.why) for time in times]
    if quiet:
        # A look-up may do without one.
        none = Choice("none", "one row for each key, for all time")
        choices = [*choices, none] if seen.likely else [none, *choices]
    if not choices:
        return None
    asked = f"When did a row of {seen.table.name} happen?"
    chosen = answering.answer(Question(("times", seen.table.name), asked, tuple(choices), quiet=quiet))
    return next((time for time in times if time.name == chosen), None)


def _chosen_zone(table: Table, time: Time, answering: Answering) -> str:
    if time.zoned or not time.has_clock:
        return "UTC"
    choices = (Choice("UTC", "or write a zone like Europe/Berlin"),)
    asked = f"In which time zone is {time.name}? It names none."
    return answering.answer(Question(("timezone",), asked, choices, _zone, quiet=time.native))


def _refuse_conversion(table: Table, time: Time, zone: str) -> None:
    """A table of a database is read as it is."""
    if table.database is None or (time.native and (zone == "UTC" or time.zoned)):
        return
    raise InputError(
        f"{table.shown}: {time.name} is no time in UTC as the table has it, and a database is read as it is: make a "
        "view there with a timestamp, or export the table to a file"
    )


def _zone(answer: str) -> str:
    if answer not in zoneinfo.available_timezones():
        raise ValueError(f"'{answer}' is no time zone: write UTC, or a name like Europe/Berlin")
    return answer


def _chosen_entity(seen: Seen, answering: Answering) -> Key:
    if not seen.keys:
        raise InputError(
            f"{seen.table.shown} has a time and no column that says whose a row is, like user_id, sensor or product: "
            "add one, whose values come again"
        )
    ranked = [*seen.entities, *(key for key in seen.keys if key not in seen.entities)]
    choices = tuple(Choice(key.column.name, key.why) for key in ranked)
    chosen = answering.answer(Question(("entity",), "Whose events are they?", choices))
    return next(key for key in ranked if key.column.name == chosen)


def _chosen_known(
    connection: duckdb.DuckDBPyConnection, seen: Seen, time: Time, answering: Answering, *, quiet: bool,
    by_day: bool = False,
) -> tuple[str, float, str, str]:  # fmt: skip
    """The column that says when a row is known with its usual delay, or the delay itself, and why.

    `by_day` says that a row is of a day, and may tell of all of it, and that those who look it up know the hour.
    """
    created = find_created(connection, seen.table, time)
    choices = [Choice(AT_ITS_TIME, f"when it happens, at {time.name}; or write how long after, like 1h")]
    if by_day:
        choices = [Choice("1d", _OF_A_DAY), *choices]
    if created is not None:
        choices = [Choice(created[0], created[1]), *choices]
    asked = f"When is a row of {seen.table.name} known?"
    chosen = answering.answer(Question(("known", seen.table.name), asked, tuple(choices), _delay, quiet=quiet))
    if created is not None and chosen == created[0]:
        return created[0], created[2], "", created[1]
    return "", 0.0, "" if chosen == AT_ITS_TIME else chosen, _OF_A_DAY if by_day and chosen == "1d" else ""


def _delay(answer: str) -> str:
    try:
        return str(Duration.parse_delay(answer))
    except ValueError as error:
        raise ValueError(f"'{answer}' is neither one of the answers nor a duration like 1h or 1d") from error


def _events_view(
    connection: duckdb.DuckDBPyConnection, seen: Seen, time: Time, zone: str, entity: Key, answering: Answering
) -> View:
    table = seen.table
    created, lag, after, why = _chosen_known(connection, seen, time, answering, quiet=False)
    imported = must_import(table, time, zone)
    keys = {entity.column.name: valid_name(entity.column.name)}
    fields, left_out = fields_of(table, time, keys, (), imported=imported)
    others = tuple(one.name for one in seen.times if one is not time and one.score > 0)
    spare = tuple(f"{key.column.name}: {key.why}" for key in seen.keys if key is not entity)
    return View(
        table.name, table, "events", time, tuple((entity_of(key), key) for key in keys.values()), fields,
        imported=imported, created=_name_of(fields, created), created_lag=lag, after=after, zone=zone,
        reasons={"time": time.why, "entity": entity.why, "created": why},
        others={"time": others, "entity": spare}, left_out=left_out,
    )  # fmt: skip


def _name_of(fields: Sequence[Field], source: str) -> str:
    return next((one.name for one in fields if source and one.source == source), "")


def _look_up(
    connection: duckdb.DuckDBPyConnection, events: View, seen: Seen, answering: Answering, before: Sequence[View],
    predicted: str,
) -> tuple[View, list[str]]:  # fmt: skip
    """The view of another table: looked up where keys of the events stand in it, else declared and not used."""
    table = seen.table
    time = _chosen_time(seen, answering, quiet=True)
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
        created, lag, after, why = _chosen_known(connection, seen, time, answering, quiet=True, by_day=by_day)
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
        tuple((entity_of(key), key) for key in keys.values()), fields, features, imported, _name_of(fields, created),
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
    fields: Sequence[Field], keys: Sequence[str] | object, time: Time | None, created: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is looked up of a view, and what may be besides."""
    named = set(keys) if not isinstance(keys, str) else set()  # type: ignore[call-overload]
    chosen, spare, parts = list[str](), list[str](), list[str]()
    for one in fields:
        column = one.column
        if one.name in named or column is None or column.name == created:
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
        late = {one.name for one in fields if is_late(one)}
        chosen = [name for name in spare if name not in late and view_type(fields, name) == "string"][:1]
    return tuple(chosen), (*(name for name in spare if name not in chosen), *parts)


def view_type(fields: Sequence[Field], name: str) -> str:
    """The type of a field."""
    return next(one.dtype for one in fields if one.name == name)


def _with_keys_of(view: View, others: Sequence[View]) -> View:
    """The events with the keys by which others are looked up."""
    entities = dict.fromkeys(view.entities)
    for other in others:
        entities.update(dict.fromkeys(other.entities))
    names = [key for _, key in entities]
    first = [one for name in names for one in view.fields if one.name == name]
    return replace(view, entities=tuple(entities), fields=(*first, *(one for one in view.fields if one not in first)))


def _grain(view: View, events: Seen) -> tuple[str, ...]:
    """What names a row: an id of its own where there is one, else the keys."""
    for key in events.keys:
        own = view.field_of(key.column.name)
        if key.row_id and own is not None:
            return (own.name,)
    return view.keys


def _learned(
    connection: duckdb.DuckDBPyConnection, events: Seen, view: View, entity: Key, answering: Answering,
    sentences: list[str],
) -> tuple[Windows | None, Label | None]:  # fmt: skip
    """Windows and label; what cannot be is said."""
    name, key = view.entities[0]
    windows, again = None, None
    if entity.column.per_value < _LEAST_PER_VALUE:
        sentences.append(
            f"each {key} of {view.table.shown} stands there about once, so that there is nothing to count in windows"
        )
    else:
        rhythm = rhythm_of(connection, view, entity.column.name)
        windows = windows_of(view, name, key, rhythm)
        again = label_ahead(view, name, key, rhythm)
        if again is None:
            sentences.append(
                f"all rows of {view.table.shown} are of one day, so that nothing is predicted: a label is known when "
                "there are rows of the days after"
            )
    measures = outcomes_of(view)
    choices = [Choice(NOTHING, "no label yet")]
    choices += [Choice(one.name, f"the {one.name} of the event itself, as its outcome") for one in measures[:6]]
    if again is not None:
        choices = [Choice(AGAIN, again.asked(key)), *choices]
    names = [one.name for one in view.fields if one.column is not None and one.name not in view.keys]

    def field(answer: str) -> str:
        if answer not in names:
            raise ValueError(
                f"'{answer}' is none of the answers: {did_you_mean(answer, [*(one.value for one in choices), *names])}"
            )
        return answer

    chosen = answering.answer(Question(("predict",), "What do you predict?", tuple(choices), field))
    if chosen == AGAIN:
        assert again is not None
        return windows, replace(again, others=tuple(one.name for one in measures[:6]))
    if chosen == NOTHING:
        return windows, None
    return windows, Label(f"label_{chosen}", of_field=chosen)
