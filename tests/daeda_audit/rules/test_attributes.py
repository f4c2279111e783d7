"""Attributes of a history are read for every row that asks, at its own time: oracle, audit and product agree."""

from __future__ import annotations

import datetime as dt
import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from daeda.durations import Duration
from daeda.operators.dag import Operator
from daeda.operators.temporal import PointInTimeJoin
from daeda.settings.aggregations import AggregationSpec
from daeda_audit.command import main
from daeda_audit.declared import declared_columns
from daeda_audit.raw.local_copies import LocalCopies
from daeda_audit.raw.view import RawViews
from daeda_audit.rules.recompute import Recomputation
from daeda_audit.rules.spine import spine_rows
from tests.daeda_audit.feed import build, words
from tests.oracle.point_in_time import point_in_time
from tests.oracle.rolling import aggregate, rolling
from tests.projects import TinyProject, fields, moment, write_parquet

DAY = dt.date(2024, 1, 9)
WINDOWS = {"1h": dt.timedelta(hours=1), "3d": dt.timedelta(days=3), "7d": dt.timedelta(days=7), "unbounded": None}
TTLS = {"1h": dt.timedelta(hours=1), "30h": dt.timedelta(hours=30), "5d": dt.timedelta(days=5), "": None}


def project(
    root: Path, ttl: str, *, exact: bool, created: bool, windows: tuple[str, ...] = tuple(WINDOWS)
) -> TinyProject:
    """Nine days of events, whose price is joined as of each event's own time from partitioned prices."""
    made = TinyProject(root).without("events_1d", "recent_items", "category", "item_vector", "price")
    made.runtime |= {"feed_start": str(DAY), "feed_end": str(DAY), "feature_refs": []}
    made.views["prices"] = {
        "name": "prices", "entity": "item", "allow_exact": exact,
        "source": {"path": "prices", "timestamp_field": "event_timestamp", "missing_partitions": "empty"},
        "fields": fields(item_id="int64", event_timestamp="timestamp[us]", known_at="timestamp[us]", price="double"),
    }  # fmt: skip
    made.views["prices"] |= {"ttl": ttl} if ttl else {}
    made.views["prices"]["source"] |= {"created_field": "known_at"} if created else {}
    made.views["events"]["source"]["missing_partitions"] = "empty"
    made.aggregations = {"aggregation_specs": [
        {"name": f"{kind}_{window}", "entity": "user", "history": {"view": "events", "attributes": ["prices:price"]},
         "kind": kind, "column": "price", "window": window, **({"max_length": 3} if kind == "list" else {})}
        for window in windows for kind in ("mean", "list")
    ]}  # fmt: skip
    for spec in made.aggregations["aggregation_specs"]:
        dtype = "double" if spec["kind"] == "mean" else "list<double>"
        made.service["columns"].append({"name": spec["name"], "kind": "rolling", "dtype": dtype})
        made.runtime["output_columns"].append(spec["name"])
    return made


def fill(made: TinyProject, seed: int) -> None:
    """Events and prices on a grid of half an hour, so that they meet, tie, and fall on the ends of windows and ttls."""
    chance = random.Random(seed)
    start = moment("01 00:00")

    def when() -> dt.datetime:
        return start + dt.timedelta(minutes=30 * chance.randrange(9 * 48))

    events = [(chance.randrange(3), chance.randrange(10, 13), when(), chance.random()) for _ in range(150)]
    events += [(chance.randrange(3), 10, moment("09 12:00"), 0.5)]
    made.data["events"] = sorted(events, key=lambda row: row[2])
    prices = []
    for _ in range(120):
        at = when()
        known = chance.choice([None, at, at, at + dt.timedelta(minutes=30), at + dt.timedelta(hours=26)])
        prices.append((chance.randrange(10, 13), at, known, chance.randrange(8) / 4))
    made.data["prices"] = sorted(prices, key=lambda row: row[1])
    del made.data["items"]
    made.write().write_data()


def by_oracle(made: TinyProject, ttl: str, *, exact: bool, created: bool) -> dict[str, list[Any]]:
    """What the oracle makes of the day's rows, in the order of their time."""
    names = ("user_id", "item_id", "event_timestamp", "amount")
    events = [dict(zip(names, row, strict=True)) for row in made.data["events"]]
    declared = ("item_id", "event_timestamp", "known_at", "price")
    prices = [dict(zip(declared, row, strict=True)) for row in made.data["prices"]]
    joined = point_in_time(
        events, prices, ["item_id"], "event_timestamp", "event_timestamp", "known_at" if created else None,
        TTLS[ttl], exact, ("price",), declared,
    )  # fmt: skip
    history = [event | more for event, more in zip(events, joined, strict=True)]
    spine = sorted(
        (event for event in events if event["event_timestamp"].date() == DAY),
        key=lambda row: tuple(row[name] for name in ("event_timestamp", "user_id", "item_id", "amount")),
    )
    found = {}
    for spec in made.aggregations["aggregation_specs"]:
        found[spec["name"]] = rolling(
            spine, history, ["user_id"], "event_timestamp", "event_timestamp", spec["kind"], "price",
            WINDOWS[spec["window"]], spec.get("max_length"), declared=(*names, "price"),
        )  # fmt: skip
    return found


