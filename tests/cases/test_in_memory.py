"""What is executed in memory is what a run publishes: the golden cases, whole, cut, and as rows of one's own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest

from beam_pipeline.in_memory.features import Features, open_features
from daeda.catalog.project import Project, ProjectPaths, load_project
from daeda.compiler.compile import compile_runnable
from daeda.errors import InputError
from daeda.operators.dag import Dag
from tests.budget import by_run
from tests.cases.case import ROWS, golden_cases, plain, shown
from tests.cases.jobs import Entry

CASES = golden_cases()
# Of a sample, and what is made of it: rows of one's own are not sampled, and weigh 1.
WEIGHTS = ("sample_weight", "weighted")


def _of_entry(entry: Entry) -> tuple[Project, Dag]:
    project = load_project(ProjectPaths(entry.runtime), flags=entry.settings)
    return project, compile_runnable(project)


def _days(features: Features, project: Project) -> dict[dt.date, pa.Table]:
    """Every day of the project whose labels are known."""
    days = {}
    for day in project.runtime.days:
        try:
            days[day] = features.of_day(day).table
        except InputError as error:
            if "labels that are not known yet" not in str(error):
                raise
    return days


def _same(found: pa.Table, wanted: pa.Table, but: Sequence[str] = ()) -> None:
    assert found.num_rows == wanted.num_rows
    for name in found.column_names:
        if name not in but:
            assert found.schema.field(name).type == wanted.schema.field(name).type, name
            assert list(map(shown, plain(found.column(name)))) == list(map(shown, plain(wanted.column(name)))), name


def test_what_is_made_in_memory_is_what_a_run_publishes(golden_once: list[Entry]) -> None:
    """Whole days against the golden rows; then their first rows; then all rows in reverse, as rows of one's own."""
    compared = 0
    for case in CASES[:: by_run(3, 1, 1)]:
        for entry in (one for one in golden_once if one.name.rpartition("_")[0] == case.name):
            project, dag = _of_entry(entry)
            with open_features(project, dag) as features:
                days = _days(features, project)
                assert case.told({f"dt={day}": table for day, table in days.items()}) == case.expected(ROWS)
                for day, table in list(days.items())[:1]:
                    _same(features.of_day(day, first_rows=2).table, table.slice(0, 2))
                    if entry.name.endswith("_duckdb"):
                        _same(_every_third_column(features, day, table.column_names), table)
                compared += _compare_own_rows(features, dag, pa.concat_tables(days.values()))
    assert compared > by_run(25, 100, 100)


def _every_third_column(features: Features, day: dt.date, names: Sequence[str]) -> pa.Table:
    """The day with some of its columns, and what these read of the output."""
    asked = names[::3]
    table = features.of_day(day, columns=asked).table
    assert {*asked} <= {*table.column_names}
    return table


def _compare_own_rows(features: Features, dag: Dag, rows: pa.Table) -> int:
    """All rows in reverse, one of them twice more."""
    spine = [one.name for one in dag.spine.columns if one.name in rows.column_names]
    if not rows.num_rows or dag.spine.time is None or dag.spine.time.column not in spine:
        return 0
    wanted = rows.take([*reversed(range(rows.num_rows)), 0, 0])
    made = features.of_rows(wanted.select(spine), labels=True)
    _same(made.table, wanted, but=WEIGHTS)
    assert set(made.table.column_names) | set(made.left_out) == set(wanted.column_names)
    if "weighted" in made.table.column_names:
        assert set(made.table.column("sample_weight").to_pylist()) == {1.0}
        assert made.table.column("weighted").to_pylist() == made.table.column("events_1d").to_pylist()
    return int(made.table.num_rows)


@pytest.fixture
def features(golden: list[Entry]) -> Iterator[Features]:
    project, dag = _of_entry(next(one for one in golden if one.name == "point_in_time_duckdb"))
    with open_features(project, dag) as opened:
        yield opened


def test_what_rows_of_ones_own_lack_is_said(features: Features) -> None:
    with pytest.raises(InputError) as caught:
        features.of_rows(pa.table({"user_id": [1]}))
    assert "the rows have no column" in str(caught.value)
