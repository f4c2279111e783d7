"""The SQL of Scan, Filter, Join and of the spine's order, run by DuckDB."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daeda.dtypes import DType, describe_arrow
from daeda.durations import Duration
from daeda.operators.operator import Instant
from daeda.operators.relation import Column, Relation
from daeda.operators.relational import Filter, Join, Scan, ScanColumn
from daeda.sql.handle import ColumnTable, Deferred, Materialised, column
from daeda.sql.scan import FILE, filter_rows, scan, told_by_file
from daeda.sql.statements import duplicate_keys, numbering, static_join
from tests.beam_pipeline.day.one_day import filled
from tests.budget import examples
from tests.oracle.values import order_key
from tests.projects import moment, write_parquet

DAY = dt.date(2024, 1, 2)
MIDNIGHT = 1_704_153_600
_NUMBERS = itertools.count()


def fetched(query: str, left: pa.Table | None = None) -> pa.Table:
    """What a query gives; `left` fills the table of that name."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        if left is not None:
            filled(connection, "left", left)
        return connection.execute(query).to_arrow_table()


def read(tmp_path: Path, columns: dict[str, str], rows: list[tuple[Any, ...]], **entries: Any) -> Deferred:
    """A Scan over one new file."""
    path = write_parquet(tmp_path / f"file_{next(_NUMBERS)}.parquet", columns, rows)
    listed = tuple(ScanColumn(name=name, source=name, dtype=DType.parse(dtype)) for name, dtype in columns.items())
    operator = Scan(name="s", output="s", view="v", path="p", columns=listed, **{"reads": "static", **entries})
    return scan(operator, operator.derive(()), [str(path)], DAY)


@pytest.mark.parametrize(
    ("dtype", "value", "shown"),
    [
        ("double", -0.0, "0.0"),
        ("float", -0.0, "0.0"),
        ("list<double>", [-0.0, None, 1.5, -math.inf], "[0.0, None, 1.5, -inf]"),
        ("list<float>", [-0.0], "[0.0]"),
        ("list<list<double>>", [[-0.0, math.nan], None, []], "[[0.0, nan], None, []]"),
        ("double", math.nan, "nan"),
        ("double", None, "None"),
        ("list<double>", None, "None"),
        ("list<list<double>>", None, "None"),
        ("double", 5e-324, "5e-324"),
    ],
)
def test_minus_zero_becomes_zero_and_everything_else_stays(
    tmp_path: Path, dtype: str, value: object, shown: str
) -> None:
    table = fetched(read(tmp_path, {"x": dtype}, [(value,)]).query).column("x")
    assert describe_arrow(table.type) == dtype
    assert str(table.to_pylist()[0]) == shown


def instants(unit: str) -> tuple[int, int, int]:
    """The day's first instant, its last one, and the next day's first one."""
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    return MIDNIGHT * per_second, (MIDNIGHT + 86_400) * per_second - 1, (MIDNIGHT + 86_400) * per_second


COLUMNS = [
    ("timestamp[ms]", "ms"), ("timestamp[us]", "us"), ("timestamp[ns]", "ns"), ("timestamp[us, UTC]", "us"),
    ("int64", "s"), ("int64", "ms"), ("int64", "us"), ("int64", "ns"), ("int32", "s"), ("uint64", "us"),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "unit"), COLUMNS)
def test_a_day_is_half_open(tmp_path: Path, dtype: str, unit: str) -> None:
    first, last, after = instants(unit)
    rows = [(0, first - 1), (1, first), (2, last), (3, after), (4, None)]
    time = Instant(column="at", unit=unit)  # type: ignore[arg-type]
    table = fetched(read(tmp_path, {"n": "int64", "at": dtype}, rows, reads="day", time=time).query)
    assert table.column("n").to_pylist() == [1, 2]
    assert describe_arrow(table.schema.field("at").type) == dtype


@pytest.mark.parametrize(("dtype", "unit"), COLUMNS)
@pytest.mark.parametrize("lookback", ["1d", "12h", "5s"])
def test_a_look_back_reads_what_a_row_of_the_day_can_see(tmp_path: Path, dtype: str, unit: str, lookback: str) -> None:
    first, last, after = instants(unit)
    back = {"1d": 86_400, "12h": 43_200, "5s": 5}[lookback] * (after - first) // 86_400
    rows = [(0, first - back - 1), (1, first - back), (2, first), (3, last), (4, after), (5, None)]
    time = Instant(column="at", unit=unit)  # type: ignore[arg-type]
    deferred = read(
        tmp_path, {"n": "int64", "at": dtype}, rows, reads="lookback", time=time, lookback=Duration.parse(lookback)
    )
    assert fetched(deferred.query).column("n").to_pylist() == [1, 2, 3]