def by_audit(made: TinyProject, directory: Path) -> dict[str, list[Any]]:
    """What the audit makes of them; the rows that it shows as evidence give the same, one row at a time."""
    loaded = made.load()
    raws, declared = RawViews(loaded, LocalCopies(directory)), declared_columns(loaded)
    recomputed = Recomputation(loaded, declared, raws, DAY, spine_rows(loaded, raws, DAY), {}, {})
    found = {}
    for spec in loaded.aggregations.aggregation_specs:
        answers = recomputed.column(spec.name)
        found[spec.name] = [answer.value for answer in answers]
        assert [of_rows(spec, answer.explain().counted) for answer in answers] == found[spec.name]
    return found


def of_rows(spec: AggregationSpec, rows: Sequence[dict[str, Any]]) -> Any:
    return aggregate(spec.kind, rows, spec.column, spec.max_length, spec.order)


@pytest.mark.some(2)
@pytest.mark.parametrize("created", [False, True])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("ttl", TTLS)
def test_attributes_are_those_of_the_oracle_and_the_audit_has_nothing_to_say(
    ttl: str, exact: bool, created: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path / "p", ttl, exact=exact, created=created)
    fill(made, 7 + 2 * exact + created)
    wanted = by_oracle(made, ttl, exact=exact, created=created)
    assert by_audit(made, tmp_path / "copies") == wanted
    assert any(value is not None for value in wanted["mean_7d"])
    build(made, days=[DAY])
    assert main(words(made, "--probe", "recompute", "--rows", "500")) == 0, capsys.readouterr().err


def test_a_ttl_that_is_shorter_than_the_window_is_no_false_alarm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The prices of a week ago are needed for the events of a week ago, though each looks back for an hour alone."""
    made = project(tmp_path, "1h", exact=False, created=False, windows=("7d",))
    made.data["events"] = [
        (1, 10, moment("03 12:00"), 0.0),
        (1, 10, moment("09 08:00"), 0.0),
        (1, 11, moment("09 09:00"), 0.0),
    ]
    made.data["prices"] = [(10, moment("03 11:30"), None, 700.0), (10, moment("09 07:30"), None, 26.0)]
    del made.data["items"]
    made.write().write_data()
    assert by_audit(made, tmp_path / "copies") == {"mean_7d": [700.0, 363.0], "list_7d": [[700.0], [26.0, 700.0]]}
    build(made, days=[DAY])
    assert main(words(made, "--probe", "recompute")) == 0, capsys.readouterr().err


def of_attributes(**update: Any) -> Callable[[Operator], Operator]:
    """The look-ups of attributes, changed."""

    def swap(operator: Operator) -> Operator:
        return operator.model_copy(update=update) if isinstance(operator, PointInTimeJoin) else operator

    return swap


LEAKS: dict[str, Callable[[Operator], Operator]] = {
    "the ttl ignored": of_attributes(ttl=None),
    "the ttl a microsecond too long": of_attributes(ttl=Duration.parse(f"{3_600_000_001}us")),
    "the ttl a microsecond too short": of_attributes(ttl=Duration.parse(f"{3_600_000_000 - 1}us")),
    "the row of the very time": of_attributes(allow_exact=True),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_wrong_row_of_an_attribute_whose_ttl_is_shorter_than_the_window_is_found(
    leak: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six days before the day that is audited, each event has prices on the borders of its hour, and no other."""
    made = project(tmp_path, "1h", exact=False, created=False, windows=("7d",))
    hour, tick = dt.timedelta(hours=1), dt.timedelta(microseconds=1)
    borders = {10: hour + tick, 11: hour, 12: dt.timedelta()}
    made.data["events"] = [(1, item, moment(f"03 {item}:00"), 0.5) for item in borders]
    made.data["events"] += [(1, 13, moment("09 08:00"), 0.5)]
    made.data["prices"] = sorted(
        ((item, moment(f"03 {item}:00") - age, None, float(item)) for item, age in borders.items()),
        key=lambda row: row[1],
    )
    del made.data["items"]
    made.write().write_data()
    assert by_audit(made, tmp_path / "copies") == {"mean_7d": [11.0], "list_7d": [[11.0]]}
    build(made, LEAKS[leak], days=[DAY])
    assert main(words(made, "--probe", "recompute")) == 1
    told = capsys.readouterr()
    assert told.out.endswith(" 2 mismatches in mean_7d, list_7d\n")
    assert "\nmean_7d: row 0 of 2024-01-09 (skeleton): user_id 1, item_id 13, " in told.err
    assert "  recomputed  11.0\n" in told.err
    assert main(words(made, "--probe", "recompute", "--json")) == 1
    examples = {one["column"]: one["example"] for one in json.loads(capsys.readouterr().out)["recomputed"]}
    assert "  recomputed  11.0" in examples["mean_7d"]
    assert [column for column, lines in examples.items() if lines] == ["mean_7d", "list_7d"]


