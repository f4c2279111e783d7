"""Windows over the rows that an attribute of their history keeps equal the oracle, by both engines."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline.day import rolling as product
from daeda.dtypes import DType
from daeda.durations import Duration
from daeda.operators.dag import Operator
from daeda.operators.operator import Instant
from daeda.operators.relation import Column, Relation
from daeda.operators.relational import Filter, Join, Scan, ScanColumn
from daeda.operators.temporal import Aggregate, PointInTimeJoin, RollingAggregate
from daeda.sql.handle import ColumnTable, Deferred, Materialised, column
from daeda.sql.lower import inputs_of, lower
from tests.beam_pipeline.day.one_day import NOON, Row, Session, filled
from tests.budget import CASES
from tests.oracle.point_in_time import point_in_time
from tests.oracle.rolling import rolling
from tests.oracle.values import order_key

SECOND = 1_000_000_000
_NUMBERS = itertools.count()
AT = Instant(column="then", unit="ns")
HISTORY = {"user": "int64", "then": "int64", "item": "int64", "v": "int64"}
ATTRIBUTES = {"item": "int64", "since": "int64", "known": "int64", "genre": "string", "size": "int64"}
# Conditions on a row with its attributes, and what they mean.
CONDITIONS: dict[str, Any] = {
    "genre = 'a'": lambda row: None if row["genre"] is None else row["genre"] == "a",
    "size > v": lambda row: None if None in (row["size"], row["v"]) else row["size"] > row["v"],
    "genre IS NULL OR v = 1": lambda row: row["genre"] is None or row["v"] == 1,
    "NOT (size = 2 AND genre IN ('a', 'b'))": lambda row: _not_and(
        None if row["size"] is None else row["size"] == 2,
        None if row["genre"] is None else row["genre"] in ("a", "b"),
    ),
    "coalesce(size, 0) < 2": lambda row: (0 if row["size"] is None else row["size"]) < 2,
}


def _not_and(left: bool | None, right: bool | None) -> bool | None:
    """NOT (left AND right) as SQL has it."""
    return True if False in (left, right) else None if None in (left, right) else False


@dataclass(frozen=True)
class Case:
    """`ttl` and the rest are those of the look-up of attributes; without `timed` it is a static one."""

    spine: list[Row]
    history: list[Row]
    attributes: list[Row]
    aggregates: tuple[Aggregate, ...]
    where: str
    timed: bool
    late: bool = False
    ttl: int | None = None
    allow_exact: bool = False


def drawn(seed: int) -> Case:
    """Attributes at the very time of a row, a step beside it, and just as old as their ttl; ties, NULLs, no match."""
    chance = random.Random(seed)
    timed, late = seed % 3 > 0, seed % 2 > 0
    ttl = chance.choice([None, 3 * SECOND])
    spine = [
        {"user": chance.choice([None, 1, 1, 2]), "now": NOON + chance.randint(0, 4) * SECOND}
        for _ in range(chance.randint(1, 6))
    ]
    windows = [chance.choice(["unbounded", "2s", "5s"]) for _ in range(3)]
    edges = [
        row["now"] - (0 if window == "unbounded" else Duration.parse(window).nanoseconds or 0)
        for row in spine
        for window in windows
    ]
    history = [
        {
            "user": chance.choice([None, 1, 1, 2]), "then": chance.choice(edges) + chance.choice([-1, 0, 1, -SECOND]),
            "item": chance.choice([None, 1, 2, 3]), "v": chance.choice([None, 1, 2, 3]),
        }
        for _ in range(chance.randint(0, 14))
    ]  # fmt: skip
    attributes: list[Row] = []
    for number in range(chance.randint(0, 8) if timed else 3):
        then = chance.choice(history or [{"then": NOON}])["then"]
        since = then - chance.choice([0, 1, -1, SECOND, 3 * SECOND, 3 * SECOND + 1])
        attributes.append({
            "item": chance.choice([None, 1, 2]) if timed else number, "since": since,
            "known": chance.choice([since, then - 1, then, None]), "genre": chance.choice([None, "a", "b", "c"]),
            "size": chance.choice([None, 1, 2, 3]),
        })  # fmt: skip
    kinds = chance.sample(["count", "sum", "last", "list", "any", "count_distinct", "first"], 3)
    aggregates = tuple(
        Aggregate(
            name=f"x{number}",
            kind=kind,
            column=None if kind in ("count", "any") else chance.choice(["v", "size"]),
            window=Duration.parse(window),
            max_length=2 if kind == "list" else None,
        )
        for number, (kind, window) in enumerate(zip(kinds, windows, strict=True))
    )
    where = chance.choice(list(CONDITIONS))
    return Case(spine, history, attributes, aggregates, where, timed, timed and late, ttl, chance.random() < 0.5)


@dataclass
class Engine:
    """As much of the engine of a day as windows over joined histories need."""

    connection: duckdb.DuckDBPyConnection
    files: dict[str, Path]
    rolled: Session
    made: list[str] = field(default_factory=list)
    day = dt.date(2024, 1, 2)

    def source_files(self, operator: Scan) -> tuple[str, ...]:
        return (str(self.files[operator.view]),)

    def projected(self, given: Deferred) -> Deferred:
        return given

    def number(self, operator: Operator, query: str, name: str) -> int:
        return self.rolled.resources.table(name, query)

    def materialise(self, operator: Operator, query: str, name: str, left_rows: int) -> int:
        return self.rolled.resources.table(name, query)

    def search(self, operator: PointInTimeJoin, left: Materialised, right: Deferred) -> None:
        return None

    def roll(self, operator: RollingAggregate, left: Materialised, right: Deferred) -> ColumnTable:
        return product.run_rolling(self.rolled, operator, left, right)  # type: ignore[arg-type]


def operators_of(case: Case, number: int, engine: str) -> list[Any]:
    taken = ("genre", "size")
    attributes = {name: kind for name, kind in ATTRIBUTES.items() if case.timed or name in ("item", *taken)}
    since = Instant(column="since", unit="ns")
    made: list[Any] = [
        Scan(
            name="scan_history", output=f"history_{number}", view="history", path="history", reads="lookback", time=AT,
            lookback=Duration.parse("unbounded"), columns=scanned(HISTORY), order_by=("then", "item", "v"),
        ),
        Scan(
            name="scan_items", output=f"items_{number}", view="items", path="items", columns=scanned(attributes),
            **({"reads": "lookback", "lookback": Duration.parse("unbounded"), "time": since,
                "created": Instant(column="known", unit="ns") if case.late else None}
               if case.timed else {"reads": "static"}),
        ),
    ]  # fmt: skip
    inputs, output = (f"history_{number}", f"items_{number}"), f"joined_{number}"
    if case.timed:
        made.append(PointInTimeJoin(
            name="pit", inputs=inputs, output=output, keys=("item",), right_time=since, left_time=AT,
            created=Instant(column="known", unit="ns") if case.late else None,
            ttl=None if case.ttl is None else Duration.parse(f"{case.ttl}ns"), allow_exact=case.allow_exact,
            columns=taken, tie_order=tuple(name for name in attributes if name not in ("item", "since", "known")),
        ))  # fmt: skip
    else:
        made.append(Join(name="join", inputs=inputs, output=output, keys=("item",), columns=taken))
    made.append(Filter(name="filter", inputs=(output,), output=f"kept_{number}", predicate=case.where))
    made.append(RollingAggregate(
        name="rolling", inputs=("spine", f"kept_{number}"), output=f"rolled_{number}", engine="sql_arrow_udf",
        keys=("user",), left_time=Instant(column="now", unit="ns"), history_time=AT,
        tie_order=("item", "v", *taken), aggregates=case.aggregates, compute=engine,
    ))  # fmt: skip
    return made


def scanned(types: dict[str, str]) -> tuple[ScanColumn, ...]:
    return tuple(ScanColumn(name=name, source=name, dtype=DType.parse(dtype)) for name, dtype in types.items())


def table(rows: list[Row], types: dict[str, str]) -> pa.Table:
    arrays = [pa.array([row[name] for row in rows], DType.parse(dtype).arrow()) for name, dtype in types.items()]
    return pa.table(arrays, names=list(types))


def in_the_product(case: Case, directory: Path, connection: duckdb.DuckDBPyConnection, compute: str) -> pa.Table:
    number = next(_NUMBERS)
    files = {name: directory / f"{name}_{number}.parquet" for name in ("history", "items")}
    pq.write_table(table(case.history, HISTORY), files["history"])
    pq.write_table(table(case.attributes, ATTRIBUTES), files["items"])
    types = {"user": "int64", "now": "int64"}
    filled(connection, f"spine_{number}", table(case.spine, types))
    relation = Relation(tuple(Column(name, DType.parse(dtype)) for name, dtype in types.items()), ("now",))
    own = {name: column(name).sql("duckdb") for name in types}
    tables = (ColumnTable(f"spine_{number}", tuple(types)),)
    relations: dict[str, Any] = {"spine": Materialised(relation, len(case.spine), tables, own)}
    engine = Engine(connection, files, Session(connection, 1_000, 1 << 28, directory / f"spill_{number}"))
    for operator in operators_of(case, number, compute):
        inputs = inputs_of(operator, relations)
        derived = operator.derive(tuple(one.relation for one in inputs))
        relations[operator.output] = lower(engine, operator, derived, inputs)  # type: ignore[arg-type]
    try:
        return connection.table(f"rolled_{number}").to_arrow_table()
    finally:
        connection.unregister(f"rolled_{number}")
        for name in (*engine.rolled.resources.made, f"spine_{number}"):
            connection.execute(f'DROP TABLE IF EXISTS "{name}"')


def in_the_oracle(case: Case) -> dict[str, list[Any]]:
    taken = ("genre", "size")
    history = [dict(row) for row in case.history]
    if case.timed:
        found = point_in_time(
            history, case.attributes, ["item"], "then", "since", columns=taken,
            created="known" if case.late else None, ttl=case.ttl, allow_exact=case.allow_exact,
            declared=[name for name in ATTRIBUTES if case.late or name != "known"],
        )  # fmt: skip
    else:
        by_item = {row["item"]: row for row in case.attributes}
        found = [by_item.get(row["item"], dict.fromkeys(taken)) for row in history]
    for row, attributes in zip(history, found, strict=True):
        row |= {name: attributes[name] for name in taken}
    return {
        one.name: rolling(
            case.spine, history, ["user"], "now", "then", one.kind, column=one.column, window=one.window.nanoseconds,
            max_length=one.max_length, where=lambda row: CONDITIONS[case.where](row) is True,
            declared=[*HISTORY, *taken],
        )
        for one in case.aggregates
    }  # fmt: skip


@pytest.mark.parametrize("compute", ["duckdb", "polars"])
def test_the_rows_that_count_are_those_of_the_oracle(tmp_path: Path, compute: str) -> None:
    seen = dropped = 0
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        for seed in range(CASES):
            case = drawn(seed)
            expected = in_the_oracle(case)
            made = in_the_product(case, tmp_path, connection, compute)
            for one in case.aggregates:
                found = [order_key(value) for value in made[one.name].to_pylist()]
                assert found == [order_key(value) for value in expected[one.name]], (seed, one, case.where)
                seen += sum(value not in (None, 0, False, []) for value in expected[one.name])
            dropped += len(case.history)
    assert seen > CASES // 2 < dropped
