"""Pipelines as YAML: what is written says the same when it is read, for every operator and every option of it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from daeda.aggregates import DECAYED_KINDS, KINDS, LIST_KINDS, AggregateKind
from daeda.catalog.project import ProjectPaths, load_project
from daeda.compiler.compile import compile_project, project_dag
from daeda.compiler.edited import edited_path
from daeda.compiler.pipeline_file import load_edited, pipeline_text, write_generated
from daeda.durations import Duration
from daeda.operators.dag import Operator, PipelineModel
from daeda.operators.operator import Instant
from daeda.operators.relational import Filter, Join, Project, ProjectColumn, Scan, ScanColumn, Sink
from daeda.operators.temporal import Aggregate, Label, LabelAggregate, PointInTimeJoin, RollingAggregate
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform, StoreRef
from daeda.settings.document import Mistakes, load_document
from daeda.settings.validation import parse_model
from tests.budget import examples
from tests.projects import TinyProject

ROOT = Path(__file__).parents[3]
PROJECTS = {
    "household_ranking": ROOT / "examples/complete_journey/config/training/runtime.yaml",
    "dssm_ranking": ROOT / "config/training/runtime.yaml",
}


@pytest.mark.parametrize("service", PROJECTS)
def test_a_compiled_pipeline_is_the_same_when_it_is_loaded(service: str, tmp_path: Path) -> None:
    project = load_project(ProjectPaths(PROJECTS[service]))
    dag = compile_project(project)
    written = write_generated(dag, tmp_path)
    assert written.name == f"{service}.generated.yaml"
    loaded = load_edited(project, written)
    assert loaded == dag
    assert pipeline_text(loaded.to_model()) == written.read_text(encoding="utf-8") == pipeline_text(dag.to_model())


def test_the_hand_edited_file_is_the_pipeline_and_the_generated_one_is_never_read(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).write().load()
    compiled = compile_project(project)
    generated = write_generated(compiled, edited_path(project).parent)
    generated.write_text("not even: [YAML", encoding="utf-8")
    assert project_dag(project) == compiled
    text = pipeline_text(compiled.to_model()).replace("max_length: 3", "max_length: 2")
    edited_path(project).write_text(text, encoding="utf-8")
    rolling = next(operator for operator in project_dag(project).operators if isinstance(operator, RollingAggregate))
    assert [aggregate.max_length for aggregate in rolling.aggregates] == [None, 2]


NAMES = st.from_regex(r"[a-z]([a-z0-9]_?){0,7}", fullmatch=True)
MANY = st.lists(NAMES, min_size=1, max_size=4, unique=True).map(tuple)
ANY = st.lists(NAMES, max_size=4, unique=True).map(tuple)
# A document refuses NUL and half characters.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
TYPES = st.sampled_from(
    ["int64", "bool", "string", "date", "timestamp[us]", "timestamp[us, UTC]", "decimal(38, 4)", "list<list<int8>>"]
)
SPANS = st.sampled_from(["1ns", "90m", "7d", "52w", "unbounded"])
INSTANTS = st.builds(Instant, column=NAMES, unit=st.sampled_from(["s", "ms", "us", "ns"]))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    TEXT,
    st.dates(),
    st.datetimes(min_value=dt.datetime(1000, 1, 1)),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.just([]))


def either(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | value


@st.composite
def scans(draw: st.DrawFn) -> Scan:
    reads = draw(st.sampled_from(["static", "day", "lookback"]))
    return draw(
        st.builds(
            Scan,
            view=NAMES,
            name=NAMES,
            output=NAMES,
            path=TEXT,
            reads=st.just(reads),
            lookback=SPANS if reads == "lookback" else st.none(),
            time=st.none() if reads == "static" else INSTANTS,
            created=either(INSTANTS),
            columns=st.lists(st.builds(ScanColumn, name=NAMES, source=TEXT, dtype=TYPES), min_size=1).map(tuple),
            predicate=either(TEXT),
            order_by=ANY,
            partition_slack=st.integers(0, 3),
            null_timestamps=st.sampled_from(["error", "drop"]),
            missing_partitions=st.sampled_from(["error", "empty"]),
        )
    )


SEQUENCES = st.fixed_dictionaries(
    {"columns": st.lists(NAMES, min_size=1, max_size=3, unique_by=str.lower).map(tuple)},
    optional={"age": st.just("Since_then")},
) | st.fixed_dictionaries({"columns": NAMES.map(lambda name: (name,)), "layout": st.just("columns")})


@st.composite
def aggregates(draw: st.DrawFn) -> Aggregate:
    kind = draw(st.sampled_from(get_args(AggregateKind)))
    return Aggregate(
        name=draw(NAMES),
        kind=kind,
        **draw(
            SEQUENCES
            if kind == "sequence"
            else st.fixed_dictionaries({"column": either(NAMES) if KINDS[kind].counts_rows else NAMES})
        ),
        window=draw(SPANS),
        q=draw(st.decimals("0.0001", 1, places=4)) if kind == "quantile" else None,
        half_life=draw(st.sampled_from(["1ns", "90m", "3d"])) if kind in DECAYED_KINDS else None,
        max_length=draw(st.integers(1, 10**6)) if kind in LIST_KINDS else None,
        order=draw(st.sampled_from(["newest_first", "oldest_first"])),
    )


COMMON = {"name": NAMES, "inputs": MANY, "output": NAMES, "engine": st.sampled_from(["sql", "sql_arrow_udf"])}
COLUMN = {"name": NAMES, "dtype": TYPES, "default": VALUES}
FILTERS = st.one_of(
    st.builds(Filter, **COMMON, predicate=TEXT),
    st.builds(Filter, **COMMON, semi_join=MANY),
    st.builds(Filter, **COMMON, session=MANY, having=TEXT),
)
OPERATORS: dict[str, st.SearchStrategy[Operator]] = {
    "scan": scans(),
    "filter": FILTERS,
    "project": st.builds(
        Project,
        **COMMON,
        columns=st.lists(
            st.builds(ProjectColumn, **COLUMN, source=NAMES)
            | st.builds(ProjectColumn, **COLUMN, expression=TEXT)
            | st.builds(ProjectColumn, **COLUMN),
            min_size=1,
            max_size=4,
        ).map(tuple),
    ),
    "join": st.builds(Join, **COMMON, keys=MANY, columns=MANY)
    | st.builds(Join, **COMMON, keys=MANY, columns=MANY, latest=st.just(True), latest_by=INSTANTS),
    "pit_join": st.builds(
        PointInTimeJoin,
        **COMMON,
        keys=MANY,
        left_time=INSTANTS,
        right_time=INSTANTS,
        created=either(INSTANTS),
        ttl=either(SPANS),
        allow_exact=st.booleans(),
        columns=MANY,
        tie_order=ANY,
    ),
    "rolling_aggregate": st.builds(
        RollingAggregate,
        **COMMON,
        keys=MANY,
        left_time=INSTANTS,
        history_time=INSTANTS,
        created=either(INSTANTS),
        tie_order=ANY,
        aggregates=st.lists(aggregates(), min_size=1, max_size=4).map(tuple),
        compute=st.sampled_from(["duckdb", "polars"]),
    ),
    "label_aggregate": st.builds(
        LabelAggregate,
        **COMMON,
        keys=MANY,
        left_time=INSTANTS,
        history_time=INSTANTS,
        created=either(INSTANTS),
        tie_order=ANY,
        aggregates=st.lists(
            st.builds(
                Label,
                name=NAMES,
                kind=st.just("until_first"),
                gap=st.sampled_from(["0s", "2h"]).map(Duration.parse_delay),
                window=st.sampled_from(["1d", "36h"]).map(Duration.parse),
                matures_after=st.sampled_from(["0s", "1d"]).map(Duration.parse_delay),
            ),
            min_size=1,
            max_size=4,
        ).map(tuple),
        compute=st.sampled_from(["duckdb", "polars"]),
    ),
    "arrow_udf_transform": st.builds(
        ArrowUdfTransform, **COMMON, function=st.just("my.module:function"), columns=MANY, result=NAMES, dtype=TYPES
    ),
    "ray_udf_transform": st.builds(
        RayUdfTransform,
        **COMMON,
        kind=st.sampled_from(["lookup", "avg_pool"]),
        column=NAMES,
        source=NAMES,
        normalize=st.sampled_from(["none", "l2"]),
        store=st.builds(
            StoreRef,
            name=NAMES,
            path=TEXT,
            id_column=TEXT,
            vector_column=TEXT,
            dimension=st.integers(1, 4096),
            version=st.integers(1) | TEXT,
        ),
    ),
    "sink": st.builds(Sink, **COMMON, dataset=st.sampled_from(["skeleton", "enriched"]), not_null=ANY),
}


def test_every_operator_is_tried() -> None:
    assert sorted(OPERATORS) == sorted(arg.model_fields["op_kind"].default for arg in get_args(Operator))


@pytest.mark.some(2)
@pytest.mark.parametrize("kind", OPERATORS)
def test_every_operator_is_the_same_when_it_is_loaded(kind: str, tmp_path: Path) -> None:
    @settings(
        max_examples=examples(60),
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    @given(service=NAMES | st.sampled_from(["no", "null", "on"]), operator=OPERATORS[kind])
    def check(service: str, operator: Operator) -> None:
        path = tmp_path / "pipeline.yaml"
        written = PipelineModel(service=service, operators=(operator,))
        path.write_text(pipeline_text(written), encoding="utf-8")
        mistakes = Mistakes()
        document = load_document(path, tmp_path, mistakes)
        loaded = parse_model(PipelineModel, document, mistakes) if document else None
        assert mistakes.lines == []
        assert loaded == written

    check()