VARIANTS: dict[str, Callable[[TinyProject], None]] = {}


def variant(change: Callable[[TinyProject], None]) -> Callable[[TinyProject], None]:
    """A project of another shape, named after the function that changes it."""
    VARIANTS[change.__name__] = change
    return change


def times_of(made: TinyProject, view: str, dtype: str, convert: Callable[[dt.datetime], Any], **source: str) -> None:
    """The times of a view in another type."""
    for one in made.views[view]["fields"]:
        if one["dtype"] == "timestamp[us]":
            one["dtype"] = dtype
    made.views[view]["source"] |= source
    made.data[view] = [
        tuple(convert(value) if isinstance(value, dt.datetime) else value for value in row) for row in made.data[view]
    ]


@variant
def prices_in_nanoseconds(made: TinyProject) -> None:
    times_of(made, "prices", "timestamp[ns]", lambda value: value)


@variant
def prices_in_milliseconds_of_an_integer(made: TinyProject) -> None:
    times_of(
        made, "prices", "int64", lambda value: int(value.replace(tzinfo=dt.UTC).timestamp() * 1000),
        timestamp_unit="ms", path="prices.parquet",
    )  # fmt: skip


@variant
def prices_of_days(made: TinyProject) -> None:
    times_of(made, "prices", "date", lambda value: value.date())


@variant
def events_and_prices_in_one_file_each(made: TinyProject) -> None:
    made.views["events"]["source"]["path"] = "events.parquet"
    made.views["prices"]["source"]["path"] = "prices.parquet"


@variant
def partitions_that_hold_rows_of_their_neighbours(made: TinyProject) -> None:
    made.views["prices"]["source"]["partition_slack"] = 1
    made.views["events"]["source"]["partition_slack"] = 1


@variant
def prices_that_begin_late(made: TinyProject) -> None:
    made.data["prices"] = [row for row in made.data["prices"] if row[1] >= moment("06 00:00")]


@variant
def an_attribute_by_an_attribute(made: TinyProject) -> None:
    """The price is that of the shop which the item is in by then."""
    fields_of = fields(item_id="int64", event_timestamp="timestamp[us]", shop_id="int64")
    made.views["places"] = {
        "name": "places", "entity": "item", "ttl": "30h", "fields": fields_of,
        "source": {"path": "places", "timestamp_field": "event_timestamp", "missing_partitions": "empty"},
    }  # fmt: skip
    made.data["places"] = [(row[0], row[1], row[0] - 9) for row in made.data["prices"][::2]]
    made.views["prices"]["entity"] = "shop"
    made.views["prices"]["fields"][0]["name"] = "shop_id"
    made.data["prices"] = [(row[0] - 9, *row[1:]) for row in made.data["prices"]]
    for spec in made.aggregations["aggregation_specs"]:
        spec["history"]["attributes"].insert(0, "places:shop_id")


@pytest.mark.some(2)
@pytest.mark.parametrize(("ttl", "created"), [("1h", False), ("30h", True), ("", True)])
@pytest.mark.parametrize("name", VARIANTS)
def test_in_every_shape_the_audit_and_the_product_agree(
    name: str, ttl: str, created: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path / "p", ttl, exact=created, created=created)
    fill(made, 3)
    VARIANTS[name](made)
    shutil.rmtree(made.root / "data")
    made.write()
    write_anyhow(made)
    build(made, days=[DAY])
    code = main(words(made, "--probe", "recompute", "--rows", "500"))
    told = capsys.readouterr()
    assert code == 0, told.err
    by_audit(made, tmp_path / "copies")
    skeleton = pq.read_table(made.root / "output/ranking/skeleton" / f"dt={DAY}", partitioning=None)
    assert skeleton["mean_unbounded"].null_count < len(skeleton)


def write_anyhow(made: TinyProject) -> None:
    """The files of the views: one, or by day, with every third row a day too early where the view has slack."""
    for name, rows in made.data.items():
        view = made.views[name]
        columns = {one["name"]: one["dtype"] for one in view["fields"]}
        path = made.root / "data" / view["source"]["path"]
        if path.suffix:
            write_parquet(path, columns, rows)
            continue
        place = list(columns).index("event_timestamp")
        by_day: dict[dt.date, list[Any]] = {}
        for number, row in enumerate(rows):
            day = row[place].date() if isinstance(row[place], dt.datetime) else row[place]
            slack = view["source"].get("partition_slack", 0) if number % 3 == 0 else 0
            by_day.setdefault(day - dt.timedelta(days=slack), []).append(row)
        for day, of_day in by_day.items():
            write_parquet(path / f"dt={day}" / "part-0.parquet", columns, of_day)
