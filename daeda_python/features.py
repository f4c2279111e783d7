"""Features of a frame of one's own, and rows of a day: asked of a process, and read from the file that it writes."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from daeda.catalog.project import Project
from daeda.errors import counted
from daeda_data.names import names_asked
from daeda_python.driver import run
from daeda_python.frames import FrameT, appended, check_index, names_of, to_arrow
from daeda_python.request import Answer, Exchange, Request
from daeda_python.results import Preview
from daeda_python.told import Progress, warn


def features_of(
    frame: FrameT,
    project: Project,
    runtime: Path,
    *,
    columns: Sequence[str] | None,
    labels: bool,
    progress: bool | None,
) -> FrameT:
    """See `daeda.Project.features`."""
    wanted = names_asked(columns)
    names = names_of(frame)
    declared = {field.name for field in project.views[project.service.spine.view].fields}
    check_index(frame, declared)
    rows = to_arrow(frame, [name for name in names if name in declared])
    request = Request(
        runtime=runtime,
        service=project.service.name,
        names=names,
        columns=wanted,
        labels=labels,
    )
    shown = Progress(f"features of {counted(rows.num_rows, 'row')}", progress)
    answer, made = _asked(request, rows, shown)
    warn(answer.notes, stack_level=4)
    return appended(frame, made)


def preview_of(
    runtime: Path,
    service: str | None,
    day: dt.date | None,
    rows: int | None,
    columns: Sequence[str] | None,
    progress: bool | None,
) -> Preview:
    """See `daeda.Project.preview`."""
    request = Request(runtime=runtime, service=service, columns=names_asked(columns), day=day, rows=rows)
    answer, made = _asked(request, None, Progress("preview", progress))
    return Preview(answer.service, made, answer.left_out, answer.notes)


def _asked(request: Request, rows: pa.Table | None, progress: Progress) -> tuple[Answer, pa.Table]:
    """The answer, and the table, which lies in a file that goes when nobody has the table any more."""
    with tempfile.TemporaryDirectory(prefix="daeda-frame-") as made:
        exchange = Exchange(Path(made))
        exchange.ask(request)
        if rows is not None:
            with pa.OSFile(str(exchange.rows), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
                writer.write_table(rows)
        ended = run(["features", made, "--log-json"], progress)
        if ended.code:
            ended.raise_error()
        warn(ended.warnings, stack_level=5)
        with pa.memory_map(str(exchange.features)) as source:
            return exchange.answered(), pa.ipc.open_file(source).read_all()
