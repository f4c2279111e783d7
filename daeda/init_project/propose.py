"""From tables to a proposal: which are events, which are looked up and how, what is counted, and what is predicted."""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Sequence
from dataclasses import replace

import duckdb

from daeda.errors import InputError, counted, did_you_mean, shortened
from daeda.init_project.answers import NOTHING, Answering, Choice, Question
from daeda.init_project.asked import chosen_known, chosen_time
from daeda.init_project.keys import Key, entity_of
from daeda.init_project.look_ups import look_up
from daeda.init_project.naming import fields_of, must_import, name_of
from daeda.init_project.proposal import Label, Proposal, View, Windows
from daeda.init_project.seen import LEAST_PER_VALUE, Seen, look
from daeda.init_project.tables import Table, valid_name
from daeda.init_project.times import OPEN_END, Time, is_beyond_years, is_open_end
from daeda.init_project.windows import label_ahead, outcomes_of, rhythm_of, windows_of

AGAIN = "again"


def propose(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], answering: Answering) -> Proposal:
    """The proposal, with the answers to its questions; raises InputError with what is missing."""
    seen = look(connection, tables)
    _refuse_timeless(seen)
    events = _chosen_events(seen, answering)
    time = chosen_time(events, answering, quiet=False)
    if time is None:
        raise InputError(f"{events.table.shown} has no time that was chosen: events need one")
    zone = _chosen_zone(events.table, time, answering)
    _refuse_conversion(events.table, time, zone)
    entity = _chosen_entity(events, answering)
    view = _events_view(connection, events, time, zone, entity, answering)
    others, sentences, told_of_label = list[View](), list[str](), list[str]()
    windows, label, predictable = _learned(connection, events, view, entity, answering, told_of_label)
    predicted = source_of(view, label)
    if windows is not None and label is not None and windows.measure and windows.measure == label.of_field:
        # What is predicted is known later than its event.
        windows = replace(windows, late=True)
    for other in seen:
        if other.table is not events.table:
            found, told = look_up(connection, view, other, answering, [view, *others], predicted)
            others.append(found)
            sentences += told
    view = _with_keys_of(view, others)
    return Proposal((view, *others), _grain(view, events), windows, label, (*sentences, *told_of_label), predictable)


def source_of(view: View, label: Label | None) -> str:
    """The column of the files that is predicted; empty where the label is of other rows."""
    return next((one.source for one in view.fields if label is not None and one.name == label.of_field), "")


def _refuse_timeless(seen: Sequence[Seen]) -> None:
    if any(one.times for one in seen):
        return
    shown = shortened([one.table.shown for one in seen], 4)
    beyond = [(one.table, column) for one in seen for column in one.table.columns if is_beyond_years(column)]
    if beyond:
        table, column = beyond[0]
        raise InputError(
            f"{table.shown}: {column.name} has times outside of the years 1 to 9999, as where milliseconds are taken "
            "for seconds: write the file anew, with their unit"
        )
    for one in seen:
        for column in one.table.columns:
            if is_open_end(column):
                raise InputError(
                    f"{one.table.shown}: {column.name} {OPEN_END}: take those rows out, or name a file with another "
                    "time"
                )
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
    return f"{'more than ' if table.partial else ''}{counted(table.rows, 'row')}"


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


def _events_view(
    connection: duckdb.DuckDBPyConnection, seen: Seen, time: Time, zone: str, entity: Key, answering: Answering
) -> View:
    table = seen.table
    created, lag, after, why = chosen_known(connection, seen, time, answering, quiet=False)
    imported = must_import(table, time, zone)
    keys = {entity.column.name: valid_name(entity.column.name)}
    fields, left_out = fields_of(table, time, keys, (), imported=imported)
    others = tuple(one.name for one in seen.times if one is not time and one.score > 0)
    spare = tuple(f"{key.column.name}: {key.why}" for key in seen.keys if key is not entity)
    return View(
        table.name, table, "events", time, tuple((entity_of(key), key) for key in keys.values()), fields,
        imported=imported, created=name_of(fields, created), created_lag=lag, after=after, zone=zone,
        reasons={"time": time.why, "entity": entity.why, "created": why},
        others={"time": others, "entity": spare}, left_out=left_out,
    )  # fmt: skip


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
) -> tuple[Windows | None, Label | None, tuple[str, ...]]:  # fmt: skip
    """Windows and label, and what else may be predicted; what cannot be is said."""
    name, key = view.entities[0]
    windows, again = None, None
    if entity.column.per_value < LEAST_PER_VALUE:
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
    rest = tuple(sorted((one.value for one in choices if one.value != chosen), key=NOTHING.__eq__))
    if chosen == AGAIN:
        assert again is not None
        return windows, replace(again, others=tuple(one.name for one in measures[:6])), rest
    if chosen == NOTHING:
        return windows, None, rest
    return windows, Label(f"label_{chosen}", of_field=chosen), rest
