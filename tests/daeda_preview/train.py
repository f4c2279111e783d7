"""A preview against a day that `train` has published: cell by cell, as rows of the day and as rows of one's own."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa

from beam_pipeline.in_memory.features import open_features
from daeda.catalog.project import ProjectPaths, load_project
from daeda.compiler.compile import compile_runnable
from enrich.in_memory import fill_vectors

# Rows of one's own are computed by the thousand as well as by one; a part of a day costs less.
_ROWS = 400


def compare_with_train(runtime: Path, data: Path, day: str, published: pa.Table) -> tuple[int, dict[str, str]]:
    """How many cells of rows of one's own agree, and what is left out of them; every cell of the day agrees, too."""
    project = load_project(ProjectPaths(runtime), flags={"data_root": str(data)})
    dag = compile_runnable(project)
    with open_features(project, dag) as features:
        of_day = features.of_day(dt.date.fromisoformat(day))
        _same(fill_vectors(project, of_day.dag, of_day.table), published)
        # Backwards, so that the order in which they are given counts.
        wanted = published.take([*reversed(range(min(_ROWS, published.num_rows)))])
        spine = [one.name for one in dag.spine.columns if one.name in published.column_names]
        own = features.of_rows(wanted.select(spine))
        made = fill_vectors(project, own.dag, own.table)
    _same(made, wanted)
    assert {*made.column_names} | {*own.left_out} == {*published.column_names}
    return made.num_rows * made.num_columns, dict(own.left_out)


def _same(made: pa.Table, wanted: pa.Table) -> None:
    for name in made.column_names:
        both = made.column(name).combine_chunks(), wanted.column(name).combine_chunks()
        assert both[0].type == both[1].type, name
        assert both[0].equals(both[1]), f"{name}: row {_first_difference(*both)}"


def _first_difference(made: pa.Array, wanted: pa.Array) -> str:
    pairs = enumerate(zip(made.to_pylist(), wanted.to_pylist(), strict=True))
    return next((f"{row}: {one} is not {other}" for row, (one, other) in pairs if one != other), "differs in its bits")
