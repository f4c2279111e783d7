"""One field in many uses: of a day with more than 160 columns every value equals the oracle, joined and searched."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from daeda.compiler.compile import compile_project, project_dag
from daeda.compiler.pipeline_file import pipeline_text
from daeda.durations import Duration
from daeda.operators.dag import PipelineModel
from daeda.operators.temporal import PointInTimeJoin
from daeda.planning.explain import availability
from daeda.settings.availability import Available
from tests.beam_pipeline.day.one_day import of_the_oracle
from tests.cases.case import golden_cases
from tests.daeda_audit.feed import DAYS, build, feed
from tests.oracle.point_in_time import point_in_time
from tests.projects import TinyProject

TTLS = (None, "2h", "30m", "")
AVAILABLE: tuple[Any, ...] = (None, {"after": "30m"}, {"after": "0s"}, {"daily_at": "03:00"}, "")
FIELDS = {"price": "double", "label": "string", "event_timestamp": "timestamp[us]", "known_at": "timestamp[ms]"}


def columns() -> list[dict[str, Any]]:
    """Every mixture; "" stands for what is not written, and None for null."""
    made = []
    for number, (ttl, exact, available) in enumerate(itertools.product(TTLS, (True, False, ""), AVAILABLE)):
        rules = {"ttl": ttl, "allow_exact": exact, "available": available}
        for name, dtype in FIELDS.items():
            column = {"name": f"{name}_{number}", "kind": "point_in_time", "dtype": dtype, "from": f"prices:{name}"}
            made.append(column | {key: value for key, value in rules.items() if value != ""})
    return made


def project(root: Path) -> TinyProject:
    made = feed(root)
    kept = [one for one in made.service["columns"] if one["kind"] in ("key", "timestamp")]
    made.views["prices"]["source"]["available"] = {"after": "10m"}
    made.service["columns"] = [*kept, *columns()]
    made.runtime["output_columns"] = [one["name"] for one in made.service["columns"]]
    made.runtime["feature_refs"] = []
    made.aggregations.clear()
    made.write()
    return made


def told(column: dict[str, Any]) -> tuple[int | None, bool, tuple[Any, ...] | None]:
    ttl = column.get("ttl", "5h")
    available = column.get("available", {"after": "10m"})
    return (
        None if ttl is None else Duration.parse(ttl).nanoseconds,
        column.get("allow_exact", False),
        of_the_oracle(None if available is None else Available.model_validate(available)),
    )


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("searched", [False, True])
def test_every_use_gives_what_the_oracle_finds(searched: bool, tmp_path: Path) -> None:
    made = project(tmp_path)
    build(made, days=DAYS[1:], searched=searched)
    paths = sorted((made.root / f"output/ranking/skeleton/dt={DAYS[1]}").glob("*.parquet"))
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    assert len(rows) > 20

    def stamped(row: dict[str, Any]) -> dict[str, Any]:
        times = {name: row[name] for name in ("event_timestamp", "known_at") if name in row}
        return {**row, **{f"({name})": None if at is None else nanoseconds(at) for name, at in times.items()}}

    names = [one["name"] for one in made.views["prices"]["fields"]]
    prices = [stamped(dict(zip(names, row, strict=True))) for row in made.data["prices"]]
    left = [stamped({"item_id": row["item_id"], "event_timestamp": row["event_timestamp"]}) for row in rows]
    some = set()
    for column in columns():
        ttl, exact, available = told(column)
        field = column["from"].partition(":")[2]
        found = point_in_time(
            left, prices, ["item_id"], "(event_timestamp)", "(event_timestamp)", created="(known_at)", ttl=ttl,
            allow_exact=exact, columns=[field], declared=["item_id", "price", "label"], available=available,
        )  # fmt: skip
        wanted = [one[field] for one in found]
        assert [row[column["name"]] for row in rows] == wanted, column
        some.add(tuple(map(str, wanted)))
    assert len(some) > 30


def nanoseconds(at: Any) -> int:
    import datetime as dt

    return (at - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1) * 1_000


def test_uses_that_see_alike_share_a_look_up(tmp_path: Path) -> None:
    dag = compile_project(project(tmp_path).load())
    joins = [operator for operator in dag.operators if isinstance(operator, PointInTimeJoin)]
    seen = [(str(one.ttl), one.allow_exact, one.available) for one in joins]
    # What is not written is what the view says: a ttl of 5h, ten minutes, and no row of the very time.
    assert len(seen) == len(set(seen)) == 4 * 2 * 5
    assert sum(len(one.columns) for one in joins) == len(columns())


def test_a_key_is_never_taken_by_from(tmp_path: Path) -> None:
    made = TinyProject(tmp_path)
    made.views["events"]["fields"].append({"name": "maker", "dtype": "int64"})
    made.views["items"]["fields"].append({"name": "artist_id", "dtype": "int64"})
    made.views["prices"]["fields"].append({"name": "rival_id", "dtype": "int64"})
    source = {"path": "artists", "timestamp_field": "event_timestamp"}
    made.views["artists"] = {
        "name": "artists", "entity": "artist", "source": source,
        "fields": [{"name": "artist_id", "dtype": "int64"}, {"name": "event_timestamp", "dtype": "timestamp[us]"},
                   {"name": "fame", "dtype": "double"}],
    }  # fmt: skip
    made.runtime["feature_refs"] += ["items:artist_id", "artists:fame"]
    added = [
        {"name": "artist_id", "kind": "point_in_time", "dtype": "int64", "from": "prices:rival_id"},
        {"name": "fame", "kind": "point_in_time", "dtype": "double"},
    ]
    made.service["columns"] += added
    made.runtime["output_columns"] += [one["name"] for one in added]
    made.write()
    with pytest.raises(
        Exception, match="takes 'prices:rival_id', and a key or an expression needs the feature"
    ) as told:
        compile_project(made.load())
    assert "'artist_id' of another view: give the column another name" in str(told.value)


def test_the_pipeline_says_it_and_the_plan_names_it() -> None:
    case = next(one for one in golden_cases() if one.name == "availability")
    dag = project_dag(case.project)
    text = pipeline_text(dag.to_model())
    again = PipelineModel.model_validate(yaml.safe_load(text))
    assert again == dag.to_model()
    assert pipeline_text(again) == text
    assert availability(dag) == [
        "price, priced_at: rows of prices count from known_at + 10m",
        "price_1h: rows of prices count from known_at + 10m",
        "price_exact: rows of prices count from known_at + 10m",
        "known_then: rows of prices count from known_at + 0s",
        "on_stock: rows of stock count from 03:00 UTC of the day after event_timestamp",
        "sales: rows of sales count from event_timestamp + 1h",
        "price: rows of prices count from known_at + 10m",  # beside the history of sold_for
        "sold_for: rows of sales count from event_timestamp + 30m",
    ]