def test_a_look_back_finer_than_the_column_is_not_rounded(tmp_path: Path) -> None:
    rows = [(0, MIDNIGHT - 2), (1, MIDNIGHT - 1), (2, MIDNIGHT)]
    time = Instant(column="at", unit="s")
    deferred = read(
        tmp_path, {"n": "int64", "at": "int64"}, rows, reads="lookback", time=time, lookback=Duration.parse("1500ms")
    )
    assert fetched(deferred.query).column("n").to_pylist() == [1, 2]


@pytest.mark.parametrize("lookback", ["unbounded", "9999999d", "99999999999w"])
def test_a_look_back_may_be_longer_than_the_calendar(tmp_path: Path, lookback: str) -> None:
    rows = [(0, dt.datetime(1, 1, 1)), (1, dt.datetime(2024, 1, 2)), (2, dt.datetime(2024, 1, 3))]
    entries = {"reads": "lookback", "time": Instant(column="at"), "lookback": Duration.parse(lookback)}
    table = fetched(read(tmp_path, {"n": "int64", "at": "timestamp[us]"}, rows, **entries).query)
    assert table.column("n").to_pylist() == [0, 1]


def test_a_date_is_its_midnight(tmp_path: Path) -> None:
    rows = [(0, dt.date(2024, 1, 1)), (1, dt.date(2024, 1, 2)), (2, dt.date(2024, 1, 3))]
    day = read(tmp_path, {"n": "int64", "at": "date"}, rows, reads="day", time=Instant(column="at"))
    assert fetched(day.query).column("n").to_pylist() == [1]
    entries = {"reads": "lookback", "time": Instant(column="at"), "lookback": Duration.parse("1d")}
    back = read(tmp_path, {"n": "int64", "at": "date"}, rows, **entries)
    assert fetched(back.query).column("n").to_pylist() == [0, 1]


def test_no_file_is_no_row_with_the_declared_types() -> None:
    operator = Scan(
        name="s", output="s", view="v", path="p", reads="day", time=Instant(column="at"),
        columns=(ScanColumn(name="at", source="when", dtype=DType.parse("timestamp[us]")),
                 ScanColumn(name="x", source="y", dtype=DType.parse("list<double>"))),
    )  # fmt: skip
    table = fetched(scan(operator, operator.derive(()), [], DAY).query)
    assert (table.num_rows, [describe_arrow(field.type) for field in table.schema]) == (
        0,
        ["timestamp[us]", "list<double>"],
    )


def test_names_that_are_keywords_or_hold_quotes_are_columns(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "it's.parquet", {"select": "int64", 'a"b': "double"}, [(1, -0.0)])
    operator = Scan(
        name="s", output="s", view="v", path="p", reads="static", predicate="order > 0",
        columns=(ScanColumn(name="order", source="select", dtype=DType.parse("int64")),
                 ScanColumn(name="x", source='a"b', dtype=DType.parse("double"))),
    )  # fmt: skip
    assert fetched(scan(operator, operator.derive(()), [str(path)], DAY).query).to_pylist() == [{"order": 1, "x": 0.0}]


def test_a_filter_keeps_rows_for_which_the_condition_is_true(tmp_path: Path) -> None:
    given = read(tmp_path, {"x": "int64"}, [(1,), (None,), (3,)])
    keep = Filter(name="f", inputs=("s",), output="o", predicate="x > 1 OR x IS NULL")
    assert sorted(fetched(filter_rows(keep, given, None).query).column("x").to_pylist(), key=order_key) == [None, 3]


def test_a_semi_join_doubles_nothing_and_null_is_in_no_set(tmp_path: Path) -> None:
    left = read(tmp_path, {"x": "int64"}, [(1,), (1,), (2,), (None,)])
    right = read(tmp_path, {"x": "int64"}, [(1,), (1,), (None,)])
    keep = Filter(name="f", inputs=("s", "r"), output="o", semi_join=("x",))
    assert fetched(filter_rows(keep, left, right).query).column("x").to_pylist() == [1, 1]


