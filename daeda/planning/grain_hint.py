"""A hint where rows of the spine share their time and grain: nothing requires that they differ, and each is kept."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from daeda.catalog.project import Project
from daeda.errors import DaedaError
from daeda.planning.leak_hints import LEAST_ROWS, Hint, rows_to_look_at
from daeda.planning.mistakes import scan_of_view
from daeda.planning.sources import Sources


def grain_hints(project: Project, sources: Sources) -> Iterator[Hint]:
    """How many of the newest rows of the spine's view share time and grain with another, if any do."""
    view = project.views.get(project.service.spine.view)
    read = next((scan for scan in sources.scans if view is not None and scan.view == view.name), None)
    if view is None or read is None or view.source.timestamp_field is None:
        return
    grain = [name for name in project.service.grain if name != view.source.timestamp_field]
    time = view.source_name(view.source.timestamp_field)
    names = list(dict.fromkeys([time, *map(view.source_name, grain)]))
    try:
        rows = rows_to_look_at(scan_of_view(view), sources.files[read.name], newest=True)
    except (OSError, pa.ArrowException, DaedaError):
        return  # the checks of its files tell what is wrong with them
    if rows is None or rows.num_rows < LEAST_ROWS or not set(names) <= set(rows.column_names):
        return
    shared = _sharing(rows.filter(pc.is_valid(rows[time])).select(names))
    if not shared:
        return
    filters = ", before its filters," if project.service.spine.filters else ""
    yield Hint(
        "grain",
        project.where("service", ("grain",)),
        f"{shared:,} of {rows.num_rows:,} rows of '{view.name}' that were looked at share{filters} their time and "
        f"grain ({', '.join(project.service.grain)}) with another",
        "the grain need not be unique, and each row is kept: where one event is there twice, remove it in the source; "
        "where they are different events, a further column in grain tells them apart",
    )


def _sharing(rows: pa.Table) -> int:
    """How many rows are there more than once; 0 for types whose values Arrow does not compare."""
    # Files, and parts of one, have dictionaries of their own.
    plain = [pa.field(one.name, one.type.value_type if pa.types.is_dictionary(one.type) else one.type)
             for one in rows.schema]  # fmt: skip
    try:
        grouped = rows.cast(pa.schema(plain)).group_by(rows.column_names).aggregate([([], "count_all")])
    except pa.ArrowNotImplementedError:
        return 0
    counts = grouped["count_all"]
    return int(pc.sum(counts.filter(pc.greater(counts, 1))).as_py() or 0)
