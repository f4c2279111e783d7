"""Features of frames in this process, and against the rows that `train` has published."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import daeda
from daeda_python import features, worker
from daeda_python.driver import Ended
from daeda_python.told import Progress

_ROWS, _DOUBLED = 500, 80


def compute_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are computed in this process, and errors are raised in it: a process costs two seconds."""

    def run(words: Sequence[str], progress: Progress) -> Ended:
        assert words[0] == "features"
        worker._command(words[1:2])
        return Ended()

    monkeypatch.setattr(features, "run", run)
    monkeypatch.setattr(worker, "without_pandas", lambda project: None)


def compare_frames_with_train(
    monkeypatch: pytest.MonkeyPatch,
    runtime: Path,
    data: Path,
    published: pa.Table,
    given: Sequence[str],
    rounded: Collection[str] = (),
) -> int:
    """How many cells of features of published rows agree: in random order, some doubled, by both engines.

    `given` are the columns of the frame; what is `rounded` may differ in its last place in the other engine.
    """
    compute_here(monkeypatch)
    monkeypatch.setenv("DAEDA_DATA_ROOT", str(data))
    chance, cells = random.Random(11), 0
    order = chance.sample(range(published.num_rows), min(_ROWS, published.num_rows))
    order += order[:_DOUBLED]
    chance.shuffle(order)
    wanted = published.take(pa.array(order))
    for engine in ("duckdb", "polars"):
        monkeypatch.setenv("DAEDA_COMPUTE__ENGINE", engine)
        frame = wanted.select(list(given))
        made = daeda.project(runtime).features(frame, labels=True)
        assert {*made.column_names} == {*wanted.column_names}
        for name in made.column_names:
            both = made.column(name).combine_chunks(), wanted.column(name).combine_chunks()
            assert both[0].type == both[1].type, name
            if engine == "polars" and name in rounded:
                apart = pc.max(pc.divide(pc.abs(pc.subtract(*both)), pc.abs(both[1]))).as_py() or 0.0
                assert apart < 3e-16, name
                assert both[0].is_null().equals(both[1].is_null()), name
            else:
                assert both[0].equals(both[1]), f"{name}, engine {engine}"
        cells += made.num_rows * made.num_columns
        of_polars = daeda.project(runtime).features(pl.DataFrame(frame), columns=[made.column_names[-1]])
        assert of_polars.to_arrow().num_rows == made.num_rows
    return cells
