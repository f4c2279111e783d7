"""A planted fault is what the report names first, and a training set without one has no findings."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from daeda.dataset.fingerprint import skeleton_fingerprint
from daeda.dataset.layout import DATASETS
from daeda.dataset.manifest import read_manifest
from daeda.planning.checks import known_verdicts
from daeda_report.columns import series_of
from daeda_report.days import DaysOfReport, immature_columns
from daeda_report.findings import Finding, ranked
from daeda_report.planned import Planned
from daeda_report.standing_out import of_rows
from daeda_report.statistics import statistics_of_days
from tests.daeda_report.conftest import write_report
from tests.daeda_report.published import FAULTS, FIRST, Fault, Training, replaced
from tests.daeda_report.test_page import unpacked
from tests.projects import TinyProject, fields


def findings(root: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    write_report(root, "--json")
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["findings"]
    return found


def test_a_check_that_failed_goes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Training(tmp_path, days=4, rows=40, changed=_checked).publish()
    path = made.root / "output/ranking/enriched/dt=2024-01-03/_manifest.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    verdict = {"check": "price: share of NULLs < 1%", "severity": "warn", "outcome": "failed", "found": "12% are NULL"}
    # It was corrected since: no check says so any more.
    gone = verdict | {"check": "price: share of NULLs < 0.1%", "severity": "fail"}
    path.write_text(json.dumps(written | {"checks": [gone, verdict]}), encoding="utf-8")
    first, *others = findings(made.root, capsys)
    assert (first["kind"], first["first_day"], first["days"]) == ("check", "2024-01-03", 1)
    assert first["told"] == "check 'price: share of NULLs < 1%' failed on 2024-01-03: 12% are NULL"
    assert "check" not in [one["kind"] for one in others]
    # The severity is the one that YAML has now.
    [shown] = unpacked(made.root / "report.html", "head")["checks"]
    assert (shown["check"], shown["severity"]) == (verdict["check"], "fail")
    project = made.project.load()
    known = known_verdicts(project, made.project.compile(), DATASETS, project.runtime.days)
    assert [(one.check, one.severity) for one in known.by_day[dt.date(2024, 1, 3)]] == [(verdict["check"], "fail")]


def _first_day_alone(name: str) -> Fault:
    """The fault of a name, on the first day and no other."""
    fault, *_, from_day = FAULTS[name]
    return lambda number, table: fault(from_day, table) if number == 0 else table


FIRST_DAY = {
    "doubled file": "2024-01-01 has 620 rows, and days beside it 306: 2.0 times as many, as if a file had been read "
    "twice",
    "turned NULL": "price: all of 2024-01-01 is NULL, and 0.8% was on other days",
    "other unit": "amount: values of 2024-01-01 are about 1,000 times as great as on other days, as in another unit: "
    "the median is 44,930 and was 52.59",
    "lost ids": "item_vector: 85.2% of the rows of 2024-01-01 have a vector, and all had one on other days",
    "vanished category": "category: no row of 2024-01-01 has 'garden', and 10.7% had it on other days",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_first_day_is_told_of_it_and_of_no_other_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The first days are what the others are compared with: one that is unlike them is left out."""
    made = Training(tmp_path, days=12, rows=300, fault=_first_day_alone(name)).publish()
    assert [one["told"] for one in findings(made.root, capsys)] == [FIRST_DAY[name]]


