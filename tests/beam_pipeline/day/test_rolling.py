"""RollingAggregate of one day equals the oracle, by both engines: keys, units, `where`, `created`, chunks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beam_pipeline.history import entity_blocks, reader
from beam_pipeline.history.entity_blocks import EntityBlocks
from daeda.aggregates import DECAYED_KINDS, LIST_KINDS
from daeda.durations import Duration
from daeda.errors import DayError
from daeda.operators.temporal import Aggregate
from tests.beam_pipeline.day.one_day import NOON, Case, Row, Time, in_the_oracle, in_the_product
from tests.beam_pipeline.windows.numpy_engine.cases import same
from tests.budget import examples
from tests.kinds import kinds_of, kinds_of_rows, reading

TIMES = [Time("timestamp[ms]", "ms"), Time(), Time("timestamp[ns]", "ns"), Time("int64", "s"), Time("int64", "ms")]
WINDOWS = ["unbounded", "1d", "3s", "1500ms", "2us", "7ns", "400w"]
STEPS = [0, 0, 7, 1_000, 2_000, 1_500_000_000, 3_000_000_000, 86_400_000_000_000]
KEYS = {"int64": st.sampled_from([None, 1, 2, 3]), "string": st.sampled_from([None, "a", "A", "é", ""])}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.sampled_from([None, -1, 0, 7]),
    "bool": st.sampled_from([None, False, True]),
    "double": st.sampled_from([None, -math.inf, -0.0, 0.0, 0.1, 1e16, math.inf, math.nan]),
    "string": st.sampled_from([None, "", "a", "Z", "é"]),
    "decimal(5, 2)": st.sampled_from([None, Decimal("-1.50"), Decimal("999.99"), Decimal("0.01")]),
    "list<int64>": st.none() | st.lists(st.sampled_from([None, 1, 2, 3]), max_size=3),
    "list<double>": st.none() | st.lists(st.sampled_from([None, 0.0, -0.0, math.nan, -math.inf]), max_size=3),
}
ENGINES = ("duckdb", "polars")


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect()
    opened.execute("SET TimeZone = 'UTC'; SET threads = 1")
    return opened


@st.composite
def moments(draw: st.DrawFn, time: Time, before: bool) -> int:
    """Noon, or a step before it (or after it), cut to what the column can hold."""
    step = draw(st.sampled_from(STEPS)) * draw(st.sampled_from([1, 2]))
    shift = -step if before or step > 20_000_000_000 else step
    if not before and step > 20_000_000_000:
        shift = 0  # the rows of a day lie in it
    return (NOON + shift) // time.step * time.step


@st.composite
def aggregates(draw: st.DrawFn, rest: dict[str, str]) -> tuple[Aggregate, ...]:
    made = []
    for name, dtype in rest.items():
        for kind in draw(st.lists(st.sampled_from(kinds_of(dtype)), min_size=1, max_size=4, unique=True)):
            listed = kind in LIST_KINDS
            made.append(
                Aggregate(
                    name=f"{name}_{kind}",
                    kind=kind,
                    **reading(kind, name),
                    window=Duration.parse(draw(st.sampled_from(WINDOWS))),
                    q=draw(st.sampled_from(["0.1", "0.5", "0.75", "1"])) if kind == "quantile" else None,
                    half_life=draw(st.sampled_from(["1ms", "7s", "1m", "9d"])) if kind in DECAYED_KINDS else None,
                    max_length=draw(st.integers(1, 3)) if listed else None,
                    order=draw(st.sampled_from(["newest_first", "oldest_first"])) if listed else "newest_first",
                )
            )
    windows = st.sampled_from(WINDOWS).map(Duration.parse)
    half_lives = dict.fromkeys(DECAYED_KINDS, "11s")
    made += [
        Aggregate(name=kind, kind=kind, window=draw(windows), half_life=half_lives.get(kind))
        for kind in kinds_of_rows()
    ]
    # Aligned lists of one window, and structs with all columns.
    more = {"kind": "sequence", "window": draw(windows), "max_length": draw(st.integers(1, 4))}
    more["order"] = draw(st.sampled_from(["newest_first", "oldest_first"]))
    made.append(Aggregate(name="events", columns=tuple(draw(st.permutations(list(rest)))), age="ago", **more))
    made += [Aggregate(name=f"events_{name}", columns=(name,), layout="columns", **more) for name in rest]
    made.append(Aggregate(name="events_ago", age="ago", layout="columns", **more))
    return tuple(made)


def is_seven_or_c(row: Row) -> bool | None:
    value = row["c0"]
    return None if value is None else value in (7, "a")


@st.composite
def cases(draw: st.DrawFn) -> Case:
    keys = {name: draw(st.sampled_from(list(KEYS))) for name in draw(st.sampled_from([("k",), ("k", "j")]))}
    left_time, right_time = draw(st.sampled_from(TIMES)), draw(st.sampled_from(TIMES))
    created = draw(st.none() | st.sampled_from(TIMES))
    rest = {f"c{index}": draw(st.sampled_from(list(VALUES))) for index in range(draw(st.integers(1, 3)))}
    where: tuple[str, Any] | None = None
    if rest["c0"] in ("int64", "string") and draw(st.booleans()):
        where = ("c0 = 7" if rest["c0"] == "int64" else "c0 = 'a'", is_seven_or_c)
    key = {name: KEYS[dtype] for name, dtype in keys.items()}
    left = draw(st.lists(st.fixed_dictionaries({**key, "now": moments(left_time, False)}), max_size=6))
    then = draw(st.lists(moments(right_time, True), min_size=1, max_size=4))
    fields = {"then": st.sampled_from(then), **{name: VALUES[dtype] for name, dtype in rest.items()}}
    if created is not None:
        known = draw(st.lists(moments(created, draw(st.booleans())), min_size=1, max_size=3))
        fields["known"] = st.sampled_from([*known, *known, None])
    right = draw(st.lists(st.fixed_dictionaries({**key, **fields}), max_size=14))
    return Case(
        keys, rest, draw(aggregates(rest)), left, right, left_time, right_time, created, where,
        chunk_rows=draw(st.sampled_from([1, 3, 1_000])), batch_rows=draw(st.sampled_from([1, 4, 1_000])),
        threads=draw(st.sampled_from([1, 2, 5])),
        arrow_bytes=draw(st.sampled_from([0, 500, 1 << 28])),
    )  # fmt: skip


def compare(case: Case, table: pa.Table, expected: dict[str, list[Any]] | None = None) -> None:
    expected = in_the_oracle(case) if expected is None else expected
    assert table.column_names == [spec.name for spec in case.aggregates]
    assert table.num_rows == len(case.left)
    for spec in case.aggregates:
        for place, (value, right) in enumerate(zip(table[spec.name].to_pylist(), expected[spec.name], strict=True)):
            assert same(spec.kind, value, right), (place, spec, value, right)


@settings(
    max_examples=examples(120),
    suppress_health_check=list(HealthCheck),
)
@given(case=cases(), blocks=st.sampled_from([1, 2, 64, None]))
def test_it_finds_what_the_oracle_finds(
    case: Case, blocks: int | None, tmp_path_factory: pytest.TempPathFactory, connection: duckdb.DuckDBPyConnection
) -> None:
    expected = in_the_oracle(case)
    for engine in ENGINES:
        # In memory, and where there is no room: in blocks of entities, and sorted by DuckDB.
        for where in (nullcontext(), without_room(blocks)):
            with where:
                table = in_the_product(replace(case, engine=engine), tmp_path_factory.getbasetemp(), connection)
            compare(case, table, expected)


@contextmanager
def without_room(blocks: int | None) -> Iterator[None]:
    """No history fits in memory; its entities are in so many blocks, or DuckDB sorts them."""
    with mock.patch.object(reader, "HISTORY_SHARE", 0.0), ExitStack() as patched:
        if blocks is None:
            patched.enter_context(mock.patch.object(EntityBlocks, "shares", return_value=None))
        else:
            for name in ("_LEAST_BLOCKS", "_MOST_BLOCKS"):
                patched.enter_context(mock.patch.object(entity_blocks, name, blocks))
        yield


def aggregate(
    kind: str, column: str | None, window: str = "unbounded", most: int | None = None, q: str | None = None,
    half_life: str | None = None,
) -> Aggregate:  # fmt: skip
    return Aggregate(
        name=f"{kind}_{column or 'rows'}_{window}",
        kind=kind,
        **reading(kind, column),
        window=Duration.parse(window),
        q=q,
        half_life=half_life,
        max_length=most,
    )


EVERY = (
    aggregate("any", None, "1m"), aggregate("since_last", "v"), aggregate("quantile", "v", "1m", q="0.9"),
    aggregate("decayed_count", None, half_life="11s"), aggregate("decayed_sum", "v", "1m", half_life="20s"),
    aggregate("count", None), aggregate("count_distinct", "v", "1m"), aggregate("sum", "v", "1m"),
    aggregate("mean", "v"), aggregate("std", "v", "1m"), aggregate("min", "v", "1m"), aggregate("max", "v"),
    aggregate("first", "v", "1m"), aggregate("last", "v"), aggregate("list", "v", most=5),
    aggregate("last_distinct", "v", most=9), aggregate("top_k", "v", "1m", 4), aggregate("top_k", "v", most=4),
    aggregate("flatten_distinct", "w", "1m", 7),
    aggregate("sequence", "v", "1m", 6), aggregate("sequence", "w", most=3),
)  # fmt: skip


def begin(user: int) -> int:
    """When the events of a user begin."""
    return NOON - (-10 if user % 3 == 0 else 5) * 1_000_000_000


def many_users(chunk_rows: int, batch_rows: int, engine: str) -> Case:
    """Users with 1 to 60 events each; every third has none that a row sees."""
    right = [
        {
            "k": user,
            "then": begin(user) + event // 2 * 1_000,
            "v": (user * event) % 7,
            "w": [event % 5, None, event % 3],
        }
        for user in range(25)
        for event in range(1 + (user * 7) % 60)
    ]
    left = [{"k": user, "now": NOON + 1_000} for user in (*range(0, 30, 2), 7, None, 7)]
    return Case({"k": "int64"}, {"v": "int64", "w": "list<int64>"}, EVERY, left, right, engine=engine,
                chunk_rows=chunk_rows, batch_rows=batch_rows, arrow_bytes=batch_rows % 2 << 28)  # fmt: skip


@pytest.mark.some(2, cases=10)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("chunk_rows", "batch_rows"), [(1_000_000, 122_880), (1, 1), (50, 7), (3, 64), (61, 60)])
def test_chunks_are_cut_between_entities(
    engine: str, chunk_rows: int, batch_rows: int, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    case = many_users(chunk_rows, batch_rows, engine)
    table = in_the_product(case, tmp_path, connection)
    compare(case, table)
    assert table.equals(in_the_product(many_users(1_000_000, 122_880, engine), tmp_path, connection))


@pytest.mark.parametrize("engine", ENGINES)
def test_an_age_that_does_not_fit_names_the_row(
    engine: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    """More than 292 years in nanoseconds; in microseconds they are a number like others."""
    right = [{"k": "u", "then": -8 * 10**18, "v": 1}, {"k": "t", "then": NOON - 1_500, "v": None}]
    left = [{"k": "t", "now": NOON}, {"k": "u", "now": NOON}]
    wanted = (aggregate("since_last", None), aggregate("since_last", "v", "400000d"))
    nanoseconds = Time("timestamp[ns]", "ns")
    case = Case({"k": "string"}, {"v": "int64"}, wanted, left, right, Time(), nanoseconds, engine=engine)
    table = in_the_product(case, tmp_path, connection)
    age = (NOON + 8 * 10**18) // 1_000
    assert table.to_pydict() == {
        "since_last_rows_unbounded": [1, age], "since_last_v_400000d": [None, age]
    }  # fmt: skip
    with pytest.raises(DayError) as raised:
        in_the_product(replace(case, left_time=nanoseconds), tmp_path, connection)
    assert str(raised.value) == (
        f"column 'since_last_rows_unbounded' of k u at {NOON} ns after 1970-01-01: the newest row of its window lies "
        "so far back that its age in ns does not fit an int64: give it a bounded window, or declare the time 'now' in "
        "a coarser unit"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_an_overflow_names_column_and_key(engine: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    right = [{"k": "u", "j": 7, "then": NOON - 1_000 * n, "v": 2**62} for n in (1, 2)]
    right += [{"k": "t", "j": 7, "then": NOON - 1_000, "v": 1}]
    left = [{"k": "t", "j": 7, "now": NOON}, {"k": "u", "j": 7, "now": NOON}]
    case = Case({"k": "string", "j": "int64"}, {"v": "int64"}, (aggregate("sum", "v"),), left, right, engine=engine)
    with pytest.raises(DayError) as raised:
        in_the_product(case, tmp_path, connection)
    assert str(raised.value) == (
        "column 'sum_v_unbounded' of k u, j 7: the sum does not fit its type: aggregate a smaller unit, or declare the "
        "column as a decimal or a double"
    )


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("engine", ENGINES)
def test_of_two_overflows_the_first_one_is_told(
    engine: str, threads: int, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    """The chunk of the first has many rows, and may well be done after that of the second."""
    rows = {3: 20_000, 4: 2}
    right = [{"k": k, "then": NOON - n, "v": 2**62} for k, count in rows.items() for n in range(1, count + 1)]
    left = [{"k": k, "now": NOON} for k in range(1, 9)]
    case = Case({"k": "int64"}, {"v": "int64"}, (aggregate("sum", "v"),), left, right, engine=engine,
                chunk_rows=1, threads=threads)  # fmt: skip
    with pytest.raises(DayError, match=r"^column 'sum_v_unbounded' of k 3: the sum does not fit its type: "):
        in_the_product(case, tmp_path, connection)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_entity_that_does_not_fit_is_named(
    engine: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    right = [{"k": 5, "then": NOON - 1_000 * n, "v": n} for n in range(1, 2_001)]
    left = [{"k": 5, "now": NOON}]
    case = Case({"k": "int64"}, {"v": "int64"}, (aggregate("sum", "v"),), left, right, engine=engine,
                batch_rows=1_000)  # fmt: skip
    with pytest.raises(DayError, match=r"^the history of k 5 alone has more than \d+ rows and 0 MiB, and the kernel "):
        in_the_product(case, tmp_path, connection, memory_bytes=400_000)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_instant_in_two_units(engine: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """A row at exactly t is not seen, one a nanosecond earlier is, also where the spine counts in milliseconds."""
    right = [{"k": 1, "then": NOON - n, "v": n} for n in (0, 1, 5, 6)]
    case = Case(
        {"k": "int64"}, {"v": "int64"}, (aggregate("list", "v", "5ns", 9),), [{"k": 1, "now": NOON}], right,
        Time("timestamp[ms]", "ms"), Time("timestamp[ns]", "ns"), engine=engine,
    )  # fmt: skip
    assert in_the_product(case, tmp_path, connection)["list_v_5ns"].to_pylist() == [[1, 5]]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_correction_counts_from_when_it_is_known(
    engine: str, tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    second = 1_000_000_000
    right = [
        {"k": 1, "then": NOON - 9 * second, "known": NOON - 9 * second, "v": 1},
        {"k": 1, "then": NOON - 8 * second, "known": NOON - 1 * second, "v": 2},
        {"k": 1, "then": NOON - 7 * second, "known": NOON - 7 * second, "v": 3},
        {"k": 1, "then": NOON - 6 * second, "known": None, "v": 4},
        {"k": 1, "then": NOON - 7 * second, "known": NOON - 2 * second, "v": 0},
    ]
    left = [{"k": 1, "now": NOON - n * second} for n in (6, 2, 1, 0)]
    wanted = (aggregate("list", "v", most=9), aggregate("sum", "v", "9s"), aggregate("max", "v", "8s"))
    case = Case({"k": "int64"}, {"v": "int64"}, wanted, left, right, created=Time(), engine=engine)
    table = in_the_product(case, tmp_path, connection)
    assert table["list_v_unbounded"].to_pylist() == [[3, 1], [3, 1], [0, 3, 1], [0, 3, 2, 1]]
    assert table["sum_v_9s"].to_pylist() == [4, 4, 4, 6]
    assert table["max_v_8s"].to_pylist() == [3, 3, 3, 3]
    compare(case, table)
