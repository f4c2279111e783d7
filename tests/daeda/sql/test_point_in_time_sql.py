"""PointInTimeJoin, as SQL that DuckDB runs and as a search in memory, equals the oracle's plain loop, row for row."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_pipeline.day import look_up
from beam_pipeline.day.look_up import run_search
from daeda.dtypes import TIMESTAMP_UNITS, DType
from daeda.durations import Duration
from daeda.operators.operator import Instant
from daeda.operators.relation import Column, Relation
from daeda.operators.relational import Scan, ScanColumn
from daeda.operators.temporal import PointInTimeJoin
from daeda.settings.availability import Available
from daeda.sql import locked
from daeda.sql.handle import ColumnTable, Deferred, Materialised, column
from daeda.sql.scan import scan
from daeda.sql.statements import point_in_time_join
from tests.beam_pipeline.day.one_day import Session, filled, of_the_oracle
from tests.budget import examples
from tests.oracle.point_in_time import point_in_time
from tests.oracle.values import order_key

DAY = dt.date(2024, 1, 2)
NOON = 1_704_196_800  # 2024-01-02 12:00 in seconds
Row = dict[str, Any]
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Time:
    """A time column: its type and unit. Values are whole numbers of nanoseconds in the tests."""

    dtype: str
    unit: str

    @property
    def step(self) -> int:
        return 1_000_000_000 // TIMESTAMP_UNITS[self.unit].value

    def stored(self, nanoseconds: int | None) -> int | None:
        return None if nanoseconds is None else nanoseconds // self.step


TIMES = [
    Time("timestamp[ms]", "ms"), Time("timestamp[us]", "us"), Time("timestamp[ns]", "ns"), Time("int64", "s"),
    Time("timestamp[us, UTC]", "us"), Time("int64", "ms"), Time("int64", "us"), Time("int64", "ns"), Time("int32", "s"),
]  # fmt: skip


SECONDS = Time("int64", "s")


@dataclass(frozen=True)
class Case:
    keys: dict[str, str]
    left_time: Time
    right_time: Time
    created: Time | None
    ttl: str | None
    allow_exact: bool
    rest: dict[str, str]
    taken: tuple[str, ...]
    left: list[Row]
    right: list[Row]
    available: Available | None = None


def table(rows: list[Row], types: dict[str, str]) -> pa.Table:
    arrays = [pa.array([row[name] for row in rows], DType.parse(dtype).arrow()) for name, dtype in types.items()]
    return pa.table(arrays, names=list(types))


def same(value: object, wanted: object) -> bool:
    return order_key(value) == order_key(wanted) and str(value) == str(wanted)


def in_the_product(
    case: Case, directory: Path, connection: duckdb.DuckDBPyConnection, row_group: int | None = None,
    arrow_bytes: int | None = None, memory_bytes: int = 1 << 30, chunk_rows: int = 1_000,
) -> list[Row]:  # fmt: skip
    """What the product finds for each left row: by a search with as much memory, or by the as-of join."""
    left_types = {**case.keys, "now": case.left_time.dtype}
    right_types = {**case.keys, "then": case.right_time.dtype, **case.rest}
    if case.created is not None:
        right_types["known"] = case.created.dtype
    left = [{**row, "now": case.left_time.stored(row["now"])} for row in case.left]
    right = [{**row, "then": case.right_time.stored(row["then"])} for row in case.right]
    if case.created is not None:
        right = [{**row, "known": case.created.stored(row["known"])} for row in right]
    # DuckDB remembers files by name and time: every case has files of its own.
    number = next(_NUMBERS)
    left_table, right_path = f"left_{number}", directory / f"right_{number}.parquet"
    filled(connection, left_table, table(left, left_types))
    pq.write_table(table(right, right_types), right_path, row_group_size=row_group)
    instants = {"then": Instant(column="then", unit=case.right_time.unit)}  # type: ignore[arg-type]
    if case.created is not None:
        instants["known"] = Instant(column="known", unit=case.created.unit)  # type: ignore[arg-type]
    source = Scan(
        name="scan", output="right", view="right", path="right", reads="lookback", time=instants["then"],
        lookback=Duration.parse(case.ttl or "unbounded"), created=instants.get("known"),
        columns=tuple(
            ScanColumn(name=name, source=name, dtype=DType.parse(dtype)) for name, dtype in right_types.items()
        ),
    )  # fmt: skip
    join = PointInTimeJoin(
        name="pit", inputs=("left", "right"), output="joined", keys=tuple(case.keys), right_time=instants["then"],
        left_time=Instant(column="now", unit=case.left_time.unit), created=instants.get("known"),  # type: ignore[arg-type]
        ttl=Duration.parse(case.ttl) if case.ttl else None, allow_exact=case.allow_exact, columns=case.taken,
        available=case.available,
        tie_order=tuple(case.rest),
    )  # fmt: skip
    relation = Relation(tuple(Column(name, DType.parse(dtype)) for name, dtype in left_types.items()), ("now",))
    expressions = {name: column(name).sql("duckdb") for name in left_types}
    materialised = Materialised(relation, len(left), (ColumnTable(left_table, tuple(left_types)),), expressions)
    deferred = scan(source, source.derive(()), [str(right_path)], DAY)
    join.derive((relation, deferred.relation))
    if arrow_bytes is not None:
        spill = directory / f"spill_{number}"
        session = Session(connection, chunk_rows, arrow_bytes, spill, memory_bytes)
        return _searched(session, join, materialised, deferred)
    try:
        return connection.execute(point_in_time_join(join, materialised, deferred)).to_arrow_table().to_pylist()
    finally:
        connection.execute(f'DROP TABLE "{left_table}"')


class NotSearched(Exception):
    """The search left the work to the as-of join."""


def _searched(session: Session, join: PointInTimeJoin, left: Materialised, right: Deferred) -> list[Row]:
    session.context.searched = None
    try:
        made = run_search(session, join, left, right)  # type: ignore[arg-type]
        if made is None:
            raise NotSearched
        assert (made.columns, made.numbered) == (join.columns, False)
        return session.resources.connection.table(made.name).to_arrow_table().to_pylist()
    finally:
        session.resources.connection.unregister(join.output)
        for name in (*session.resources.made, left.tables[0].name):
            session.resources.connection.execute(f'DROP TABLE IF EXISTS "{name}"')


def in_the_oracle(case: Case) -> list[Row]:
    """What the oracle finds; its times are nanoseconds."""
    declared = [*case.keys, "then", *case.rest, *(["known"] if case.created else [])]
    return point_in_time(
        case.left, case.right, list(case.keys), "now", "then", created="known" if case.created else None,
        ttl=Duration.parse(case.ttl).nanoseconds if case.ttl else None, allow_exact=case.allow_exact,
        columns=list(case.taken), declared=declared, available=of_the_oracle(case.available),
    )  # fmt: skip


def opened(threads: int = 1) -> duckdb.DuckDBPyConnection:
    """A connection as the product opens it, which reaches all files."""
    result = duckdb.connect(config=dict(locked._LOCKED_AT_CONNECT))
    result.execute(f"SET TimeZone = 'UTC'; SET threads = {threads}")
    return result


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return opened()


# Few values, so that rows meet: ties, equal instants and edges are common.
KEYS = {
    "int64": st.sampled_from([None, 1, 11]),
    "int32": st.sampled_from([None, 1, 11]),
    "string": st.sampled_from([None, "a", "A", "é"]),
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.sampled_from([None, -1, 0, 7]),
    "double": st.sampled_from([None, -math.inf, -0.0, 0.0, 1.5, math.inf, math.nan]),
    "string": st.sampled_from([None, "", "a", "Z", "é"]),
    "list<int64>": st.none() | st.lists(st.sampled_from([None, 1, 2]), max_size=2),
    "list<double>": st.none() | st.lists(st.sampled_from([None, 0.0, -0.0, math.nan, -math.inf]), max_size=2),
    "list<list<int64>>": st.none() | st.lists(st.none() | st.lists(st.sampled_from([None, 1]), max_size=1), max_size=2),
}
TTLS = {None: None, "3s": 3_000_000_000, "1500ms": 1_500_000_000, "2us": 2_000, "5ns": 5, "1d": 86_400_000_000_000}
STEPS = [1, 5, 1_000, 2_000, 1_000_000, 500_000_000, 1_000_000_000, 1_500_000_000, 3_000_000_000, 86_400_000_000_000]


@st.composite
def moments(draw: st.DrawFn, time: Time) -> int:
    """Noon, or a step before or after it, cut to what the column can hold."""
    shift = (
        draw(st.sampled_from([0, 0, 0, *STEPS])) * draw(st.sampled_from([-1, -1, 1])) * draw(st.sampled_from([1, 2]))
    )
    return (NOON * 1_000_000_000 + shift) // time.step * time.step


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = draw(st.sampled_from([("k",), ("k",), ("k", "j"), ("k", "j", "i")]))
    keys = {name: draw(st.sampled_from(list(KEYS))) for name in names}
    left_time, right_time = draw(st.sampled_from(TIMES)), draw(st.sampled_from(TIMES))
    created = draw(st.none() | st.sampled_from(TIMES))
    rest = {f"c{index}": draw(st.sampled_from(list(VALUES))) for index in range(draw(st.integers(1, 3)))}
    key = st.fixed_dictionaries({name: KEYS[dtype] for name, dtype in keys.items()})
    ends = {"now": moments(left_time).filter(lambda value: value // 86_400_000_000_000 == DAY.toordinal() - 719_163)}
    left = draw(st.lists(st.builds(lambda a, b: {**a, **b}, key, st.fixed_dictionaries(ends)), max_size=5))
    # A few instants for the whole case: rows that tie in time, and in time and creation, are common.
    then = draw(st.lists(moments(right_time), min_size=1, max_size=3))
    fields = {"then": st.sampled_from(then), **{name: VALUES[dtype] for name, dtype in rest.items()}}
    if created is not None:
        known = draw(st.lists(moments(created), min_size=1, max_size=2))
        fields["known"] = st.sampled_from([*known, *known, None])
    right = draw(st.lists(st.builds(lambda a, b: {**a, **b}, key, st.fixed_dictionaries(fields)), max_size=9))
    taken = tuple(rest)[: draw(st.integers(1, len(rest)))]
    return Case(
        keys, left_time, right_time, created, draw(st.sampled_from(list(TTLS))), draw(st.booleans()), rest, taken, left,
        right,
    )  # fmt: skip


def test_without_room_the_as_of_join_is_to_do_it(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """No room for the probes, or for the right side. The columns that are taken are spilled where they have none."""
    noon = NOON * 1_000_000_000
    right = [{"k": 1, "then": noon, "x": "a long text" * 100, "w": number} for number in range(100)]
    left = [{"k": 1, "now": noon + 1_000_000_000}] * 200
    case = Case({"k": "int64"}, SECONDS, SECONDS, None, None, False, {"x": "string", "w": "int64"}, ("x",), left, right)
    for arrow_bytes in (1 << 28, 1 << 17, 0):
        assert in_the_product(case, tmp_path, connection, arrow_bytes=arrow_bytes) == in_the_oracle(case)
    for memory_bytes in (1 << 15, 1 << 19):
        with pytest.raises(NotSearched):
            in_the_product(case, tmp_path, connection, arrow_bytes=1 << 28, memory_bytes=memory_bytes)


def test_what_is_not_named_is_left_to_the_as_of_join(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    session = Session(connection, 1_000, 1 << 28, tmp_path)
    session.context.searched = frozenset({"another"})
    assert run_search(session, SimpleNamespace(name="pit"), None, None) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("created", [None, SECONDS])
def test_rows_that_no_probe_sees_are_not_put_in_order(
    created: Time | None, tmp_path: Path, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 200 rows before the first probe the two of the newest time are left; those known later stay."""
    noon, second = NOON * 1_000_000_000, 1_000_000_000
    late = [{"k": 1, "then": noon - 500 * second, "known": noon + 5 * second, "x": -1}]
    rows = [{"k": 1, "then": noon - back // 2 * second, "known": noon - 90 * second, "x": back} for back in range(200)]
    rows = [*rows[2:], *(late if created else [])]
    left = [{"k": 1, "now": noon + after * second} for after in (0, 7)]
    case = Case({"k": "int64"}, SECONDS, SECONDS, created, None, False, {"x": "int64"}, ("x",), left, rows)
    ordered, in_order = [], look_up._in_order

    def counted(*arguments: Any) -> Any:
        ordered.append(len(arguments[3].entity))
        return in_order(*arguments)

    monkeypatch.setattr(look_up, "_in_order", counted)
    assert in_the_product(case, tmp_path, connection, arrow_bytes=1 << 28) == in_the_oracle(case)
    assert ordered == [2 + len(late) * (created is not None)]


@settings(
    max_examples=examples(400),
    suppress_health_check=list(HealthCheck),
)
@given(case=cases(), room=st.sampled_from([1 << 28, 0]), chunk_rows=st.sampled_from([1, 2, 1_000]))
def test_it_finds_what_the_oracle_finds(
    case: Case, room: int, chunk_rows: int, tmp_path_factory: pytest.TempPathFactory,
    connection: duckdb.DuckDBPyConnection,
) -> None:  # fmt: skip
    directory = tmp_path_factory.getbasetemp()
    wanted = in_the_oracle(case)
    for arrow_bytes in (None, room):
        actual = in_the_product(case, directory, connection, arrow_bytes=arrow_bytes, chunk_rows=chunk_rows)
        assert len(actual) == len(case.left)
        for place, (row, other) in enumerate(zip(actual, wanted, strict=True)):
            assert list(row) == list(case.taken)
            assert all(same(row[name], other[name]) for name in case.taken), (place, row, other)


def looked_up(
    tmp_path: Path, right: list[Row], left: list[Row], created: bool = False, **options: Any
) -> list[Any]:  # fmt: skip
    """The value `x` of each left row; times are seconds after noon."""
    given: Row = {"ttl": None, "allow_exact": False, **options}

    def at(seconds: int | None) -> int | None:
        return None if seconds is None else (NOON + seconds) * 1_000_000_000

    def moved(row: Row) -> Row:
        return {**row, **{name: at(row[name]) for name in ("now", "then", "known") if name in row}}

    case = Case(
        {"k": "int64"}, SECONDS, SECONDS, SECONDS if created else None, given["ttl"], given["allow_exact"],
        {"x": "string"}, ("x",), [moved(row) for row in left], [moved(row) for row in right],
    )  # fmt: skip
    with opened() as connection:
        return [row["x"] for row in in_the_product(case, tmp_path, connection)]


def test_a_left_row_is_never_lost_and_never_doubled(tmp_path: Path) -> None:
    left = [{"k": key, "now": now} for key in (1, 1, None, 2, 3) for now in (5, 5, 0)]
    right = [{"k": key, "then": then, "x": "v"} for key in (1, 1, None, 2) for then in (0, 0, 4, 4, 5)] * 3
    assert looked_up(tmp_path, right, left) == [
        "v", "v", None, "v", "v", None, None, None, None, "v", "v", None, None, None, None,
    ]  # fmt: skip


def test_a_right_side_without_rows_gives_null(tmp_path: Path) -> None:
    assert looked_up(tmp_path, [], [{"k": 1, "now": 0}, {"k": None, "now": 0}]) == [None, None]


def test_a_left_side_without_rows_gives_none(tmp_path: Path) -> None:
    assert looked_up(tmp_path, [{"k": 1, "then": 0, "x": "v"}], []) == []


def test_a_row_at_the_very_instant_is_seen_only_if_allowed(tmp_path: Path) -> None:
    right = [{"k": 1, "then": 3, "x": "before"}, {"k": 1, "then": 4, "x": "now"}, {"k": 1, "then": 5, "x": "after"}]
    left = [{"k": 1, "now": 4}]
    assert looked_up(tmp_path, right, left) == ["before"]
    assert looked_up(tmp_path, right, left, allow_exact=True) == ["now"]


def test_the_edge_of_the_ttl_is_inside(tmp_path: Path) -> None:
    right = [{"k": 1, "then": 0, "x": "old"}]
    left = [{"k": 1, "now": 10}, {"k": 1, "now": 11}]
    assert looked_up(tmp_path, right, left, ttl="10s") == ["old", None]


def test_a_newer_row_that_is_too_old_does_not_uncover_an_older_one(tmp_path: Path) -> None:
    right = [{"k": 1, "then": 0, "x": "older"}, {"k": 1, "then": 1, "x": None}]
    assert looked_up(tmp_path, right, [{"k": 1, "now": 5}], ttl="10s") == [None]


def test_a_late_correction_counts_from_the_moment_it_is_known(tmp_path: Path) -> None:
    right = [
        {"k": 1, "then": 10, "known": 10, "x": "first"},
        {"k": 1, "then": 20, "known": 40, "x": "late"},
        {"k": 1, "then": 30, "known": 30, "x": "third"},
        {"k": 1, "then": 30, "known": 50, "x": "correction"},
        {"k": 1, "then": 60, "known": None, "x": "never known"},
    ]
    left = [{"k": 1, "now": now} for now in (10, 11, 30, 31, 41, 50, 51, 99)]
    assert looked_up(tmp_path, right, left, created=True) == [
        None, "first", "first", "third", "third", "third", "correction", "correction",
    ]  # fmt: skip
    assert looked_up(tmp_path, right, left, created=True, allow_exact=True) == [
        "first", "first", "third", "third", "third", "correction", "correction", "correction",
    ]  # fmt: skip


def test_ties_go_to_the_greatest_remaining_column(tmp_path: Path) -> None:
    right = [{"k": 1, "then": 0, "x": value} for value in ("b", None, "é", "Z", "a")]
    assert looked_up(tmp_path, right, [{"k": 1, "now": 1}]) == ["é"]


@pytest.mark.parametrize("values", [*itertools.permutations((None, "c", "b", "a"))])
def test_ties_with_a_null_go_to_the_greatest_in_any_order(values: tuple[str | None, ...], tmp_path: Path) -> None:
    right = [{"k": 1, "then": 0, "x": value} for value in values]
    assert looked_up(tmp_path, right, [{"k": 1, "now": 1}]) == ["c"]


def test_ties_of_rows_that_became_known_together_go_to_the_greatest_remaining_column(tmp_path: Path) -> None:
    right = [{"k": 1, "then": 0, "known": 2, "x": value} for value in ("b", None, "é", "Z", "a")]
    assert looked_up(tmp_path, right, [{"k": 1, "now": 3}], created=True) == ["é"]
    assert looked_up(tmp_path, right[::-1], [{"k": 1, "now": 3}], created=True) == ["é"]


@pytest.mark.parametrize(
    ("types", "keys"),
    [
        ({"k": "int64", "j": "int64"}, [(1, 11), (11, 1), (111, 1), (1, 111)]),
        ({"k": "string", "j": "string"}, [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc")]),
        ({"k": "string", "j": "int32"}, [("1", 11), ("11", 1), ("1 ", 11), ("é", 1)]),
    ],
    ids=["1,11 and 11,1", "a,bc and ab,c", "text and number"],
)
def test_composite_keys_are_compared_column_by_column(
    types: dict[str, str], keys: list[tuple[Any, Any]], tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    noon = NOON * 1_000_000_000
    right = [{"k": k, "j": j, "then": noon, "x": str(place)} for place, (k, j) in enumerate(keys)]
    left = [{"k": k, "j": j, "now": noon + 1_000_000_000} for k, j in keys]
    left += [{**left[0], "k": None}, {**left[0], "j": None}]
    case = Case(types, SECONDS, SECONDS, None, None, False, {"x": "string"}, ("x",), left, right)
    values = [row["x"] for row in in_the_product(case, tmp_path, connection)]
    assert values == ["0", "1", "2", "3", None, None]


@pytest.mark.parametrize("created", [False, True])
@pytest.mark.parametrize("allow_exact", [False, True])
def test_ties_have_one_winner_for_any_number_of_threads(created: bool, allow_exact: bool, tmp_path: Path) -> None:
    """Thousands of rows that share key and time, in many row groups: DuckDB's join alone would pick any of them."""
    draw = random.Random(5)

    def moment() -> int:
        return (NOON + draw.randint(0, 6)) * 1_000_000_000

    right = [{"k": draw.randint(0, 40), "then": moment(), "x": str(draw.randint(0, 99))} for _ in range(6_000)]
    for row in right:
        row["known"] = draw.choice([None, row["then"], moment(), moment()])
    left = [{"k": draw.randint(0, 41), "now": moment()} for _ in range(3_000)]
    case = Case({"k": "int64"}, SECONDS, SECONDS, SECONDS if created else None, "4s", allow_exact, {"x": "string"},
                ("x",), left, right)  # fmt: skip
    wanted = in_the_oracle(case)
    for threads in (1, 2, 4):
        with opened(threads) as connection:
            assert in_the_product(case, tmp_path, connection, row_group=500) == wanted