SESSIONS = {"user": "string", "session": "int64", "x": "double"}
VISITS = [
    ("a", 1, 1.0), ("a", 1, 2.0), ("a", 2, 3.0), ("b", 1, 4.0), ("b", 1, None), ("a", None, 5.0), ("a", None, 6.0),
    (None, 1, 7.0), (None, 1, 8.0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("having", "kept"),
    [
        ("count(*) > 1", [1.0, 2.0, 4.0, None]),
        ("count(x) > 1", [1.0, 2.0]),
        ("sum(x) / 2 > 1.4", [1.0, 2.0, 3.0, 4.0, None]),
        ("count(DISTINCT x) = 1 OR avg(x) < 2", [1.0, 2.0, 3.0, 4.0, None]),
        ("count(*) > 1 AND user = 'b'", [4.0, None]),
        ("max(x) > NULL", []),
    ],
)
def test_a_session_stays_whole_or_goes_and_null_is_no_session(tmp_path: Path, having: str, kept: list[float]) -> None:
    given = read(tmp_path, SESSIONS, VISITS)
    keep = Filter(name="f", inputs=("s",), output="o", session=("user", "session"), having=having)
    table = fetched(filter_rows(keep, given, None).query).column("x").to_pylist()
    assert sorted(table, key=order_key) == sorted(kept, key=order_key)


def test_a_session_is_judged_by_what_the_filters_before_have_left(tmp_path: Path) -> None:
    given = read(tmp_path, SESSIONS, VISITS)
    where = Filter(name="w", inputs=("s",), output="o", predicate="x <> 2")
    pairs = Filter(name="f", inputs=("o",), output="p", session=("user",), having="count(*) >= 2")
    again = Filter(name="g", inputs=("p",), output="q", session=("session",), having="count(*) >= 2")
    kept = fetched(filter_rows(again, filter_rows(pairs, filter_rows(where, given, None), None), None).query)
    # Of user a are left 1, 3, 5 and 6, of b only 4; then session 1 has one row, session 2 too.
    assert kept.column("x").to_pylist() == []
    turned = filter_rows(pairs, filter_rows(where, filter_rows(again, given, None), None), None)
    assert sorted(fetched(turned.query).column("x").to_pylist()) == []
    once = filter_rows(pairs, filter_rows(where, given, None), None)
    assert sorted(fetched(once.query).column("x").to_pylist()) == [1.0, 3.0, 5.0, 6.0]


def test_sums_of_a_session_add_up_in_the_order_of_the_values(tmp_path: Path) -> None:
    given = read(tmp_path, SESSIONS, VISITS)
    keep = Filter(name="f", inputs=("s",), output="o", session=("user",), having="sum(x) > 1 AND avg(DISTINCT x) > 1")
    query = filter_rows(keep, given, None).query
    assert 'SUM("x" ORDER BY "x" NULLS FIRST)' in query
    assert 'AVG(DISTINCT "x" ORDER BY "x" NULLS FIRST)' in query
    assert len(fetched(query)) > 0


def materialised(columns: dict[str, str], rows: list[tuple[Any, ...]]) -> tuple[Materialised, pa.Table]:
    """Materialised rows in the table `left`, and what it is to be filled with."""
    arrays = [
        pa.array(values, DType.parse(dtype).arrow())
        for dtype, values in zip(columns.values(), zip(*rows, strict=True), strict=True)
    ]
    relation = Relation(tuple(Column(name, DType.parse(dtype)) for name, dtype in columns.items()))
    expressions = {name: column(name).sql("duckdb") for name in columns}
    stored = pa.table(arrays, names=list(columns))
    return Materialised(relation, len(rows), (ColumnTable("left", tuple(columns)),), expressions), stored


def test_a_static_join_gives_a_row_for_each_left_row_in_order(tmp_path: Path) -> None:
    left, stored = materialised({"k": "int64", "j": "string"}, [(2, "a"), (None, "a"), (1, "a"), (1, "b"), (1, "a")])
    right = read(
        tmp_path, {"k": "int64", "j": "string", "x": "string"}, [(1, "a", "one"), (2, "b", "no"), (None, "a", "no")]
    )
    join = Join(name="j", inputs=("l", "r"), output="o", keys=("k", "j"), columns=("x",))
    assert fetched(static_join(join, left, right), stored).column("x").to_pylist() == [None, None, "one", None, "one"]


def test_duplicate_keys_are_found_and_null_keys_are_none(tmp_path: Path) -> None:
    rows = [(2, "b"), (1, "a"), (2, "b"), (None, "a"), (None, "a")]
    assert fetched(duplicate_keys(("k", "j"), read(tmp_path, {"k": "int64", "j": "string"}, rows))).to_pylist() == [
        {"k": 2, "j": "b", "rows": 2}
    ]
    assert fetched(duplicate_keys(("k",), read(tmp_path, {"k": "int64"}, [(1,), (None,), (None,)]))).num_rows == 0


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.sampled_from([-(2**63), -1, 0, 2**63 - 1]),
    "double": st.sampled_from([-math.inf, -1.5, 0.0, 5e-324, math.inf, math.nan]),
    "string": st.sampled_from(["", "A", "Z", "a", "ab", "é", "z", "\U0001f600", "￿"]),
    "bool": st.booleans(),
    "timestamp[ns]": st.sampled_from([-1, 0, 1]),
    "list<int64>": st.lists(st.sampled_from([None, 0, 1]), max_size=3),
    "list<double>": st.lists(st.sampled_from([None, -math.inf, 0.0, math.inf, math.nan]), max_size=3),
    "list<string>": st.lists(st.sampled_from([None, "", "Z", "a", "é"]), max_size=2),
    "list<list<int64>>": st.lists(st.none() | st.lists(st.sampled_from([None, 0, 1]), max_size=2), max_size=2),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    types = {f"c{index}": draw(st.sampled_from(list(VALUES))) for index in range(draw(st.integers(1, 3)))}
    row = st.tuples(*(st.none() | VALUES[dtype] for dtype in types.values()))
    return types, draw(st.lists(row, max_size=12))


@settings(max_examples=examples(150), suppress_health_check=list(HealthCheck))
@given(given_table=tables())
def test_rows_are_ordered_as_the_oracle_orders_values(
    given_table: tuple[dict[str, str], list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    types, rows = given_table
    deferred = read(tmp_path, types, rows)
    ordered = Relation(deferred.relation.columns, tuple(types))
    table = fetched(numbering(ordered, deferred))
    keys = [table.column(name).cast("int64") if "ns" in dtype else table.column(name) for name, dtype in types.items()]
    listed = list(zip(*(key.to_pylist() for key in keys), strict=True))
    wanted = sorted(rows, key=lambda row: [order_key(value) for value in row])
    assert [[order_key(value) for value in row] for row in listed] == [
        [order_key(value) for value in row] for row in wanted
    ]


def test_the_order_of_doubles_and_lists_is_this_one(tmp_path: Path) -> None:
    values = [math.nan, math.inf, 2.0, -0.0, -math.inf, None]
    deferred = read(tmp_path, {"x": "double"}, [(value,) for value in values])
    table = fetched(numbering(deferred.relation, deferred)).column("x").to_pylist()
    assert [str(value) for value in table] == ["None", "-inf", "0.0", "2.0", "inf", "nan"]
    lists = [[2], [1, 2], [1, None], [1], [None, 9], [], None]
    deferred = read(tmp_path, {"x": "list<int64>"}, [(value,) for value in lists])
    assert fetched(numbering(deferred.relation, deferred)).column("x").to_pylist() == lists[::-1]


VERSIONS = {"k": "int64", "at": "timestamp[us]", "known": "timestamp[us]", "a": "string", "v": "int64"}


def version(key: int | None, at: int | None, known: int | None, a: str | None, v: int) -> tuple[Any, ...]:
    moments = [None if hour is None else dt.datetime(2024, 1, 1, hour) for hour in (at, known)]
    return (key, *moments, a, v)


@pytest.mark.parametrize(
    ("rows", "created", "expected"),
    [
        ([version(1, 3, 3, "a", 1), version(1, 5, 5, "a", 2), version(1, 4, 9, "a", 3)], True, 2),
        ([version(1, 5, 6, "a", 1), version(1, 5, 7, "a", 2), version(1, 5, None, "a", 3)], True, 2),
        ([version(1, 5, 6, "a", 1), version(1, 5, 7, "a", 2)], False, 2),
        ([version(1, 5, 6, "b", 1), version(1, 5, 6, "a", 2), version(1, 5, 6, None, 3)], True, 1),
        ([version(1, None, 6, "b", 1), version(None, 5, 6, "a", 2)], True, None),
        ([version(1, 5, None, "b", 1)], True, None),
    ],
)
def test_the_latest_row_is_the_newest_then_the_last_known_then_the_greatest(
    tmp_path: Path, rows: list[tuple[Any, ...]], created: bool, expected: int | None
) -> None:
    left, stored = materialised({"k": "int64"}, [(1,), (None,), (1,)])
    time, known = Instant(column="at", unit="us"), Instant(column="known", unit="us")
    join = Join(name="j", inputs=("l", "r"), output="o", keys=("k",), columns=("v",), latest=True, latest_by=time,
                created=known if created else None, tie_order=("a", "v"))  # fmt: skip
    query = static_join(join, left, read(tmp_path, VERSIONS, rows))
    assert fetched(query, stored).column("v").to_pylist() == [expected, None, expected]


def test_a_static_scan_with_a_time_reads_every_row_that_has_one(tmp_path: Path) -> None:
    rows = [version(1, None, 1, "a", 1), version(1, 2, 2, "a", 2)]
    path = write_parquet(tmp_path / "all.parquet", VERSIONS, rows)
    columns = tuple(ScanColumn(name=name, source=name, dtype=DType.parse(dtype)) for name, dtype in VERSIONS.items())
    operator = Scan(name="s", output="r", view="v", path="all.parquet", reads="static", columns=columns,
                    time=Instant(column="at", unit="us"))  # fmt: skip
    for day in (dt.date(2023, 1, 1), dt.date(2025, 1, 1)):
        table = fetched(scan(operator, operator.derive(()), [str(path)], day).query)
        assert table.column("v").to_pylist() == [2]


def _over(paths: list[Path], **entries: Any) -> tuple[Scan, Deferred]:
    """A Scan of columns `x` and `at` over these files."""
    listed = (
        ScanColumn(name="x", source="x", dtype=DType.parse("int64")),
        ScanColumn(name="at", source="at", dtype=DType.parse("timestamp[us]")),
    )
    operator = Scan(
        name="s", output="s", view="v", path="p", columns=listed, reads="lookback", lookback=Duration.parse("1d"),
        time=Instant(column="at"), **entries,
    )  # fmt: skip
    return operator, scan(operator, operator.derive(()), [str(path) for path in paths], DAY)


def test_rows_of_any_time_say_which_file_they_are_of(tmp_path: Path) -> None:
    """Whatever the files are called, and whatever columns they have beside those that are read."""
    columns = {"x": "int64", "at": "timestamp[us]", "file_index": "int64", "filename": "string"}
    names = ["it's.parquet", "a[1]*?.parquet", "none kept.parquet", 'back\\slash".parquet', "é{b}.parquet"]
    paths = []
    for number, name in enumerate(names):
        rows = [(-1 if "none" in name else 10 * number + row, moment("31 12:00"), 7, "x") for row in range(3)]
        paths.append(write_parquet(tmp_path / name, columns, [*rows, (-5, moment("01 12:00"), 8, "y")]))
    operator, rows = _over(paths, predicate="x >= 0")
    rows = filter_rows(Filter(name="f", inputs=("s",), output="f", predicate="x % 10 < 2"), rows, None)
    again = [*reversed(paths)]
    told = told_by_file(rows, operator, [str(path) for path in again])
    assert told is not None
    found = fetched(f"SELECT x, {FILE} FROM ({told.query})").to_pylist()
    assert [(row["x"], row[FILE]) for row in found] == [
        (10 * paths.index(path) + row, place) for place, path in enumerate(again) if "none" not in path.name
        for row in range(2)
    ]  # fmt: skip
    assert told.relation == rows.relation
    assert FILE not in fetched(rows.query).column_names


def test_a_file_with_the_column_that_tells_files_apart_is_an_error(tmp_path: Path) -> None:
    columns = {"x": "int64", "at": "timestamp[us]", FILE: "int64"}
    path = write_parquet(tmp_path / "f.parquet", columns, [(1, moment("01 12:00"), 0)])
    operator, rows = _over([path])
    told = told_by_file(rows, operator, [str(path)])
    assert told is not None
    with pytest.raises(duckdb.BinderException, match=FILE):
        fetched(told.query)


def test_rows_that_are_chosen_by_others_are_not_told_by_their_file(tmp_path: Path) -> None:
    """A session may lie in two files."""
    path = write_parquet(tmp_path / "f.parquet", {"x": "int64", "at": "timestamp[us]"}, [(1, moment("01 12:00"))])
    operator, rows = _over([path])
    of_sessions = Filter(name="f", inputs=("s",), output="f", session=("x",), having="count(*) > 1")
    assert told_by_file(filter_rows(of_sessions, rows, None), operator, [str(path)]) is None
    covered = Filter(name="f", inputs=("s", "s"), output="f", semi_join=("x",))
    assert told_by_file(filter_rows(covered, rows, rows), operator, [str(path)]) is None
