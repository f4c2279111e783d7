"""A campaign of random edits of a service with every kind of column: each extended day is that of a rebuild.

`make long` makes hundreds of edits; a short run makes a few. Labels, availability, sequences, sums that fade, filters,
samples, files of the past and the future: the seed decides, and stands in what fails.
"""

from __future__ import annotations

import copy
import datetime as dt
import random
import re
from pathlib import Path
from typing import Any

import pytest

from daeda.planning.days import Action
from tests.beam_pipeline.extending import build, published
from tests.budget import by_run
from tests.projects import TinyProject, fields, moment

SEQUENCES, STEPS = by_run((1, 3), (4, 4), (20, 9))
DAYS = range(1, 7)
HISTORY = {"entity": "user", "history": {"view": "events"}}
AT_PRICES = {"entity": "user", "history": {"view": "events", "attributes": ["prices:price", "prices:currency"]}}
STRUCTS = "list<struct<y: double, z: int64, ago: int64>>"

# By name: the column, its spec, and the section of its spec. Expressions name other entries of the pool.
POOL: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "c1": ({"kind": "rolling", "dtype": "int64"}, {**HISTORY, "kind": "count", "window": "1d"}, "aggregation_specs"),
    "c2": ({"kind": "rolling", "dtype": "int64"}, {**HISTORY, "kind": "count", "column": "y", "window": "2d"},
           "aggregation_specs"),
    "newest": ({"kind": "rolling", "dtype": "list<int64>"},
               {**HISTORY, "kind": "list", "column": "z", "max_length": 3, "window": "1d"}, "aggregation_specs"),
    "oldest": ({"kind": "rolling", "dtype": "list<double>"},
               {**HISTORY, "kind": "list", "column": "y", "max_length": 3, "window": "2d", "order": "oldest_first"},
               "aggregation_specs"),
    "prices_seen": ({"kind": "rolling", "dtype": "list<double>"},
                    {**AT_PRICES, "kind": "last_distinct", "column": "price", "max_length": 3, "window": "1d"},
                    "aggregation_specs"),
    "spent": ({"kind": "rolling", "dtype": "double"},
              {**AT_PRICES, "kind": "sum", "column": "y", "where": "currency = 'e' and z > 1", "window": "1d"},
              "aggregation_specs"),
    "steps": ({"kind": "rolling", "dtype": STRUCTS},
              {**HISTORY, "kind": "sequence", "columns": ["y", "z"], "age": "ago", "max_length": 4, "window": "1d"},
              "aggregation_specs"),
    "aligned": ({"kind": "rolling", "dtype": "list<struct<z: int64, item_id: int64>>"},
                {**HISTORY, "kind": "sequence", "columns": ["z", "item_id"], "max_length": 4, "window": "2d",
                 "aligned_to": "6h", "offset": "2h"}, "aggregation_specs"),
    "faded": ({"kind": "rolling", "dtype": "double"},
              {**HISTORY, "kind": "decayed_sum", "column": "y", "half_life": "6h", "window": "2d"},
              "aggregation_specs"),
    "since": ({"kind": "rolling", "dtype": "int64"},
              {**HISTORY, "kind": "since_last", "window": "2d", "available": {"after": "1h"}}, "aggregation_specs"),
    "spread": ({"kind": "rolling", "dtype": "double"},
               {**HISTORY, "kind": "std", "column": "y", "window": "1d", "available": None}, "aggregation_specs"),
    "earliest": ({"kind": "rolling", "dtype": "double"},
                 {**HISTORY, "kind": "first", "column": "y", "window": "1d"}, "aggregation_specs"),
    "came": ({"kind": "label", "dtype": "bool"},
             {**HISTORY, "kind": "any", "window": "1d", "matures_after": "3h"}, "label_specs"),
    "then": ({"kind": "label", "dtype": "list<int64>"},
             {**HISTORY, "kind": "list", "column": "z", "max_length": 3, "gap": "3h", "window": "12h",
              "matures_after": "0s"}, "label_specs"),
    "until": ({"kind": "label", "dtype": "int64"},
              {**AT_PRICES, "kind": "until_first", "column": "z", "where": "currency is not null", "window": "1d",
               "matures_after": "6h"}, "label_specs"),
    "late": ({"kind": "label", "dtype": "int64"},
             {**HISTORY, "kind": "count", "window": "4d", "matures_after": "0s", "immature": None}, "label_specs"),
    "price": ({"kind": "point_in_time", "dtype": "double", "default": 0.0}, {}, ""),
    "price_6h": ({"kind": "point_in_time", "dtype": "double", "from": "prices:price", "ttl": "6h", "allow_exact": True},
                 {}, ""),
    "currency_then": ({"kind": "point_in_time", "dtype": "string", "from": "prices:currency",
                       "available": {"daily_at": "03:00"}}, {}, ""),
    "twice": ({"kind": "derived", "dtype": "double", "expression": "price * 2 + x"}, {}, ""),
    "much": ({"kind": "derived", "dtype": "bool", "expression": "twice > 3"}, {}, ""),
    "hour": ({"kind": "derived", "dtype": "int8", "timezone": "Europe/Berlin",
              "expression": "hour_of(event_timestamp)"}, {}, ""),
    "both": ({"kind": "derived", "dtype": "bool", "expression": "came and c1 > 2"}, {}, ""),
}  # fmt: skip
NEEDS = {"twice": ["price"], "much": ["price", "twice"], "both": ["came", "c1"]}
DEFAULTS = {"price": 9.0, "c1": 7, "twice": 1.0, "faded": 2.0, "then": []}


