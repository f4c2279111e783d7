"""Calendar functions of an expression: `hour_of` and `day_of_week`, in a time zone.

`hour_of(at)` with the zone Europe/Berlin is the hour on a clock in Berlin at that instant:

    CAST(HOUR(TIMEZONE('Europe/Berlin', MAKE_TIMESTAMPTZ(EPOCH_US(at)))) AS TINYINT)
A timestamp without a zone is UTC, a date its midnight there. DuckDB has the rules of all zones.
"""

from __future__ import annotations

from functools import lru_cache

from sqlglot import exp, parse_one

from daeda.errors import ConfigurationError
from daeda.sql.locked import connect

UTC = "UTC"
# Where a node keeps what it was made of.
_CALL, _ARGUMENT = "calendar", "argument"
# A word of the zone and one of the value, which no name of a column is.
_ZONE, _VALUE = "zone of the column", "value of the call"
_FIELDS = {"hour_of": "hour", "day_of_week": "isodow"}
# epoch_us rounds nanoseconds towards 0, and the last one of 1969 lies before midnight.
_MICROSECONDS = (
    f'epoch_us("{_VALUE}") - CASE WHEN typeof("{_VALUE}") = \'TIMESTAMP_NS\' '
    f'THEN CASE WHEN epoch_ns("{_VALUE}") % 1000 < 0 THEN 1 ELSE 0 END ELSE 0 END'
)
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")


def calendar_call(node: exp.Expr, text: str) -> str | None:
    """The name of the calendar function that a node of the text calls, None where it calls another one.

    `dayofweek`, which sqlglot takes for the same, counts from Sunday in DuckDB and is none of them.
    """
    if isinstance(node, exp.Anonymous):
        name = str(node.this).lower()
    else:
        start, end = node.meta.get("start"), node.meta.get("end")
        name = "" if start is None or end is None else text[start : end + 1].lower()
    return name if name in _FIELDS else None


def in_zone(tree: exp.Expr, text: str, zone: str) -> exp.Expr:
    """The tree with its calendar functions in a zone; raises ConfigurationError where one has not one argument."""
    for node in reversed(list(tree.find_all(exp.Anonymous, exp.DayOfWeek))):
        name = calendar_call(node, text)
        if name is None:
            continue
        arguments = node.expressions if isinstance(node, exp.Anonymous) else [node.this]
        if len(arguments) != 1:
            raise ConfigurationError(f"{name} takes one argument, a timestamp or a date, found {len(arguments)}")
        made = _made(name, arguments[0], zone)
        if node is tree:
            tree = made
        else:
            node.replace(made)
    return tree


def calls_of(tree: exp.Expr) -> list[tuple[str, exp.Expr]]:
    """The calendar functions that a tree calls, and the argument of each."""
    return [(node.meta[_CALL], node.meta[_ARGUMENT]) for node in tree.find_all(exp.Cast) if _CALL in node.meta]


def check_argument(name: str, argument: str, kind: str, what: str) -> None:
    """Raise ConfigurationError unless a calendar function gets a time."""
    if kind not in _TIMES:
        raise ConfigurationError(
            f"{what}: {name} takes a timestamp or a date, and {argument} is {kind}: of whole milliseconds, write "
            f"{name}(epoch_ms({argument}))"
        )


@lru_cache(maxsize=256)
def check_zone(zone: str) -> None:
    """Raise ConfigurationError for a zone that DuckDB does not know."""
    with connect() as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM pg_timezone_names()").fetchall()]
    if zone not in names:
        raise ConfigurationError(f"DuckDB has no time zone '{zone}': write a name like Europe/Berlin")


def _made(name: str, argument: exp.Expr, zone: str) -> exp.Cast:
    local = (
        f"make_timestamp({_MICROSECONDS})" if zone == UTC else f"timezone('{_ZONE}', make_timestamptz({_MICROSECONDS}))"
    )
    template = parse_one(f"CAST({_FIELDS[name]}({local}) AS TINYINT)", dialect="duckdb")

    def filled(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.name == _VALUE:
            return exp.Paren(this=argument.copy())
        if isinstance(node, exp.Literal) and node.this == _ZONE:
            return exp.Literal.string(zone)
        return node

    made = template.transform(filled)
    assert isinstance(made, exp.Cast)
    made.meta[_CALL], made.meta[_ARGUMENT] = name, argument.copy()
    return made
