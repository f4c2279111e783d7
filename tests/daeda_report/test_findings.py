"""A planted fault is what the report names first, and a training set without one has no findings."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from daeda.dataset.fingerprint import skeleton_fingerprint
from daeda.dataset.layout import DATASETS
from daeda.dataset.manifest import read_manifest
from daeda.planning.checks import known_verdicts
from daeda_report.columns import series_of
from daeda_report.days import DaysOfReport, immature_columns
from daeda_report.findings import Finding, ranked
from daeda_report.planned import Planned
from daeda_report.statistics import statistics_of_days
from tests.daeda_report.conftest import write_report
from tests.daeda_report.published import FAULTS, FIRST, Training, replaced
from tests.daeda_report.test_page import unpacked
from tests.projects import TinyProject


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
    return [one for one in ranked(seen, series, (0, 1, 2)) if one.column == "price"]


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
    assert told[2].endswith("on 2024-01-18: 100.0% are of values that were not there before")


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