class Campaign:
    """A service of columns of the pool, which is edited at random, so that it still compiles."""

    def __init__(self, root: Path, rng: random.Random, engine: str) -> None:
        self.rng = rng
        self.project = TinyProject(root)
        self.project.runtime |= {"feed_start": "2024-01-03", "feed_end": "2024-01-04",
                                 "rows_per_part": rng.choice([25, 1000]), "compute": {"engine": engine}}  # fmt: skip
        # What columns come from is found by their names.
        del self.project.runtime["feature_refs"]
        self.project.views = {name: dict(view) for name, view in self.views().items()}
        self.project.service |= {"grain": ["user_id"], "spine": {"view": "impressions"}}
        self._fill()
        self.pool = copy.deepcopy(POOL)
        self.names: dict[str, str] = {}
        self.shuffled = False
        for name in rng.sample(list(POOL), 7):
            self._insert(name)

    @staticmethod
    def views() -> dict[str, dict[str, Any]]:
        at = {"user_id": "int64", "item_id": "int64"}
        return {
            "impressions": {
                "name": "impressions", "entity": ["user", "item"],
                "source": {"path": "impressions", "timestamp_field": "event_timestamp"},
                "fields": fields(**at, event_timestamp="timestamp[us]", x="double"),
            },
            "events": {
                "name": "events", "entity": ["user", "item"],
                "source": {"path": "events", "timestamp_field": "at", "created_field": "known"},
                "fields": fields(**at, at="timestamp[us]", known="timestamp[us]", y="double", z="int64"),
            },
            "prices": {
                "name": "prices", "entity": "item", "ttl": "2d",
                "source": {"path": "prices", "timestamp_field": "at"},
                "fields": fields(item_id="int64", at="timestamp[us]", price="double", currency="string"),
            },
        }  # fmt: skip

    def _fill(self) -> None:
        """Few keys and times, so that rows tie, and NULLs."""
        rng = self.rng
        floats, numbers = [None, 1.5, -2.0, 0.1, 3.0], [None, 1, 2, 3]
        self.project.data = {"impressions": [], "events": [], "prices": []}
        for day in DAYS:
            times = [moment(f"0{day} {rng.randrange(24):02}:{rng.choice(['00', '30'])}") for _ in range(40)]
            self.project.data["impressions"] += [
                (rng.choice([1, 2, 3, None]), rng.randrange(4), at, rng.choice(floats)) for at in times
            ]  # type: ignore[operator]
            self.project.data["events"] += [
                (rng.choice([1, 2, 3, None]), rng.randrange(4), at,
                 None if rng.random() < 0.1 else at + dt.timedelta(minutes=30 * rng.randrange(90)),
                 rng.choice(floats), rng.choice(numbers)) for at in times
            ]  # type: ignore[operator]  # fmt: skip
            self.project.data["prices"] += [
                (rng.randrange(4), at, rng.choice([None, 1.0, 2.0, 7.5]), rng.choice([None, "e", "d"]))
                for at in times[:12]
            ]  # type: ignore[operator]
        self.project.write_data()

    def _insert(self, name: str) -> None:
        for one in [*NEEDS.get(name, []), name]:
            if one not in self.names:
                self.names[one] = one

    def write(self) -> None:
        """The service and its specs, of the columns that there are now."""
        columns: list[dict[str, Any]] = [
            {"name": "user_id", "kind": "key", "dtype": "int64", "nullable": True},
            {"name": "item_id", "kind": "spine", "dtype": "int64"},
            {"name": "event_timestamp", "kind": "timestamp", "dtype": "timestamp[us]", "nullable": False},
            {"name": "x", "kind": "spine", "dtype": "double"},
        ]
        aggregations: dict[str, list[dict[str, Any]]] = {}
        for name, shown in self.names.items():
            column, spec, section = self.pool[name]
            column = dict(column)
            if "expression" in column:
                read = lambda found: self.names.get(found[0], found[0])  # noqa: E731
                column["expression"] = re.sub(r"\w+", read, column["expression"])
            if column["kind"] == "point_in_time" and "from" not in column:
                column["from"] = f"prices:{name}"
            columns.append({"name": shown, **column})
            if section:
                aggregations.setdefault(section, []).append({"name": shown, **spec})
        if self.shuffled:
            self.rng.shuffle(columns)
        self.project.aggregations = aggregations
        self.project.service["columns"] = columns
        self.project.runtime["output_columns"] = [column["name"] for column in columns]

    def edit(self) -> str:
        """Make one edit; returns which."""
        often = ("add", "change", "input")
        name = self.rng.choice((*often, *often, "change", "drop", "rename", "order", "default", "filter"))
        self.shuffled = name == "order"
        return f"{name} {getattr(self, f'_{name}')() or ''}"

    def _add(self) -> str:
        left = [name for name in POOL if name not in self.names]
        name = self.rng.choice(left or ["price"])
        self._insert(name)
        return name

    def _drop(self) -> str:
        needed = {one for name in self.names for one in NEEDS.get(name, [])}
        free = [name for name in self.names if name not in needed]
        if len(self.names) < 4 or not free:
            return ""
        name = self.rng.choice(free)
        del self.names[name]
        return name

    def _rename(self) -> str:
        name = self.rng.choice(list(self.names))
        self.names[name] = f"{name}_{self.rng.randrange(9)}"
        return name

    def _change(self) -> str:
        specs = [name for name in self.names if self.pool[name][2]]
        if not specs:
            return ""
        name = self.rng.choice(specs)
        _, spec, section = self.pool[name]
        label = section == "label_specs"
        changes: dict[str, Any] = {"window": self.rng.choice(["1d", "2d", "6h", "12h"])}
        changes["where"] = f"item_id < {self.rng.choice([2, 3])}"
        changes |= {"max_length": self.rng.choice([2, 5])} if "max_length" in spec else {}
        changes |= {"gap": "2h", "matures_after": self.rng.choice(["0s", "1h", "9h"])} if label else {"offset": "3h"}
        changes |= {"immature": self.rng.choice([None, "wait"])} if label else {}
        key = self.rng.choice(list(changes))
        spec[key] = changes[key]
        return f"{name}.{key}"

    def _order(self) -> None:
        """The columns are shuffled when they are written."""

    def _input(self) -> str:
        """Rows less of a day before, of it, or after it; an emptied day of the spine would have another order."""
        view, day = self.rng.choice(["events", "events", "prices", "impressions"]), self.rng.choice(DAYS)
        time = {"impressions": 2, "events": 2, "prices": 1}[view]
        of_day = [row for row in self.project.data[view] if row[time].day == day]
        gone = of_day[: self.rng.randrange(3)]
        self.project.data[view] = [row for row in self.project.data[view] if row not in gone]
        self.project.write_data()
        return f"{view} {day}"

    def _default(self) -> str:
        there = [name for name in DEFAULTS if name in self.names]
        if not there:
            return ""
        name = self.rng.choice(there)
        column = self.pool[name][0]
        if "default" in column:
            del column["default"]
        else:
            column["default"] = DEFAULTS[name]
        return name

    def _filter(self) -> None:
        sample = {"sample": {"share": 0.6, "by": ["item_id"], "seed": 3}}
        chosen = self.rng.choice([[], [{"where": "x is not null"}], [sample]])
        self.project.service["spine"]["filters"] = chosen


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_a_campaign_of_random_edits(tmp_path: Path, engine: str) -> None:
    extended = kept = 0
    for sequence in range(SEQUENCES):
        campaign = Campaign(tmp_path / str(sequence), random.Random(f"{engine} {sequence}"), engine)
        log: list[str] = []
        for number in range(STEPS):
            campaign.write()
            plans = build(campaign.project, "output")
            extended += sum(plan.action is Action.EXTEND for plan in plans)
            kept += sum(len(plan.extension.kept) for plan in plans if plan.extension is not None)
            build(campaign.project, f"again-{number}", extend=False)
            # A day that waits for a label stays as it was.
            waiting = tuple(f"dt={plan.day}" for plan in plans if plan.action is Action.WAIT)
            there = published(campaign.project, "output")
            found = {name: held for name, held in there.items() if not any(day in name for day in waiting)}
            assert found == published(campaign.project, f"again-{number}"), (engine, sequence, log)
            log.append(campaign.edit())
    assert extended >= SEQUENCES
    assert kept > 5 * extended
