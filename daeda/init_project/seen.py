"""What the columns of tables may be: times, keys, and keys that other tables have too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from daeda.init_project.joins import find_pairs
from daeda.init_project.keys import Key, find_keys
from daeda.init_project.tables import Table
from daeda.init_project.times import Time, find_times
from daeda.init_project.words import is_outcome, rank_as_entity

MOST_TIMES = 5
# Rows of a key from which on it is one that comes again.
LEAST_PER_VALUE = 1.2


@dataclass(frozen=True)
class Seen:
    """A table with what its columns may be."""

    table: Table
    times: tuple[Time, ...]
    keys: tuple[Key, ...]

    @property
    def likely(self) -> tuple[Time, ...]:
        """The times that are likely."""
        return tuple(time for time in self.times if time.score > 0)[:MOST_TIMES]

    @property
    def entities(self) -> list[Key]:
        """The keys that come again."""
        again = [key for key in self.keys if key.column.per_value >= LEAST_PER_VALUE]

        def order(key: Key) -> tuple[bool, float, float, int]:
            words = key.column.words
            return is_outcome(words), -rank_as_entity(words), -key.score, -key.column.distinct

        return sorted(again, key=order)


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
