"""Events of OpenLineage: one for each day that was published, with what it was made of, column by column.

The names of datasets are those of OpenLineage: `file` and a path, `s3://bucket` and a key. A day is a run of the job
`<service>.<dataset>`; whoever tells of the same day twice tells of the same run.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated.base import JobFacet
from openlineage.client.generated.column_lineage_dataset import (
    ColumnLineageDatasetFacet,
    Fields,
    InputField,
    Transformation,
)
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.documentation_job import DocumentationJobFacet
from openlineage.client.generated.input_statistics_input_dataset import InputStatisticsInputDatasetFacet
from openlineage.client.generated.job_type_job import JobTypeJobFacet
from openlineage.client.generated.nominal_time_run import NominalTimeRunFacet
from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet
from openlineage.client.generated.ownership_job import Owner, OwnershipJobFacet
from openlineage.client.generated.processing_engine_run import ProcessingEngineRunFacet
from openlineage.client.generated.schema_dataset import SchemaDatasetFacet, SchemaDatasetFacetFields

from daeda.catalog.project import Project
from daeda.compiler.lineage import Lineages, SourceField
from daeda.dataset.layout import Layout
from daeda.dataset.manifest import Manifest
from daeda.operators.dag import Dag
from daeda.operators.udf import RayUdfTransform

_PRODUCER = "urn:daeda"
_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class DatasetName:
    """What OpenLineage calls a dataset."""

    namespace: str
    name: str


def dataset_name(reference: str) -> DatasetName:
    """The name of a path, or of an address of storage or of a database.

    >>> dataset_name("/data/events"), dataset_name("s3://bucket/events")
    (DatasetName(namespace='file', name='/data/events'), DatasetName(namespace='s3://bucket', name='events'))
    """
    if "://" not in reference:
        return DatasetName("file", reference)
    address = urlsplit(reference)
    return DatasetName(f"{address.scheme}://{address.hostname or ''}", address.path.strip("/") or "/")


class Events:
    """The events of one service, of the pipeline that a run has built. `paths` are where each view was read."""

    def __init__(self, project: Project, dag: Dag, layout: Layout, paths: Iterable[tuple[str, Path | str]]) -> None:
        self._project, self._dag, self._layout = project, dag, layout
        self._views = {view: dataset_name(str(path)) for view, path in paths}
        self._stores = {
            operator.store.name: dataset_name(project.data_path(operator.store.path)) for operator in dag.enrichments
        }
        self._scans = {scan.name: scan.view for scan in dag.scans}

    def of(self, manifest: Manifest, now: dt.datetime) -> RunEvent:
        """The event that tells of a published day."""
        return RunEvent(
            eventTime=now.isoformat(),
            eventType=RunState.COMPLETE,
            run=self._run(manifest),
            job=self._job(manifest),
            inputs=self._inputs(manifest),
            outputs=[self._output(manifest)],
            producer=f"{_PRODUCER}:{manifest.software.get('daeda', '')}",
        )

    def _run(self, manifest: Manifest) -> Run:
        directory = self._layout.day_dir(manifest.dataset, dt.date.fromisoformat(manifest.day))
        begin = dt.datetime.combine(dt.date.fromisoformat(manifest.day), dt.time(), dt.UTC)
        facets = {
            "nominalTime": NominalTimeRunFacet(begin.isoformat(), (begin + _ONE_DAY).isoformat()),
            "processing_engine": ProcessingEngineRunFacet(manifest.software.get("daeda", "unknown"), "daeda"),
        }
        return Run(str(uuid.uuid5(uuid.NAMESPACE_URL, f"{directory} {_version(manifest)}")), facets)

    def _job(self, manifest: Manifest) -> Job:
        service = self._project.service
        facets: dict[str, JobFacet] = {"jobType": JobTypeJobFacet("BATCH", "DAEDA", "TRAINING_SET")}
        if service.description:
            facets["documentation"] = DocumentationJobFacet(service.description)
        if service.owner:
            facets["ownership"] = OwnershipJobFacet([Owner(service.owner)])
        namespace = dataset_name(str(self._layout.output_root))
        return Job(f"{namespace.namespace}:{namespace.name}", f"{service.name}.{manifest.dataset}", facets)

    def _inputs(self, manifest: Manifest) -> list[InputDataset]:
        """Views with the files that were read; of an enriched day its skeleton and the stores."""
        if manifest.dataset == "enriched":
            names = [dataset_name(str(self._layout.dataset_dir("skeleton"))), *self._stores.values()]
            return [InputDataset(one.namespace, one.name) for one in names]
        files: dict[str, dict[str, int]] = {view: {} for view in self._views}
        for file in manifest.inputs:
            view = self._scans.get(file.operator)
            if view in files:
                files[view][file.path] = file.size
        return [self._view(view, sizes) for view, sizes in files.items()]

    def _view(self, view: str, sizes: Mapping[str, int]) -> InputDataset:
        name = self._views[view]
        fields = [
            SchemaDatasetFacetFields(column.source, column.dtype.name)
            for scan in self._dag.scans
            if scan.view == view
            for column in scan.columns
        ]
        unique = list({field.name: field for field in fields}.values())
        statistics = InputStatisticsInputDatasetFacet(size=sum(sizes.values()), fileCount=len(sizes))
        return InputDataset(
            name.namespace,
            name.name,
            inputFacets={"inputStatistics": statistics},
            facets={"schema": SchemaDatasetFacet(unique)},
        )

    def _output(self, manifest: Manifest) -> OutputDataset:
        name = dataset_name(str(self._layout.dataset_dir(manifest.dataset)))
        described = {column.name: column.description for column in self._project.service.columns}
        schema = [
            SchemaDatasetFacetFields(column.name, column.dtype, described.get(column.name) or None)
            for column in manifest.columns
        ]
        size = sum(part.size for part in manifest.parts)
        statistics = OutputStatisticsOutputDatasetFacet(manifest.rows, size, len(manifest.parts))
        return OutputDataset(
            name.namespace,
            name.name,
            outputFacets={"outputStatistics": statistics},
            facets={
                "schema": SchemaDatasetFacet(schema),
                "version": DatasetVersionDatasetFacet(_version(manifest)),
                "columnLineage": self._column_lineage(manifest),
            },
        )

    def _column_lineage(self, manifest: Manifest) -> ColumnLineageDatasetFacet:
        lineages = Lineages(self._dag if manifest.dataset == "enriched" else self._dag.skeleton())
        skeleton = dataset_name(str(self._layout.dataset_dir("skeleton")))
        filled = {operator.column: operator for operator in self._dag.enrichments}
        fields = {}
        for column in manifest.columns:
            if manifest.dataset == "enriched":
                fields[column.name] = Fields(self._of_enriched(column.name, skeleton, filled.get(column.name)))
                continue
            lineage = lineages.of(column.name)
            direct = [self._input(one, "DIRECT", "TRANSFORMATION") for one in sorted(lineage.direct)]
            indirect = [self._input(one, "INDIRECT", "JOIN") for one in sorted(lineage.indirect)]
            fields[column.name] = Fields([*direct, *indirect])
        rows = lineages.rows() if manifest.dataset == "skeleton" else None
        chosen = [self._input(one, "INDIRECT", "FILTER") for one in rows.sources] if rows is not None else []
        return ColumnLineageDatasetFacet(fields, chosen)

    def _of_enriched(self, column: str, skeleton: DatasetName, filled: RayUdfTransform | None) -> list[InputField]:
        """A column that is filled comes from vectors, chosen by ids; each other one is that of the skeleton."""
        if filled is None:
            same = [Transformation("DIRECT", "IDENTITY")]
            return [InputField(skeleton.namespace, skeleton.name, column, same)]
        store, kind = self._stores[filled.store.name], "TRANSFORMATION" if filled.kind == "lookup" else "AGGREGATION"
        return [
            InputField(store.namespace, store.name, filled.store.vector_column, [Transformation("DIRECT", kind)]),
            InputField(skeleton.namespace, skeleton.name, filled.source, [Transformation("INDIRECT", "JOIN")]),
        ]

    def _input(self, field: SourceField, kind: str, subtype: str) -> InputField:
        name = self._stores[field.source] if field.is_store else self._views[field.source]
        return InputField(name.namespace, name.name, field.field, [Transformation(kind, subtype)])


def _version(manifest: Manifest) -> str:
    """A digest of the parts of a day: another one for other bytes."""
    return hashlib.sha256("".join(part.sha256 for part in manifest.parts).encode()).hexdigest()
