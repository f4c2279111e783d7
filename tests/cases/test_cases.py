"""Every golden case gives what its folder says; tests/beam_pipeline/runners has the other runners."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from daeda.aggregates import KINDS
from daeda.operators.dag import Operator
from daeda.operators.temporal import RollingAggregate
from daeda_audit.command import main as audit
from tests.cases.case import EXPLAIN, ROWS, SQL, GoldenCase, engines, golden_cases
from tests.cases.jobs import Entry
from tests.cases.oracle import checked_columns, values

CASES = golden_cases()
by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
by_engine = pytest.mark.parametrize("engine", ["duckdb", "polars"])


@by_case
def test_it_is_explained_as_written(case: GoldenCase) -> None:
    assert case.explain() == case.expected(EXPLAIN)
    assert case.sql() == case.expected(SQL)


def service_dir(case: GoldenCase, engine: str, golden_days: Path) -> Path:
    if engine not in engines():
        pytest.skip(f"compute.engine {engine} is not built yet")
    return golden_days / f"{case.name}_{engine}" / case.service


@by_engine
@by_case
def test_the_rows_are_those_written_down(case: GoldenCase, engine: str, golden_days: Path) -> None:
    assert case.rows(service_dir(case, engine, golden_days)) == case.expected(ROWS)


def test_the_manifest_tells_what_each_column_is_and_how_rows_were_sampled(golden_days: Path) -> None:
    def told(case: str) -> tuple[dict[str, str], Any]:
        path = next((golden_days / f"{case}_duckdb" / "ranking" / "skeleton").glob("dt=*/_manifest.json"))
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return {column["name"]: column["kind"] for column in manifest["columns"]}, manifest.get("sample")

    kinds, sample = told("labels")
    assert sample is None
    assert (kinds["user_id"], kinds["event_timestamp"], kinds["purchases_1d"]) == ("key", "timestamp", "rolling")
    # `kept` is an expression that reads labels.
    assert (kinds["bought_12h"], kinds["kept"]) == ("label", "label")
    kinds, sample = told("sample")
    assert (kinds["item"], kinds["sample_weight"], kinds["weighted"]) == ("spine", "weight", "derived")
    assert sample == {
        "share": "0.5", "by": ["user_id", "item"], "seed": 7, "where": "event = 'skip'", "weight": "sample_weight",
    }  # fmt: skip


@by_engine
def test_the_manifest_tells_what_checks_found(engine: str, golden_days: Path) -> None:
    path = next((golden_days / f"checks_{engine}" / "ranking" / "skeleton").glob("dt=*/_manifest.json"))
    found = [(one["check"], one["outcome"], one["found"]) for one in json.loads(path.read_text())["checks"]]
    assert found == [
        ("rows = 5", "passed", ""),
        ("rows > 5", "failed", "5 rows"),
        (
            "unique: user_id, event_timestamp",
            "failed",
            "1 row of 5 repeats another one, the first user_id 1, event_timestamp 2024-01-02 00:10:00",
        ),
        ("unique: user_id, event_timestamp, country", "passed", ""),
        ("country: in de, f'r", "failed", "1 row of 5, the first of them row 2 (user_id 2): it"),
        ("country: share of NULLs <= 20%", "passed", ""),
        ("price: between 0 and 500.5", "failed", "2 rows of 5, the first of them row 1 (user_id 1): nan"),
        ("price: between -inf and inf", "failed", "1 row of 5, the first of them row 1 (user_id 1): nan"),
        ("price: share of NULLs < 20%", "failed", "1 of 5 rows is NULL (20%), the first of them row 4 (user_id 3)"),
        ("paid: between 0.1 and 20.5", "passed", ""),
        (
            "born: between 1970-01-01 and 2010-12-31",
            "failed",
            "2 rows of 5, the first of them row 1 (user_id 1): 1969-12-31",
        ),
        (
            "event_timestamp: between 2024-01-02 00:00:00 and 2024-01-02 12:00:00",
            "failed",
            "2 rows of 5, the first of them row 3 (user_id NULL): 2024-01-02 12:00:00.000001",
        ),
        ("spent_1d: in 1.5, 3", "passed", ""),
        ("spent_1d: coverage at least 40%", "passed", ""),
    ]


@by_case
def test_the_rows_are_those_of_the_oracle(case: GoldenCase, golden: list[Entry], golden_days: Path) -> None:
    runtime = next(one.runtime for one in golden if one.name == f"{case.name}_duckdb")
    for day, table in case.tables(service_dir(case, "duckdb", golden_days)).items():
        for name, expected in checked_columns(case.folder, runtime.parents[2] / "data", table).items():
            found = values(table.column(name))
            wanted = [_instant_default(value, table.schema.field(name).type) for value in expected]
            assert len(found) == len(wanted)
            assert all(map(_same, found, wanted)), f"{name} of {day}: {found} is not {wanted}"


@by_case
def test_the_audit_recomputes_the_rows(case: GoldenCase, golden: list[Entry], golden_days: Path) -> None:
    """A third computation, which judges rows, order, expressions and functions too."""
    entry = next(one for one in golden if one.name == f"{case.name}_duckdb")
    days = ["--output-root", str(golden_days / entry.name), "--runtime-config-path", str(entry.runtime)]
    assert audit([case.service, *days, "--probe", "recompute"]) == 0


def _instant_default(value: Any, kind: Any) -> Any:
    """A default of YAML as the oracle's value; dates are the only instants that have one here."""
    return 0 if value == "1970-01-01" and str(kind) == "date32[day]" else value


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, float) and isinstance(wanted, float):
        both_nan = math.isnan(found) and math.isnan(wanted)
        return both_nan or found == wanted or math.isclose(found, wanted, rel_tol=1e-12)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return list(found) == list(wanted) and all(map(_same, found.values(), wanted.values()))
    return bool(found == wanted)


def test_together_the_cases_have_every_operator_and_every_kind() -> None:
    from daeda.compiler.compile import project_dag

    operators = [operator for case in CASES for operator in project_dag(case.project).operators]
    kinds = {one.model_fields["op_kind"].default for one in Operator.__args__}
    assert {operator.op_kind for operator in operators} == kinds
    rolling = [operator for operator in operators if isinstance(operator, RollingAggregate)]
    used = {one.kind for operator in rolling for one in operator.aggregates}
    assert used == set(KINDS)


def test_every_case_says_what_it_is_about() -> None:
    for case in CASES:
        assert (case.folder / "config/training/runtime.yaml").read_text().startswith("# "), case.name
