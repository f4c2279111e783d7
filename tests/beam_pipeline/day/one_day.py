"""RollingAggregate of one day, without Beam: rows in Python in, the new columns out, by the product and by the oracle.

Times are whole numbers of nanoseconds here; each column stores them in its own unit.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from beam_pipeline.day import rolling as product
from beam_pipeline.session.arrow_columns import ArrowColumns
from beam_pipeline.session.cursors import Cursors
from beam_pipeline.session.probe_tables import DayProbeTables
from beam_pipeline.session.record import DayRecord
from beam_pipeline.workers.limits import DayLimits
from daeda.dtypes import TIMESTAMP_UNITS, DType
from daeda.durations import Duration
from daeda.operators.operator import Instant
from daeda.operators.relation import Column, Relation
from daeda.operators.relational import Filter, Scan, ScanColumn
from daeda.operators.temporal import Aggregate, Label, LabelAggregate, RollingAggregate
from daeda.settings.availability import Available
from daeda.sql.handle import ColumnTable, Materialised, column
from daeda.sql.scan import filter_rows, scan
from tests.oracle.labels import label
from tests.oracle.rolling import rolling

DAY = dt.date(2024, 1, 2)
NOON = 1_704_196_800_000_000_000  # 2024-01-02 12:00 in nanoseconds
Row = dict[str, Any]
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Time:
    """A time column: its type and unit."""

    dtype: str = "timestamp[us]"
    unit: str = "us"

    @property
    def step(self) -> int:
        return 1_000_000_000 // TIMESTAMP_UNITS[self.unit].value

    def stored(self, nanoseconds: int | None) -> int | None:
        return None if nanoseconds is None else nanoseconds // self.step


@dataclass(frozen=True)
class Case:
    """`keys` and `rest` map columns to types; `rest` are the columns behind time and created, in declared order."""

    keys: dict[str, str]
    rest: dict[str, str]
    aggregates: tuple[Aggregate | Label, ...]
    left: list[Row]
    right: list[Row]
    left_time: Time = Time()
    right_time: Time = Time()
    created: Time | None = None
    where: tuple[str, Any] | None = None
    available: Available | None = None
    engine: str = "duckdb"
    chunk_rows: int = 1_000_000
    batch_rows: int = 122_880
    arrow_bytes: int = 1 << 28
    threads: int = 2


class Resources:
    """As much of a day's resources as the operator needs: `made` are the tables of the day."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, limits: DayLimits, arrow_bytes: int, spill: Path) -> None:
        self.connection = connection
        self.beside = Cursors(connection).beside
        self.limits = limits
        self.threads = limits.threads
        self.spill = spill
        self.arrow_columns = ArrowColumns(connection, arrow_bytes, spill)
        self.made: list[str] = []

    @property
    def engine_bytes(self) -> int:
        return self.limits.engine_bytes - self.arrow_columns.nbytes

    def check(self) -> None:
        pass

    def need_all_memory(self) -> None:
        pass

    def table(self, name: str, query: str, shared: bool = False) -> int:
        self.made.append(name)
        create = "CREATE TABLE" if shared else "CREATE TEMP TABLE"
        (rows,) = self.connection.execute(f'{create} "{name}" AS {query}').fetchone()
        return rows


class Session:
    """As much of a day's session as the operator needs."""

    day = DAY

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        chunk_rows: int,
        arrow_bytes: int,
        spill: Path,
        memory_bytes: int = 1 << 30,
        threads: int = 1,
    ) -> None:
        limits = DayLimits(memory_bytes, threads, "", rolling_chunk_rows=chunk_rows)
        self.context = SimpleNamespace(limits=limits)
        self.resources = Resources(connection, limits, arrow_bytes, spill)
        self.record = DayRecord()
        self.inputs = SimpleNamespace(scanned={})
        self.probe_tables = DayProbeTables(self.resources)  # type: ignore[arg-type]


@contextmanager
def batches_of(rows: int) -> Iterator[None]:
    """Small batches of the sorted history, so that few rows make many chunks."""
    before = product._BATCH_ROWS
    product._BATCH_ROWS = rows
    try:
        yield
    finally:
        product._BATCH_ROWS = before


