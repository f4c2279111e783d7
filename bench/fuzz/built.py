"""A small project and one day of it, built in this process: what the day holds, or the sentence that refused it."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from beam_pipeline.day.execution import run_operator
from beam_pipeline.public_run import open_run
from beam_pipeline.session.registry import begin, session_of
from beam_pipeline.session.timed import timed
from beam_pipeline.workers.context import DayHandle
from daeda.errors import DaedaError
from tests.projects import TinyProject

DAY = dt.date(2024, 1, 2)
NOON = dt.datetime(2024, 1, 2, 12)
# The spine's rows that are always there.
ROWS = [(1, 10, NOON, 1.0), (2, 11, NOON, 2.0)]
SCHEMA = pa.schema(
    [
        ("user_id", pa.int64()),
        ("item_id", pa.int64()),
        ("event_timestamp", pa.timestamp("us")),
        ("amount", pa.float64()),
    ]
)


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory of one example."""
    root = Path(tempfile.mkdtemp(prefix="daeda-fuzz-"))
    try:
        yield root
    finally:
        shutil.rmtree(root)


def tiny_project(root: Path, data: str = "data") -> TinyProject:
    """Spine and a static view, over one day; its files of YAML are written, and those of data are not."""
    project = TinyProject(root).without("item_vector", "price", "events_1d", "recent_items")
    project.aggregations.clear()
    project.base.clear()
    del project.views["prices"]
    project.runtime |= {"data_root": data, "feed_start": str(DAY), "feed_end": str(DAY)}
    return project.write()


def table_of(rows: list[tuple[Any, ...]]) -> pa.Table:
    """Rows of the spine view."""
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)


def write_items(root: Path, data: str = "data") -> None:
    """The static view."""
    (root / data).mkdir(parents=True, exist_ok=True)
    items = pa.table({"item_id": pa.array([10, 11], pa.int64()), "category": ["toys", "books"]})
    pq.write_table(items, root / data / "items.parquet")


def build(project: TinyProject) -> list[dict[str, Any]] | str:
    """The rows that were published of DAY, or what refused them; anything but a DaedaError is raised."""
    loaded, dag = project.load(), project.compile().skeleton()
    try:
        with open_run(
            loaded.service_dir.parent, loaded.service.name, data_root=loaded.data_root, threads=1, memory_bytes=2**30
        ) as context:
            handle = begin(context, DayHandle(DAY))
            session = session_of(handle)
            for operator in dag.operators:
                with timed(session, operator.name):
                    handle = run_operator(session, operator, handle)  # type: ignore[arg-type]
            session.close()
    except DaedaError as error:
        return str(error)
    return [row for part in handle.parts for row in pq.ParquetFile(part).read().to_pylist()]
