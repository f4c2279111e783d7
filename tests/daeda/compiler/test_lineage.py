"""From which fields each column comes, by what is written here and by what a pipeline for it alone reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda.compiler.lineage import Lineages, SourceField
from daeda.compiler.restrict import restricted
from daeda.operators.dag import Dag
from tests.daeda_audit.feed import feed
from tests.projects import TinyProject

# What is direct, and what decides which rows count.
EXPECTED = {
    "user_id": ("events:user_id", ""),
    "amount": ("events:amount", ""),
    "category": ("items:category", "events:item_id items:item_id"),
    "price": (
        "prices:price",
        "events:event_timestamp events:item_id prices:event_timestamp prices:item_id",
    ),
    "events_1d": ("", "events:event_timestamp events:user_id"),
    "recent_items": ("events:item_id", "events:event_timestamp events:user_id"),
    "item_vector": ("vectors:vector", "events:item_id"),
}


@pytest.fixture(scope="module")
def dag(tmp_path_factory: pytest.TempPathFactory) -> Dag:
    return TinyProject(tmp_path_factory.mktemp("tiny")).write().compile()


def told(fields: frozenset[SourceField]) -> str:
    return " ".join(sorted(f"{field.source}:{field.field}" for field in fields))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_column_comes_from(dag: Dag, name: str) -> None:
    lineage = Lineages(dag).of(name)
    assert (told(lineage.direct), told(lineage.indirect - lineage.direct)) == EXPECTED[name]
    assert any(field.is_store for field in lineage.sources) == (name == "item_vector")


def test_operators_are_told_in_the_order_in_which_they_run(dag: Dag) -> None:
    assert Lineages(dag).of("price").operators == ("scan_spine", "scan_prices", "pit_prices")


def test_rows_are_chosen_by_filters_and_put_in_order_by_the_grain(dag: Dag, tmp_path: Path) -> None:
    assert told(Lineages(dag).rows().direct | Lineages(dag).rows().indirect).startswith("events:")
    made = TinyProject(tmp_path)
    covered = {"covered_by": {"view": "items", "column": "item_id"}}
    made.service["spine"] |= {"filters": [{"where": "amount > 2"}, covered]}
    rows = Lineages(made.write().compile()).rows()
    assert {"events:amount", "items:item_id"} <= set(told(rows.indirect).split())


def test_nothing_that_a_pipeline_for_the_column_alone_reads_is_missing(dag: Dag, tmp_path: Path) -> None:
    for whole in (dag, feed(tmp_path).compile()):
        lineages, skeleton = Lineages(whole), whole.skeleton()
        rows = {(one.source, one.field) for one in lineages.rows().sources}
        filled = {operator.column for operator in whole.enrichments}
        for name in skeleton.output.names:
            if name in filled:
                continue
            own = {(one.source, one.field) for one in lineages.of(name).sources}
            scans = restricted(skeleton, [name]).scans
            read = {(scan.view, column.source) for scan in scans for column in scan.columns}
            # A time is read of each history, whether or not the column needs it.
            times = {(scan.view, scan.time_column.source) for scan in skeleton.scans if scan.time is not None}
            assert read - own - rows - times == set(), name
