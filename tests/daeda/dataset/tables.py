"""Days published of Arrow tables, without an executor: what commands over published days need."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dataset.fingerprint import parts_digest
from daeda.dataset.layout import Dataset, Layout, part_name
from daeda.dataset.manifest import ColumnIdentities, ColumnStatistics, Fingerprint, Manifest, Part, read_manifest
from daeda.dataset.publish.publish import prepare_day, publish_day
from daeda.dataset.publish.staging import open_staging
from daeda.storage.regular import file_digest

NO_FINGERPRINT = Fingerprint({}, {}, {})


def publish_table(
    layout: Layout,
    day: dt.date,
    table: pa.Table,
    *,
    dataset: Dataset = "skeleton",
    rows_per_part: int = 1000,
    kinds: Mapping[str, str] | None = None,
    fingerprint: Fingerprint = NO_FINGERPRINT,
    identities: ColumnIdentities | None = None,
    software: Mapping[str, str] | None = None,
) -> None:
    """Publish a table as a day; an enriched one is made of the skeleton day that is there."""
    if dataset == "enriched":
        skeleton = read_manifest(layout.day_dir("skeleton", day))
        assert skeleton is not None
        inputs = {**fingerprint.inputs, "skeleton": parts_digest(skeleton.parts)}
        fingerprint = Fingerprint(fingerprint.operators, inputs, fingerprint.settings)
    with open_staging(layout) as staging:
        ready = prepare_day(staging, dataset, day, "a")
        parts = []
        for number in range(max(1, -(-len(table) // rows_per_part))):
            path = ready / part_name(number)
            piece = table.slice(number * rows_per_part, rows_per_part)
            pq.write_table(piece, path, row_group_size=max(1, rows_per_part // 2))
            parts.append(Part(path.name, len(piece), path.stat().st_size, file_digest(path)))
        columns = tuple(
            ColumnStatistics(name, str(column.type), column.null_count, kind=(kinds or {}).get(name))
            for name, column in zip(table.column_names, table.columns, strict=True)
        )
        manifest = Manifest(
            layout.service, dataset, str(day), len(table), tuple(parts), columns, fingerprint,
            identities=identities, software=dict(software or {}),
        )  # fmt: skip
        publish_day(staging, dataset, day, ready, manifest)
