"""Leaks in which rows there are and in what expressions read of them, planted in the product: the audit names each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlglot import exp

import daeda.sql.sampling
from daeda.compiler.compile import compile_runnable
from daeda.operators.relational import Filter, Project, ProjectColumn
from daeda.operators.udf import ArrowUdfTransform
from daeda.planning.days import Action, DayPlan
from daeda.planning.remarks import remarks
from daeda.planning.sources import find_sources
from daeda.settings.sampling import Sample
from tests.daeda_audit.feed import DAYS, build, feed
from tests.daeda_audit.test_leaks import audit, blamed, changing
from tests.projects import TinyProject

SAMPLE = {"share": 0.4, "by": ["user_id", "kind"], "seed": 7, "where": "amount > 0", "weight": "heft"}
# The source's kind is NULL in some rows, and shown as 'none'.
DERIVED = [
    {"name": "is_none", "kind": "derived", "dtype": "bool", "expression": "kind = 'none'"},
    {
        "name": "depth",
        "kind": "derived",
        "dtype": "int64",
        "expression": "CASE WHEN is_none THEN 1 ELSE category_size END",
    },
    {"name": "category_size", "kind": "derived", "dtype": "int64", "expression": "length(category)", "default": 3},
    {
        "name": "hour_in_india",
        "kind": "derived",
        "dtype": "int64",
        "expression": "CAST(hour_of(event_timestamp) AS BIGINT)",
        "timezone": "Asia/Kolkata",
    },
    {"name": "size", "kind": "udf", "dtype": "int32"},
    {"name": "amount_or_0", "kind": "derived", "dtype": "double", "expression": "coalesce(spent, 0) + amount"},
]


@pytest.fixture(scope="module")
def unbuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = feed(tmp_path_factory.mktemp("sampled"))
    made.service["spine"]["filters"][1] = {"where": "kind IS NULL OR kind <> 'refresh'"}
    made.service["spine"]["filters"].append({"sample": SAMPLE})
    made.service["columns"].append({"name": "heft", "kind": "spine", "dtype": "double", "nullable": False})
    made.aggregations["udf_specs"] = [
        {"name": "size", "function": "pyarrow.compute:utf8_length", "columns": ["kind"], "dtype": "int32"}
    ]
    made.service["columns"] += DERIVED
    made.runtime["output_columns"] += ["heft", *(column["name"] for column in DERIVED)]
    return made.write().root


@pytest.fixture
def made(unbuilt: Path, tmp_path: Path) -> TinyProject:
    shutil.copytree(unbuilt, tmp_path / "feed")
    return TinyProject(tmp_path / "feed")


def test_a_sample_passes_and_what_it_dropped_without_a_key_is_counted(
    made: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    build(made)
    code, _, told = audit(made, capsys)
    assert (code, blamed(told)) == (0, set())
    assert "every row of the spine that the sample by user_id, kind keeps, and no other" in told
    manifests = [
        json.loads((made.root / f"output/ranking/skeleton/dt={day}/_manifest.json").read_text()) for day in DAYS
    ]
    dropped = [manifest["without_key"]["filter_spine_4"] for manifest in manifests]
    assert min(dropped) > 0
    project = made.load()
    dag = compile_runnable(project)
    plans = [DayPlan(day, "skeleton", Action.SKIP) for day in DAYS]
    told = remarks(project, dag, find_sources(project, dag), "skeleton", plans)
    (sentence,) = (one for one in told if "sample" in one)
    assert sentence == (
        f"sample of 0.4 by user_id, kind (feature_services/ranking.yaml:18): {sum(dropped)} rows to be sampled have a "
        "NULL in user_id or kind, and are left out: keep them by a condition in 'where', or sample by another column"
    )


def by_another_seed(operator: Filter) -> Sample | None:
    return operator.sample and operator.sample.model_copy(update={"seed": 8})


def by_another_key(operator: Filter) -> Sample | None:
    return operator.sample and operator.sample.model_copy(update={"by": ("user_id",)})


def of_all_rows(operator: Filter) -> Sample | None:
    return operator.sample and operator.sample.model_copy(update={"where": None})


OPERATORS: dict[str, tuple[Callable[[Filter], Sample | None], set[str]]] = {
    "a sample by another seed": (by_another_seed, {"(rows)"}),
    "a sample by another key": (by_another_key, {"(rows)"}),
    "where of the sample ignored": (of_all_rows, {"(rows)"}),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_a_sample_that_does_something_else_is_found(
    name: str, made: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, columns = OPERATORS[name]
    build(made, changing(Filter, sample=sample), DAYS[1:], broken_sql=False)
    code, _, told = audit(made, capsys)
    assert code == 1
    assert columns <= blamed(told)
    assert "that the sample by user_id, kind keeps" in told


def reading_the_input(operator: Project) -> tuple[ProjectColumn, ...]:
    """Expressions that read what they can as it is, its default not filled."""
    derived = {column.name for column in operator.columns if column.expression is not None}
    return tuple(
        column.model_copy(update={"reads_output": tuple(name for name in column.reads_output if name in derived)})
        for column in operator.columns
    )


def test_a_default_that_expressions_do_not_see_is_found(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    build(made, changing(Project, columns=reading_the_input), DAYS[1:], broken_sql=False)
    code, _, told = audit(made, capsys)
    # Of is_cheap it shows in few rows, and some are recomputed.
    assert (code, blamed(told) - {"is_cheap"}) == (1, {"is_none", "depth", "category_size"})


def without_zones(operator: Project) -> tuple[ProjectColumn, ...]:
    return tuple(column.model_copy(update={"timezone": None}) for column in operator.columns)


def test_a_zone_that_is_ignored_is_found(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    build(made, changing(Project, columns=without_zones), DAYS[1:], broken_sql=False)
    code, _, told = audit(made, capsys)
    assert (code, blamed(told)) == (1, {"hour_in_india"})


def test_a_function_that_gets_null_for_a_default_is_found(
    made: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    build(made, changing(ArrowUdfTransform, defaults=lambda operator: {}), DAYS[1:], broken_sql=False)
    code, _, told = audit(made, capsys)
    assert (code, blamed(told)) == (1, {"size"})


def by_sha(sample: Sample) -> exp.Expr:
    """The condition with another hash."""
    return KEPT(sample).transform(lambda node: exp.SHA2(this=node.this) if isinstance(node, exp.MD5) else node)


KEPT = daeda.sql.sampling.is_kept


def test_a_sample_by_another_hash_is_found(
    made: TinyProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("daeda.sql.scan.is_kept", by_sha)
        build(made, days=DAYS[1:])
    code, out, told = audit(made, capsys)
    assert code == 1
    assert "(rows)" in blamed(told)
    assert "(rows)" in out


def test_a_weight_that_is_the_share_is_found(
    made: TinyProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Sample, "weight_of_sampled", property(lambda sample: float(sample.share)))
        build(made, days=DAYS[1:])
    code, _, told = audit(made, capsys)
    assert (code, blamed(told)) == (1, {"heft"})