def in_the_product(case: Case, directory: Path, connection: duckdb.DuckDBPyConnection, **limits: int) -> pa.Table:
    """The new columns of each left row."""
    # DuckDB remembers files by name and time: every case has files of its own.
    number = next(_NUMBERS)
    left_types = {**case.keys, "now": case.left_time.dtype}
    right_types = {**case.keys, "then": case.right_time.dtype}
    if case.created is not None:
        right_types["known"] = case.created.dtype
    right_types |= case.rest
    left_table, right_path = f"rolling_left_{number}", directory / f"rolling_right_{number}.parquet"
    filled(connection, left_table, _stored(case.left, left_types, {"now": case.left_time}))
    _write(right_path, case.right, right_types, {"then": case.right_time, "known": case.created})
    instants = {"then": Instant(column="then", unit=case.right_time.unit)}
    if case.created is not None:
        instants["known"] = Instant(column="known", unit=case.created.unit)
    labels = [aggregate for aggregate in case.aggregates if isinstance(aggregate, Label)]
    reads: dict[str, Any] = {"reads": "lookback", "lookback": Duration.parse("unbounded")}
    if labels:
        by_length = sorted((one.reach for one in labels), key=lambda reach: reach.nanoseconds or 0)
        gap = min((one.gap for one in labels), key=lambda gap: gap.nanoseconds or 0)
        reads = {"reads": "lookahead", "gap": gap, "lookahead": by_length[-1]}
    source = Scan(
        name="scan", output="right", view="right", path="right", time=instants["then"], **reads,
        created=instants.get("known"),
        columns=tuple(
            ScanColumn(name=name, source=name, dtype=DType.parse(text)) for name, text in right_types.items()
        ),
    )  # fmt: skip
    operator = (LabelAggregate if labels else RollingAggregate)(
        name="rolling_right", inputs=("left", "right"), output=f"rolled_{number}", engine="sql_arrow_udf",
        keys=tuple(case.keys), left_time=Instant(column="now", unit=case.left_time.unit),
        history_time=instants["then"], created=instants.get("known"),
        **({} if labels else {"available": case.available}), tie_order=tuple(case.rest),
        aggregates=case.aggregates, compute=case.engine,
    )  # fmt: skip
    relation = Relation(tuple(Column(name, DType.parse(dtype)) for name, dtype in left_types.items()), ("now",))
    expressions = {name: column(name).sql("duckdb") for name in left_types}
    left = Materialised(relation, len(case.left), (ColumnTable(left_table, tuple(left_types)),), expressions)
    right = scan(source, source.derive(()), [str(right_path)], DAY)
    if case.where is not None:
        kept = Filter(name="filter", inputs=("right",), output="kept", predicate=case.where[0])
        right = filter_rows(kept, right, None)
    operator.derive((relation, right.relation))
    spill = directory / f"spill_{number}"
    session = Session(connection, case.chunk_rows, case.arrow_bytes, spill, threads=case.threads, **limits)
    try:
        with batches_of(case.batch_rows):
            made = product.run_rolling(session, operator, left, right)
        return connection.table(made.name).to_arrow_table()
    finally:
        connection.unregister(operator.output)
        for kept in (*session.resources.made, left_table):
            connection.execute(f'DROP TABLE IF EXISTS "{kept}"')


def in_the_oracle(case: Case) -> dict[str, list[Any]]:
    """The same by the oracle."""
    return {aggregate.name: _by_the_oracle(case, aggregate) for aggregate in case.aggregates}


def _by_the_oracle(case: Case, aggregate: Aggregate | Label) -> list[Any]:
    declared = [*case.keys, "then", *(["known"] if case.created else []), *case.rest]
    said: dict[str, Any] = {
        "column": aggregate.column, "window": aggregate.window.nanoseconds, "max_length": aggregate.max_length,
        "order": aggregate.order, "where": case.where[1] if case.where else None,
        "created": "known" if case.created else None, "declared": declared, "unit": case.left_time.step,
    }  # fmt: skip
    if isinstance(aggregate, Label):
        said |= {"gap": aggregate.gap.nanoseconds, "matures_after": aggregate.matures_after.nanoseconds}
        said |= {"columns": aggregate.columns, "age": aggregate.age, "apart": aggregate.layout == "columns"}
        said["q"] = aggregate.q
        return label(case.left, case.right, list(case.keys), "now", "then", aggregate.kind, **said)
    said |= {
        "columns": aggregate.columns, "age": aggregate.age, "apart": aggregate.layout == "columns",
        "available": of_the_oracle(case.available),
        "aligned_to": None if aggregate.aligned_to is None else aggregate.aligned_to.nanoseconds,
        "offset": None if aggregate.offset is None else aggregate.offset.nanoseconds, "q": aggregate.q,
        "half_life": None if aggregate.half_life is None else aggregate.half_life.nanoseconds,
    }  # fmt: skip
    return rolling(case.left, case.right, list(case.keys), "now", "then", aggregate.kind, **said)


def of_the_oracle(available: Available | None) -> tuple[Any, ...] | None:
    """The same as the oracle takes it, in nanoseconds."""
    if available is None:
        return None
    if available.after is not None:
        return ("after", available.after.nanoseconds)
    hours, minutes = map(int, available.daily_at.split(":"))  # type: ignore[union-attr]
    return ("daily_at", (60 * hours + minutes) * 60_000_000_000, 86_400_000_000_000)


def filled(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """A table of a day, its rows in this order."""
    connection.register("rows_to_fill", rows)
    try:
        connection.execute(f'CREATE TEMP TABLE "{name}" AS SELECT * FROM rows_to_fill')
    finally:
        connection.unregister("rows_to_fill")


def _write(path: Path, rows: list[Row], types: dict[str, str], times: dict[str, Time | None]) -> None:
    pq.write_table(_stored(rows, types, times), path)


def _stored(rows: list[Row], types: dict[str, str], times: dict[str, Time | None]) -> pa.Table:
    stored = [
        {name: times[name].stored(row[name]) if times.get(name) else row[name] for name in types}  # type: ignore[union-attr]
        for row in rows
    ]
    arrays = [pa.array([row[name] for row in stored], DType.parse(dtype).arrow()) for name, dtype in types.items()]
    return pa.table(arrays, names=list(types))
