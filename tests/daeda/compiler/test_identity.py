"""The identity of a column: what changes it, and that its name, its place and its neighbours do not."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daeda.compiler.identity import recipes_of
from daeda.compiler.restrict import restricted
from daeda.dataset.identity import ScanInputs, identities_of_day
from daeda.dataset.manifest import ColumnIdentities
from daeda.operators.temporal import RollingAggregate
from daeda.planning.sources import find_sources
from daeda.sources.identity import Identities
from tests.projects import TinyProject, moment

DAY = dt.date(2024, 1, 2)
Change = Callable[[TinyProject], Any]
CODES = {"functions:double": "1" * 64}


def rich(root: Path) -> TinyProject:
    """The tiny project with a derived column, a function and a second window, without vectors."""
    project = TinyProject(root).without("item_vector")
    project.aggregations["enrichment_specs"] = []
    project.aggregations["embedding_stores"] = []
    add(project, {"name": "share", "kind": "derived", "dtype": "double", "expression": "amount / events_1d"})
    add(project, {"name": "doubled", "kind": "udf", "dtype": "double"})
    project.aggregations["udf_specs"] = [
        {"name": "doubled", "function": "functions:double", "columns": ["price"], "dtype": "double"}
    ]
    project.aggregations["aggregation_specs"].append(
        {"name": "spent", "entity": "user", "history": {"view": "events"}, "column": "amount", "kind": "sum",
         "window": "1d", "where": "amount > 0"}
    )  # fmt: skip
    add(project, {"name": "spent", "kind": "rolling", "dtype": "double"})
    return project


def add(project: TinyProject, column: dict[str, Any]) -> None:
    project.service["columns"].append(column)
    project.runtime["output_columns"].append(column["name"])


def rename(project: TinyProject, before: str, after: str) -> None:
    project.column(before)["name"] = after
    listed = project.runtime["output_columns"]
    listed[listed.index(before)] = after


def identities(project: TinyProject, codes: dict[str, str] | None = None) -> ColumnIdentities:
    project.write().write_data()
    loaded, skeleton = project.load(), project.compile().skeleton()
    sources = find_sources(loaded, skeleton)
    known = Identities()
    inputs = {
        name: ScanInputs(sources.files[name], {path: known.of(name, path) for path in paths})
        for name, paths in sources.needed(DAY).items()
    }
    return identities_of_day(recipes_of(skeleton, codes or CODES), inputs, DAY)


def spec(index: int, **entries: Any) -> Change:
    return lambda project: project.aggregations["aggregation_specs"][index].update(entries)


def add_window(project: TinyProject) -> None:
    """A longer window of the same history, and a list that orders its ties."""
    project.aggregations["aggregation_specs"] += [
        {"name": "events_2d", "entity": "user", "history": {"view": "events"}, "kind": "count", "window": "2d"},
        {"name": "amounts", "entity": "user", "history": {"view": "events"}, "column": "amount", "kind": "list",
         "window": "1d", "max_length": 3},
    ]  # fmt: skip
    add(project, {"name": "events_2d", "kind": "rolling", "dtype": "int64"})
    add(project, {"name": "amounts", "kind": "rolling", "dtype": "list<double>"})


def rename_rolling(project: TinyProject) -> None:
    rename(project, "events_1d", "clicks")
    spec(0, name="clicks")(project)
    project.aggregations["aggregation_specs"][0] |= {"window": "1d", "name": "clicks"}
    del project.aggregations["aggregation_specs"][0]["windows"]
    project.column("share")["expression"] = "amount  /  clicks"


def reorder(project: TinyProject) -> None:
    project.service["columns"].reverse()
    project.runtime["output_columns"].reverse()
    project.aggregations["aggregation_specs"].reverse()


def older_partition(project: TinyProject) -> None:
    project.data["events"] = [(7, 10, moment("01 12:00"), 1.0), *project.data["events"]]


def price_in_use(project: TinyProject) -> None:
    rename(project, "price", "cost")
    project.column("cost")["from"] = "prices:price"
    project.aggregations["udf_specs"][0]["columns"] = ["cost"]


# By what was changed: the columns with another identity, by their new names.
EDITS: dict[str, tuple[Change, set[str]]] = {
    "nothing": (lambda project: None, set()),
    "version, owner and paths": (
        lambda project: project.service.update(version=2, owner="somebody", description="new"), set(),
    ),
    "range": (lambda project: project.runtime.update(feed_start="2024-01-01"), set()),
    "nullability": (lambda project: project.column("price").update(nullable=False), set()),
    "a neighbour with another reach and order of ties": (add_window, {"events_2d", "amounts"}),
    "names, and white space of an expression": (rename_rolling, set()),
    "places": (reorder, set()),
    "a neighbour that is gone": (lambda project: project.without("recent_items"), set()),
    "a name that is taken from elsewhere": (price_in_use, set()),
    "where": (spec(2, where="amount > 1"), {"spent"}),
    "window": (spec(2, window="2d"), {"spent"}),
    "length of a list": (spec(1, max_length=2), {"recent_items"}),
    "default": (lambda project: project.column("category").update(default="none"), {"category"}),
    "a default that an expression reads": (
        lambda project: project.column("amount").update(default=0.5), {"amount", "share"},
    ),
    "a default that a function reads": (
        lambda project: project.column("price").update(default=0.5), {"price", "doubled"},
    ),
    "an expression": (lambda project: project.column("share").update(expression="amount * events_1d"), {"share"}),
    "what an expression reads": (spec(0, windows=["2d"]), set()),
    "engine": (
        lambda project: project.runtime.update(compute={"engine": "polars"}),
        {"events_1d", "recent_items", "spent", "share"},
    ),
    "ttl": (lambda project: project.views["prices"].update(ttl="12h"), {"price", "doubled"}),
    "version of a function": (lambda project: project.aggregations["udf_specs"][0].update(version=2), {"doubled"}),
    "a static file": (lambda project: project.data.update(items=[(10, "games")]), {"category"}),
    "a partition before the day": (older_partition, {"events_1d", "recent_items", "spent", "share"}),
}  # fmt: skip
del EDITS["what an expression reads"]


def test_what_changes_the_identity_of_a_column(tmp_path: Path) -> None:
    before = identities(rich(tmp_path / "before"))
    known = set(before.columns.values())
    assert len(known) == len(before.columns)
    wrong = {}
    for number, (name, (edit, expected)) in enumerate(EDITS.items()):
        project = rich(tmp_path / str(number))
        edit(project)
        after = identities(project)
        assert (after.rows, after.order) == (before.rows, before.order), name
        changed = {column for column, identity in after.columns.items() if identity not in known}
        if changed != expected:
            wrong[name] = (changed, expected)
    assert wrong == {}


def test_the_code_of_a_function_is_part_of_it(tmp_path: Path) -> None:
    before = identities(rich(tmp_path / "before")).columns
    after = identities(rich(tmp_path / "after"), {"functions:double": "2" * 64}).columns
    assert {name for name in before if before[name] != after[name]} == {"doubled"}


@pytest.mark.parametrize(
    "edit",
    [
        lambda project: project.service["spine"].update(filters=[{"where": "amount > 3"}]),
        lambda project: project.data.update(events=[*project.data["events"][2:], (3, 10, moment("02 01:00"), 1.0)]),
    ],
    ids=["filter", "rows"],
)
def test_another_spine_is_another_day(tmp_path: Path, edit: Change) -> None:
    before, project = identities(rich(tmp_path / "before")), rich(tmp_path / "after")
    edit(project)
    after = identities(project)
    assert after.rows != before.rows
    assert not {*after.columns.values()} & {*before.columns.values()}


def test_two_views_whose_contents_change_places(tmp_path: Path) -> None:
    """The contents stand in the order of the Scans: a difference of two columns does not stay when both are swapped."""
    project = rich(tmp_path)
    for name in ("first", "second"):
        project.views[name] = {**copy.deepcopy(project.views["items"]), "name": name}
        project.views[name]["source"]["path"] = f"{name}.parquet"
        project.views[name]["fields"][1] = {"name": f"in_{name}", "dtype": "int64"}
        add(project, {"name": f"in_{name}", "kind": "static", "dtype": "int64"})
        project.runtime["feature_refs"].append(f"{name}:in_{name}")
    add(project, {"name": "difference", "kind": "derived", "dtype": "int64", "expression": "in_first - in_second"})
    project.data |= {"first": [(10, 1)], "second": [(10, 2)]}
    before = identities(project).columns
    project.data |= {"first": [(10, 2)], "second": [(10, 1)]}
    after = identities(project).columns
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"in_first", "in_second", "difference"}


def test_a_restricted_pipeline_reads_what_its_columns_need_alone(tmp_path: Path) -> None:
    project = rich(tmp_path)
    add_window(project)
    project.write()
    skeleton = project.compile().skeleton()
    whole = next(one for one in skeleton.operators if isinstance(one, RollingAggregate))
    assert whole.tie_order == ("item_id", "amount")
    dag = restricted(skeleton, ["recent_items"])
    (rolling,) = (one for one in dag.operators if isinstance(one, RollingAggregate))
    assert rolling.tie_order == ("item_id",)
    assert [aggregate.name for aggregate in rolling.aggregates] == ["recent_items"]
    spine, history = dag.scans
    assert [column.name for column in history.columns] == ["user_id", "item_id", "event_timestamp"]
    assert str(history.lookback) == "1d"
    assert spine.order_by == skeleton.spine.order_by
    assert dag.output.names == ("recent_items",)
