"""Times of any year beside nanoseconds, and the infinities of DuckDB and Postgres: compared, never multiplied."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daeda.compiler.compile import project_dag
from daeda.errors import ConfigurationError
from daeda_audit.command import main as audit
from tests.daeda_audit.feed import build, words
from tests.hostile.test_values import DAY, rows_of, with_rolling
from tests.projects import TinyProject, fields, moment

FIRST, EARLY, LAST = dt.datetime(1, 1, 1), dt.datetime(500, 1, 1), dt.datetime(9999, 12, 31)
INFINITE = 2**63 - 1
ENGINES = pytest.mark.parametrize(("engine", "searched"), [("duckdb", False), ("duckdb", True), ("polars", True)])


def micros(value: dt.datetime) -> int:
    return (value - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)


def _made(root: Path, spine: str, time: str, created: bool, rows: list[tuple[Any, ...]]) -> TinyProject:
    """`states` with these rows: item, time, created where there is one, state; one flat file."""
    made = TinyProject(root).without("item_vector", "recent_items")
    made.views["events"]["fields"][2]["dtype"] = made.column("event_timestamp")["dtype"] = spine
    known = {"known_at": time} if created else {}
    made.views["states"] = {
        "name": "states", "entity": "item",
        "source": {"path": "states.parquet", "timestamp_field": "since",
                   **({"created_field": "known_at"} if created else {})},
        "fields": fields(item_id="int64", since=time, **known, state="string"),
    }  # fmt: skip
    made.runtime["feature_refs"].append("states:state")
    made.service["columns"].append({"name": "state", "kind": "point_in_time", "dtype": "string"})
    made.runtime["output_columns"].append("state")
    history: dict[str, Any] = {"entity": "item", "history": {"view": "states"}}
    with_rolling(made, "newest", "list<string>", kind="list", column="state", max_length=9, **history)
    with_rolling(made, "in_a_day", "int64", kind="count", **history | {"window": "1d"})
    made.write().write_data()
    kind = pa.date32() if time == "date" else pa.timestamp("us")
    columns = [pa.array([row[0] for row in rows], pa.int64())]
    columns += [pa.array([row[index] for row in rows], kind) for index in range(1, 3 if created else 2)]
    columns.append(pa.array([row[-1] for row in rows], pa.string()))
    names = [field["name"] for field in made.views["states"]["fields"]]
    pq.write_table(pa.table(columns, names=names), root / "data/states.parquet")
    return made


def _row(made: TinyProject, engine: str, searched: bool, capsys: pytest.CaptureFixture[str]) -> tuple[Any, ...]:
    """What user 1 sees of item 11 on 2024-01-02 at 09:00; the audit agrees."""
    made.runtime["compute"] = {"engine": engine}
    made.write()
    build(made, days=[DAY], searched=searched)
    assert audit(words(made, "--probe", "recompute")) == 0, capsys.readouterr()
    row = rows_of(made)[0]
    return row["state"], row["newest"], row["in_a_day"]


@pytest.mark.some(2)
@ENGINES
@pytest.mark.parametrize("spine", ["timestamp[ns]", "timestamp[us]"])
@pytest.mark.parametrize("time", ["timestamp[us]", "date"])
def test_sentinels_are_times(
    time: str, spine: str, engine: str, searched: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(11, EARLY, "b"), (11, LAST, "never"), (11, FIRST, "z"), (11, FIRST, "y"), (12, FIRST, "other")]
    made = _made(tmp_path, spine, time, False, rows)
    assert _row(made, engine, searched, capsys) == ("b", ["b", "z", "y"], 0)
    rows.append((11, moment("02 00:00"), "a"))
    made = _made(tmp_path / "more", spine, time, False, rows)
    assert _row(made, engine, searched, capsys) == ("a", ["a", "b", "z", "y"], 1)


@ENGINES
@pytest.mark.parametrize("spine", ["timestamp[ns]", "timestamp[us]"])
def test_what_is_known_since_ever_or_never(
    spine: str, engine: str, searched: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    then, now = micros(dt.datetime(2024, 1, 2, 7)), micros(dt.datetime(2024, 1, 2, 8))
    rows = [
        (11, now, INFINITE, "never"), (11, now, micros(LAST), "late"), (11, now, None, "unknown"),
        (11, then, micros(EARLY), "a"), (11, then, micros(FIRST), "b"), (11, then, -INFINITE, "c"),
        (11, -INFINITE, then, "ever"), (11, micros(FIRST), then, "first"), (11, INFINITE, then, "end"),
    ]  # fmt: skip
    made = _made(tmp_path, spine, "timestamp[us]", True, rows)
    assert _row(made, engine, searched, capsys) == ("a", ["a", "b", "c", "first", "ever"], 3)


def test_a_window_that_begins_where_nanoseconds_do_not_reach_is_refused(tmp_path: Path) -> None:
    made = _made(tmp_path, "timestamp[ns]", "timestamp[us]", False, [(11, FIRST, "a")])
    made.aggregations["aggregation_specs"][-1]["window"] = "150000d"
    with pytest.raises(ConfigurationError) as caught:
        project_dag(made.write().load())
    assert str(caught.value) == (
        "operator 'rolling_states_by_item': times are compared in nanoseconds, which reach from 1677-09-22 to "
        "2262-04-10, and 150000d before 2024-01-02 to 2024-01-03 goes beyond: write 'unbounded', or declare all its "
        "times in microseconds"
    )