def test_all_of_the_reference_may_be_the_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Days that are all NULL are told, and not those behind them that have what they lack."""

    def fault(number: int, table: pa.Table) -> pa.Table:
        return replaced(table, "price", pa.nulls(len(table), pa.float64())) if number < 4 else table

    made = Training(tmp_path, days=12, rows=300, fault=fault).publish()
    [told] = [one["told"] for one in findings(made.root, capsys)]
    assert str(told).startswith("price: all of 2024-01-01 is NULL, and ")
    assert str(told).endswith(" was on other days (2024-01-01 to 2024-01-04, 4 days)")


def _wide(project: TinyProject) -> None:
    """Columns that count up, times, and lists of numbers."""
    types = {"second": "int64", "at": "timestamp[us]", "paid": "list<double>"}
    project.views["events"]["fields"] += fields(**types)
    project.service["columns"] += [{"name": name, "kind": "spine", "dtype": dtype} for name, dtype in types.items()]
    project.runtime["output_columns"] += types


def _widened(number: int, table: pa.Table) -> pa.Table:
    draw = np.random.default_rng(number)
    micros = np.array(table["event_timestamp"].cast(pa.int64()))
    paid = [list(draw.gamma(2.0, 30.0, int(draw.integers(1, 4)))) for _ in range(len(table))]
    table = table.append_column("second", pa.array(micros // 1_000_000))
    table = table.append_column("at", pa.array(micros).cast(pa.timestamp("us")))
    return table.append_column("paid", pa.array(paid, pa.list_(pa.float64())))


def _times(number: int, table: pa.Table) -> pa.Table:
    """Seconds become milliseconds, and milliseconds are read as microseconds."""
    if number < 9:
        return table
    table = replaced(table, "second", pc.multiply(table["second"], 1000))
    return replaced(table, "at", pc.divide(table["at"].cast(pa.int64()), 1000).cast(pa.timestamp("us")))


def _items(number: int, table: pa.Table) -> pa.Table:
    if number < 9:
        return table
    return replaced(table, "paid", pa.array([[100 * one for one in row] for row in table["paid"].to_pylist()]))


def _items_are_null(number: int, table: pa.Table) -> pa.Table:
    if number < 9:
        return table
    return replaced(
        table, "paid", pa.array([[None for _ in row] for row in table["paid"].to_pylist()], table["paid"].type)
    )


def _no_number(number: int, table: pa.Table) -> pa.Table:
    if number < 9:
        return table
    values = table["amount"].to_pylist()
    values[7], values[9] = float("nan"), float("-inf")
    return replaced(table, "amount", pa.array(values))


def _no_length(number: int, table: pa.Table) -> pa.Table:
    if number < 9:
        return table
    rows = [[0.0, 0.0] if row % 8 == 0 else one for row, one in enumerate(table["item_vector"].to_pylist())]
    return replaced(table, "item_vector", pa.array(rows, table["item_vector"].type))


# What is told of the last three days of twelve, by its kind, its column and its beginning.
ELSEWHERE: dict[str, tuple[Fault, list[tuple[str, str, str]]]] = {
    "of what counts up": (_times, [
        ("unit", "at", "at: values of 2024-01-10 are about 1,000 times smaller than before, as in another unit: the "
         "median is 1970-01-20 and was 2024-01-09"),
        ("unit", "second", "second: values of 2024-01-10 are about 1,000 times as great as before, as in another unit"),
    ]),
    "in lists": (_items, [("unit", "paid", "paid: items of 2024-01-10 are about 100 times as great as before")]),
    "NULL in lists": (_items_are_null, [("nulls", "paid", "paid: all items of 2024-01-10 are NULL, and none were")]),
    "two values": (_no_number, [
        ("not finite", "amount", "amount: 0.3% of 2024-01-1"), ("not finite", "amount", "amount: 0.3% of 2024-01-1"),
    ]),
    "vectors of 0": (_no_length, [("coverage", "item_vector", "item_vector: 12.")]),
}  # fmt: skip


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_no_index_of_drift_shows_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    fault, expected = ELSEWHERE[name]
    changed = lambda number, table: fault(number, _widened(number, table))  # noqa: E731
    made = Training(tmp_path, days=12, rows=300, fault=changed, changed=_wide).publish()
    told = findings(made.root, capsys)
    assert [(one["kind"], one["column"]) for one in told] == [(kind, column) for kind, column, _ in expected]
    for one, (*_, start) in zip(told, expected, strict=True):
        assert str(one["told"]).startswith(start)
        assert (one["first_day"], one["days"]) == ("2024-01-10", 3)


def test_what_counts_up_does_not_drift_on_three_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Training(tmp_path, days=3, rows=300, fault=_widened, changed=_wide).publish()
    assert findings(made.root, capsys) == []


def _checked(project: TinyProject) -> None:
    project.service["checks"] = [{"column": "price", "null_share": "< 1%", "severity": "fail"}]


def test_labels_that_are_not_mature_are_no_fault(tmp_path: Path) -> None:
    """On the days of which the skeleton says so; a label that is NULL on another day stands out."""
    made = Training(tmp_path, days=18, rows=100, fault=FAULTS["turned NULL"][0]).publish()
    for number in range(12, 18):
        path = made.layout.day_dir("skeleton", FIRST + dt.timedelta(days=number))
        manifest = read_manifest(path)
        assert manifest is not None
        unripe = replace(manifest, fingerprint=skeleton_fingerprint({}, {}, 1, immature=["price"]))
        Path(f"{path}/_manifest.json").write_text(unripe.to_json(), encoding="utf-8")
    unripe_days = immature_columns(made.project.compile(), DaysOfReport.of(
        made.layout, made.project.compile(), made.project.load().runtime.days, Planned()))  # fmt: skip
    assert [len(one) for one in unripe_days] == [0] * 12 + [1] * 6
    told = [one.told for one in _label_findings(made)]
    assert told == []
    path = made.layout.day_dir("skeleton", FIRST + dt.timedelta(days=12))
    manifest = read_manifest(path)
    assert manifest is not None
    mature = replace(manifest, fingerprint=skeleton_fingerprint({}, {}, 1))
    Path(f"{path}/_manifest.json").write_text(mature.to_json(), encoding="utf-8")
    assert [one.days for one in _label_findings(made) if one.kind == "nulls"] == [1]


def _label_findings(made: Training) -> list[Finding]:
    """What stands out of `price`, as a label."""
    project, dag = made.project.load(), made.project.compile()
    seen = DaysOfReport.of(made.layout, dag, project.runtime.days, Planned())
    statistics = [
        replace(
            one,
            columns=tuple(replace(each, kind="label" if each.name == "price" else each.kind) for each in one.columns),
        )
        for one in statistics_of_days(seen)
        if one is not None
    ]
    series = series_of(project, dag, seen, statistics, (0, 1, 2))
    return [one for one in ranked(seen, series) if one.column == "price"]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_first(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    fault, kind, column, number = FAULTS[name]
    made = Training(tmp_path, days=18, rows=300, fault=fault).publish()
    first = findings(made.root, capsys)[0]
    assert (first["kind"], first["column"]) == (kind, column)
    assert first["first_day"] == str(FIRST + dt.timedelta(days=number))
    assert first["days"] == (1 if name == "doubled file" else 18 - number)


def test_nothing_stands_out_of_days_that_are_alike(training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    assert [one["told"] for one in findings(training.root, capsys)] == ["1 day is not published: 2024-01-06"]


def test_values_that_come_and_go_together_are_one_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nearly all of them are others, as names of sessions are each day, the drift tells it, and numbers never."""

    def fault(number: int, table: pa.Table) -> pa.Table:
        lost = {"kind 1", "kind 2", "kind 3", "kind 4"} if number == 16 else set()
        kinds = [f"kind {row % 20}" for row in range(len(table))]
        kinds = ["new" if kind in lost else kind for kind in kinds]
        if number == 17:
            kinds = [f"{kind} of another day" for kind in kinds]
        return replaced(table, "category", pa.array(kinds))

    made = Training(tmp_path, days=18, rows=400, fault=fault).publish()
    told = [str(one["told"]) for one in findings(made.root, capsys) if one["column"] == "category"]
    assert told[:2] == [
        "category: no row of 2024-01-17 has 'kind 1', 'kind 2', 'kind 3' or 1 more value, and 20.3% had one of them "
        "before",
        "category: 20.0% of 2024-01-17 is 'new', which was not there before",
    ]
    assert [one.split(" on ")[0].split("PSI")[0] for one in told[2:]] == ["category: "]
    assert told[2].endswith(
        "on 2024-01-18: all are of values that were not there before, such as 'kind 0 of another day'"
    )


