"""Parts whose columns are written in slices, several at once, are byte for byte those of one COPY."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from beam_pipeline.day import part_writer
from beam_pipeline.day.part_writer import PartWriter, rows_of_parts
from beam_pipeline.session import registry
from beam_pipeline.session.arrow_columns import ArrowColumns
from beam_pipeline.session.cursors import Cursors
from beam_pipeline.session.record import KeptColumns
from beam_pipeline.session.resources import DayResources
from daeda.dataset.chunks import NotOfOneWriter
from daeda.dtypes import DType
from daeda.operators.relation import Column, Relation
from daeda.sql.handle import ColumnTable, Materialised, column
from daeda.storage.regular import file_digest

# A constant in front, whose slice alone would read nothing.
TYPES = {
    "none": "double", "k": "int64", "few": "int32", "list": "list<int64>", "real": "double", "word": "string",
    "nested": "list<list<int64>>", "yes": "bool", "at": "timestamp[us]",
}  # fmt: skip
EXPRESSIONS = {"none": "CAST(NULL AS DOUBLE)", "few": 'COALESCE("few", -1)'}


class Resources:
    """What a writer needs of the resources of a day."""

    copy = DayResources.copy

    def __init__(self, work: Path) -> None:
        self.connection = duckdb.connect(config={"threads": 3})
        cursors = Cursors(self.connection)
        self.beside, self.interrupt = cursors.beside, cursors.interrupt
        self.arrow_columns = ArrowColumns(self.connection, 1 << 28, work / "spill")
        self.work = work
        self.writers: set[int] = set()

    def check(self) -> None:
        self.writers.add(threading.get_ident())


def stored(rows: int) -> pa.Table:
    return pa.table({
        "k": pa.array(range(rows), pa.int64()),
        "few": pa.array([None if i % 3 == 0 else i % 11 for i in range(rows)], pa.int32()),
        "list": pa.array([None if i % 5 == 0 else [i, None] for i in range(rows)], pa.list_(pa.int64())),
        "real": pa.array([None if i % 7 == 0 else i / 3 for i in range(rows)], pa.float64()),
        "word": pa.array([f"word {i * 77 % 1001}" for i in range(rows)], pa.string()),
        "nested": pa.array([[[i], [], None] for i in range(rows)], pa.list_(pa.list_(pa.int64()))),
        "yes": pa.array([i % 2 == 0 for i in range(rows)], pa.bool_()),
        "at": pa.array(range(rows), pa.int64()).cast(pa.timestamp("us")),
    })  # fmt: skip


def day(directory: Path, rows: int, threads: int) -> tuple[Any, Materialised]:
    """A session of `threads` threads, and a day whose columns are all in Arrow."""
    work = directory / "work"
    work.mkdir(parents=True)
    resources = Resources(work)
    table = stored(rows)
    resources.arrow_columns.add("made", table)
    relation = Relation(tuple(Column(name, DType.parse(dtype)) for name, dtype in TYPES.items()))
    expressions = {name: EXPRESSIONS.get(name, column(name).sql("duckdb")) for name in TYPES}
    made = ColumnTable("made", tuple(table.column_names), numbered=False)
    given = resources.arrow_columns.side_by_side(Materialised(relation, rows, (made,), expressions))
    context = SimpleNamespace(limits=SimpleNamespace(threads=threads))
    return SimpleNamespace(resources=resources, context=context), given


def parts(directory: Path, rows: int, threads: int, per_part: int) -> tuple[list[Path], int]:
    """The parts of a day, and how many threads have written them: a part of several has its digest by then."""
    session, given = day(directory, rows, threads)
    writer = PartWriter(session, given.relation, given, None)
    paths = []
    for cut in rows_of_parts(rows, per_part):
        paths.append(directory / f"part-{cut.number}-0.parquet")
        digest = writer.write(paths[-1], cut)
        assert digest == (file_digest(paths[-1]) if threads > 1 and len(cut) and writer.slices else None)
    assert not list(session.resources.work.iterdir())
    return paths, len(session.resources.writers)


@pytest.mark.parametrize(("rows", "per_part"), [(0, 10), (1, 10), (5_000, 2_000), (130_000, 1 << 30)])
def test_slices_are_the_bytes_of_one_copy(
    tmp_path: Path, rows: int, per_part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_writer, "_LEAST_SLICE", 1)
    fallen_back = noted_refusals(monkeypatch)
    # The part of 130,000 rows has two groups, which is fewer than its threads.
    sliced, several = parts(tmp_path / "sliced", rows, 3, per_part)
    whole, one = parts(tmp_path / "whole", rows, 1, per_part)
    assert one == 1
    assert several > 1 or rows < 2
    assert not fallen_back
    assert [path.read_bytes() for path in sliced] == [path.read_bytes() for path in whole]


def noted_refusals(monkeypatch: pytest.MonkeyPatch, refuse: bool = False) -> list[Path]:
    """The parts whose slices could not be put side by side; where they are to be refused, all are."""
    noted: list[Path] = []
    original = part_writer.write_side_by_side

    def write(path: Path, columns: Any) -> str:
        try:
            digest = original(path, columns)
            if refuse:
                raise NotOfOneWriter("of another version")
        except NotOfOneWriter:
            noted.append(path)
            raise
        return digest

    monkeypatch.setattr(part_writer, "write_side_by_side", write)
    return noted


def test_slices_that_cannot_be_put_side_by_side_are_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_writer, "_LEAST_SLICE", 1)
    fallen_back = noted_refusals(monkeypatch, refuse=True)
    written, several = parts(tmp_path / "refused", 5_000, 3, 1_000)
    assert several > 1
    assert fallen_back == written[:1]
    whole, _ = parts(tmp_path / "whole", 5_000, 1, 1_000)
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in whole]


def test_an_interrupt_of_the_day_ends_its_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run in cursors, which an interrupt of the day's connection alone leaves running."""
    monkeypatch.setattr(part_writer, "_LEAST_SLICE", 1)
    session, given = day(tmp_path, 5_000, 2)
    # It would take a minute.
    slow = '"k" + (SELECT count(*) FROM range(1000000) CROSS JOIN range(100000))'
    given = replace(given, expressions={**given.expressions, "k": slow, "real": f"{slow} + 0.5"})
    monkeypatch.setitem(registry._sessions, "attempt", session)
    (cut,) = rows_of_parts(5_000, 5_000)
    writer = PartWriter(session, given.relation, given, None)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(writer.write, tmp_path / "part-0-0.parquet", cut)
        began = time.monotonic()
        # As a run that stops does: a slice may be about to begin.
        while not wait([writing], timeout=0.1).done and time.monotonic() < began + 20:
            if len(session.resources.writers) > 1:
                registry._interrupt("attempt")
        assert time.monotonic() < began + 20
        with pytest.raises(duckdb.InterruptException):
            writing.result()
    assert not list(session.resources.work.iterdir())


