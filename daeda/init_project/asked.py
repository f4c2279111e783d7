"""What is asked of each table: when its rows happened, and when they are known."""

from __future__ import annotations

import duckdb

from daeda.durations import Duration
from daeda.init_project.answers import AT_ITS_TIME, Answering, Choice, Question
from daeda.init_project.seen import MOST_TIMES, Seen
from daeda.init_project.times import Time, find_created

_OF_A_DAY = "it has a date and no hour, so that it may tell of the whole day"


def chosen_time(seen: Seen, answering: Answering, *, quiet: bool) -> Time | None:
    """The time of the rows of a table; None for a look-up that has one row for each key."""
    times = seen.likely or seen.times[:MOST_TIMES]
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


def chosen_known(
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
