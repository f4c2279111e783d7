"""Views may be named like relations, operators and tables of daeda's own, and like each other but for case."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda_audit.command import main as audit
from tests.daeda_audit.feed import build, words
from tests.hostile.test_values import DAY, rows_of, with_rolling
from tests.projects import TinyProject, fields, moment

STATIC = (
    "spine", "Spine", "spine_1", "assembled", "assemble", "day", "sink", "with_prices", "with_items", "covered_2",
    "rows_of_spine", "daeda_held", "daeda_entities_0", "events_by_user", "latest_items", "udf_x",
    "events_by_user_rows", "select", "main", "pg_catalog", "ITEMS",
)  # fmt: skip
TIMED = ("with_events_by_user", "with_spine", "pit_prices", "PRICES", "information_schema")


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_views_of_any_name(engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = TinyProject(tmp_path).without("item_vector")
    made.service["spine"]["filters"] = [{"where": "amount > 0"}, {"covered_by": {"view": "spine", "column": "item_id"}}]
    made.data["events"] = [*made.data["events"][:3], (2, 12, moment("02 10:00"), 4.0)]
    wanted: dict[str, object] = {}
    for number, name in enumerate((*STATIC, *TIMED)):
        timed = name in TIMED
        column, kind = f"f_{number}", "point_in_time" if timed else "static"
        types = {"item_id": "int64", **({"event_timestamp": "timestamp[us]"} if timed else {}), column: "int64"}
        source: dict[str, object] = {"path": f"v{number}.parquet"}
        source |= {"timestamp_field": "event_timestamp", "missing_partitions": "empty"} if timed else {}
        made.views[name] = {"name": name, "entity": "item", "source": source, "fields": fields(**types)}
        then = (moment("01 00:00"),) if timed else ()
        made.data[name] = [(10, *then, -1), (11, *then, number)]
        made.service["columns"].append({"name": column, "kind": kind, "dtype": "int64"})
        made.runtime["output_columns"].append(column)
        made.runtime["feature_refs"].append(f"{name}:{column}")
        wanted[column] = number
    with_rolling(made, "last_seen", "int64", kind="count", where="item_id < 11")
    with_rolling(made, "of_a_view", "int64", kind="sum", column="f_21", entity="item",
                 history={"view": "with_events_by_user"})  # fmt: skip
    made.runtime["compute"] = {"engine": engine}
    made.write().write_data()
    build(made, days=[DAY])
    (row,) = rows_of(made)
    assert {name: row[name] for name in wanted} == wanted
    assert (row["last_seen"], row["of_a_view"]) == (1, 21)
    assert audit(words(made, "--probe", "recompute")) == 0, capsys.readouterr()