def test_slices_stand_beside_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_writer, "_LEAST_SLICE", 1)
    rows = 5_000
    (whole,), _ = parts(tmp_path / "whole", rows, 1, rows)
    session, given = day(tmp_path / "extended", rows, 2)
    names = [name for name in TYPES if name not in ("word", "at")]
    computed = replace(given, relation=Relation(tuple(map(given.relation.column, names))))
    kept = KeptColumns({"word": "word", "at": "at"}, None, (whole,))  # type: ignore[arg-type]
    (cut,) = rows_of_parts(rows, rows)
    path = tmp_path / "extended" / whole.name
    digest = PartWriter(session, given.relation, computed, kept).write(path, cut)
    assert len(session.resources.writers) > 1
    assert path.read_bytes() == whole.read_bytes()
    assert digest == file_digest(whole)


def test_a_value_that_does_not_fit_fails_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_writer, "_LEAST_SLICE", 1)
    session, given = day(tmp_path, 5_000, 2)
    given = replace(given, expressions={**given.expressions, "few": '"k" * 1000000000'})
    (cut,) = rows_of_parts(5_000, 5_000)
    with pytest.raises(duckdb.Error, match="out of range"):
        PartWriter(session, given.relation, given, None).write(tmp_path / "part-0-0.parquet", cut)


def test_a_day_is_cut_into_parts() -> None:
    def cuts(rows: int, per_part: int) -> list[tuple[int, int, bool]]:
        return [(cut.first, cut.last, cut.open) for cut in rows_of_parts(rows, per_part)]

    assert cuts(5, 2) == [(0, 2, False), (2, 4, False), (4, 5, True)]
    assert cuts(4, 2) == [(0, 2, False), (2, 4, True)]
    assert cuts(0, 2) == [(0, 0, True)]
