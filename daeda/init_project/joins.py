"""Which columns of a table stand in another one: by names, and by how many of the values are found there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import duckdb

from daeda.init_project.keys import Key, entity_of
from daeda.init_project.tables import Column, Table, words_of
from daeda.init_project.times import Time
from daeda.init_project.words import PARTS, PLACES, any_of, is_key_name, is_outcome
from daeda.sql.handle import quoted_name

# Of a pair of the same name and of one of two names, the share of values that must be found.
_SAME, _OTHER = 0.3, 0.9
_LEAST_VALUES = 3


@dataclass(frozen=True)
class Pair:
    """A column of the events and the column of a look-up with the same values; `hits` is how many of the first.

    With `late` the first one is how an event went: what is looked up by it nobody knows beforehand.
    """

    left: str
    right: str
    hits: float
    late: bool = False


def find_pairs(
    connection: duckdb.DuckDBPyConnection, left: Table, right: Table, time: Time | None, predicted: str = ""
) -> list[Pair]:
    """The pairs by which a table may be looked up from another one, each column in one, the surest first.

    Those that are late come last: columns that are named like an outcome, and the one that is `predicted`.
    """
    used = set(time.columns) if time is not None else set[str]()
    pairs = []
    for mine in left.columns:
        for other in right.columns:
            if other.name in used or not _comparable(mine, other):
                continue
            same = _same_name(mine, other, right)
            if not same and (mine.dtype != "string" or min(mine.distinct, other.distinct) < _LEAST_VALUES):
                continue
            hits = _hits(connection, left, mine, right, other)
            if same and 0 < hits < _SAME and _hits(connection, right, other, left, mine) >= _SAME:
                # Few of the events have a row there, and its rows are of these events.
                hits = _SAME
            if hits >= (_SAME if same else _OTHER):
                late = mine.name == predicted or _is_outcome(mine)
                pairs.append((Pair(mine.name, other.name, hits, late), same))
    pairs.sort(key=lambda found: (found[0].late, not found[1], -found[0].hits))
    chosen: list[Pair] = []
    for pair, _ in pairs:
        if all(pair.left != one.left and pair.right != one.right for one in chosen):
            chosen.append(pair)
    return chosen


def _is_outcome(column: Column) -> bool:
    """Whether a column is named like how it went; a name of single rows, such as `review_id`, is fixed with the row."""
    return is_outcome(column.words) and not (column.unique and is_key_name(column.words))


def _comparable(mine: Column, other: Column) -> bool:
    kinds = {mine.dtype == "string", other.dtype == "string"}
    whole = mine.is_integer and other.is_integer
    if not (whole or kinds == {True}) or mine.text_format or other.text_format:
        return False
    names = (mine.words, other.words)
    return not any((len(words) == 1 and words[0] in PARTS) or any_of(words, PLACES) for words in names)


def _same_name(mine: Column, other: Column, right: Table) -> bool:
    """Whether names speak for the same key: `user_id` of events is the `id` of `users`."""
    if mine.name.lower() == other.name.lower():
        return mine.dtype == "string" or is_key_name(mine.words)
    entity = entity_of(mine.name)
    if other.words == ("id",) or other.name.lower() == entity:
        return right.name.lower() in (entity, f"{entity}s", f"{entity}es", f"{entity[:-1]}ies") or (
            other.name.lower() == entity and is_key_name(mine.words)
        )
    return is_key_name(mine.words) and is_key_name(other.words) and entity == entity_of(other.name)


def _hits(connection: duckdb.DuckDBPyConnection, left: Table, mine: Column, right: Table, other: Column) -> float:
    """The share of the values of a column that another one has."""
    a, b = quoted_name(mine.name), quoted_name(other.name)
    found = connection.execute(
        f"SELECT avg((v IN (SELECT {b} FROM {right.sample}))::INT) FROM "
        f"(SELECT DISTINCT {a} AS v FROM {left.sample} WHERE {a} IS NOT NULL)"
    ).fetchall()[0][0]
    return float(found or 0.0)


def unique_pairs(connection: duckdb.DuckDBPyConnection, table: Table, pairs: Sequence[Pair]) -> list[Pair]:
    """The fewest pairs whose columns name single rows of the look-up; empty where none do."""
    for number in (1, 2, 3):
        for chosen in combinations(pairs, number):
            names = ", ".join(quoted_name(pair.right) for pair in chosen)
            most = connection.execute(
                f"SELECT max(n) FROM (SELECT count(*) AS n FROM {table.sample} GROUP BY {names})"
            ).fetchall()[0][0]
            if most == 1:
                return list(chosen)
    return []


def found_before(
    connection: duckdb.DuckDBPyConnection,
    spine: Table,
    spine_time: Time,
    table: Table,
    time: Time,
    pairs: Sequence[Pair],
    delay: float,
) -> float:
    """The share of the rows of the sample of events that have an earlier row in the look-up.

    Earlier is one that is known so many seconds after its time.
    """
    keys = " AND ".join(f"e.k{number} = l.k{number}" for number, _ in enumerate(pairs))
    mine = ", ".join(f"{quoted_name(pair.left)} AS k{number}" for number, pair in enumerate(pairs))
    other = ", ".join(f"{quoted_name(pair.right)} AS k{number}" for number, pair in enumerate(pairs))
    known = f"{time.sql} + to_seconds({delay:.0f})"
    found = connection.execute(
        f"SELECT avg((l.t IS NOT NULL)::INT) FROM (SELECT {mine}, {spine_time.sql} AS t FROM {spine.sample}) AS e "
        f"ASOF LEFT JOIN (SELECT {other}, {known} AS t FROM {table.sample}) AS l ON {keys} AND e.t > l.t"
    ).fetchall()[0][0]
    return float(found or 0.0)


def found_at_all(connection: duckdb.DuckDBPyConnection, spine: Table, table: Table, pairs: Sequence[Pair]) -> float:
    """The share of the rows of the sample of events whose keys the look-up has."""
    mine = ", ".join(quoted_name(pair.left) for pair in pairs)
    other = ", ".join(quoted_name(pair.right) for pair in pairs)
    found = connection.execute(
        f"SELECT avg((({mine}) IN (SELECT ({other}) FROM {table.sample}))::INT) FROM {spine.sample}"
        if len(pairs) == 1
        else f"SELECT avg((row({mine}) IN (SELECT row({other}) FROM {table.sample}))::INT) FROM {spine.sample}"
    ).fetchall()[0][0]
    return float(found or 0.0)


def keys_of(pairs: Sequence[Pair], keys: Sequence[Key]) -> list[Pair]:
    """Of the pairs of a look-up with a time those that are keys: of the named ones all, else the surest."""
    named = [pair for pair in pairs if is_key_name(words_of(pair.left))]
    known = {key.column.name for key in keys}
    return named or [pair for pair in pairs if pair.left in known][:1]
