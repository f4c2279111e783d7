"""Who looks back on a day, and from when: entities and probes, made once for all operators that share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from daeda.sql import statements
from daeda.sql.handle import Materialised


class Tables(Protocol):
    """Where tables of the day are made."""

    def table(self, name: str, query: str, shared: bool = False) -> int:
        """Keep the result of a query as a table, and return its rows. A shared one is seen by cursors, too."""


@dataclass(frozen=True)
class MomentTables:
    """Names of two tables: the entities (their keys and code), and the probes (row, entity and time, sorted).

    The probes are `rows`, fewer than those of the day where a key is NULL.
    """

    entities: str
    probes: str
    rows: int


class DayMoments:
    """The entities and probes of one day."""

    def __init__(self) -> None:
        self._made: dict[statements.ProbeTableKey, MomentTables] = {}

    def of(self, tables: Tables, operator: statements.ProbingOperator, left: Materialised) -> MomentTables:
        """The tables for an operator: those that an operator before it made from the same columns, or new ones."""
        wanted = statements.probe_table_key(operator, left)
        made = self._made.get(wanted)
        if made is None:
            number = len(self._made)
            entities, probes = f"daeda_entities_{number}", f"daeda_probes_{number}"
            tables.table(entities, statements.rolling_entities(operator, left))
            rows = tables.table(probes, statements.rolling_probes(operator, left, entities), shared=True)
            made = self._made[wanted] = MomentTables(entities, probes, rows)
        return made
