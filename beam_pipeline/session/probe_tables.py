"""Entities and probes of a day: who looks back, and from when, made once for all operators that share them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from beam_pipeline.session.resources import DayResources
from daeda.sql import statements
from daeda.sql.handle import Materialised, column, table
from daeda.sql.statements import ENTITY


@dataclass(frozen=True)
class ProbeTables:
    """Names of two tables: the entities (their keys and code), and the probes (row, entity and time, sorted).

    The probes are `rows`, fewer than those of the day where a key is NULL.
    """

    entities: str
    probes: str
    rows: int


class DayProbeTables:
    """The probe tables of one day."""

    def __init__(self, resources: DayResources) -> None:
        self._resources = resources
        self._made: dict[statements.ProbeTableKey, ProbeTables] = {}
        self._keys: dict[tuple[str, ...], pa.Table] = {}
        # Operators run side by side.
        self._reading = threading.Lock()

    def of(self, operator: statements.ProbingOperator, left: Materialised) -> ProbeTables:
        """The tables for an operator: those that an operator before it made from the same columns, or new ones."""
        key = statements.probe_table_key(operator, left)
        if key not in self._made:
            number = len(self._made)
            entities, probes = f"daeda_entities_{number}", f"daeda_probes_{number}"
            self._resources.table(entities, statements.rolling_entities(operator, left), shared=True)
            rows = self._resources.table(probes, statements.rolling_probes(operator, left, entities), shared=True)
            self._made[key] = ProbeTables(entities, probes, rows)
        return self._made[key]

    def keys_of(self, entities: str, keys: Sequence[str], connection: duckdb.DuckDBPyConnection) -> pa.Table:
        """The keys of the entities of such a table, in the order of their numbers, read once through a connection."""
        with self._reading:
            asked = (entities, *keys)
            if asked not in self._keys:
                names = ", ".join(column(key).sql("duckdb") for key in keys)
                query = f"SELECT {names} FROM {table(entities).sql('duckdb')} ORDER BY {ENTITY}"
                self._keys[asked] = connection.execute(query).to_arrow_table().combine_chunks()
            return self._keys[asked]