def test_days_without_rows_or_values_stand_out_even_if_all_are_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fault(number: int, table: pa.Table) -> pa.Table:
        emptied = replaced(table, "price", pa.nulls(len(table), pa.float64()))
        vectors = table.schema.field("item_vector").type
        emptied = replaced(emptied, "item_vector", pa.nulls(len(table), vectors))
        return emptied.slice(0, 0) if number in (1, 2) else emptied

    made = Training(tmp_path, days=4, rows=40, fault=fault).publish()
    assert [one["told"] for one in findings(made.root, capsys)] == [
        "2024-01-02 has no rows (2024-01-02 to 2024-01-03, 2 days)",
        "item_vector: no row of 2024-01-01 has a vector (2 days from 2024-01-01 to 2024-01-04)",
        "price: all of 2024-01-01 is NULL, and so is each other day (2 days from 2024-01-01 to 2024-01-04)",
    ]


def test_that_nothing_is_published_stands_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Training(tmp_path, days=2, left_out=frozenset({0, 1})).publish()
    assert [one["told"] for one in findings(made.root, capsys)] == [
        "2 days are not published: 2024-01-01 to 2024-01-02, 2 days"
    ]


def test_days_of_few_rows_are_told_as_they_are() -> None:
    by_day = {one.index: one.told for one in of_rows([40, 40, 40, 1, 40, 40, 90])}
    assert by_day == {
        3: "{day} has 1 row, and days beside it 40: 2.5% of that",
        6: "{day} has 90 rows, and days beside it 40: 2.2 times as many",
    }
