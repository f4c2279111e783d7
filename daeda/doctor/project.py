"""What a project reaches: its output, sources, databases, object storage, embedding stores, and the head of Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.dataset.layout import layout_of
from daeda.doctor.file_system import look_at_directory
from daeda.doctor.finding import Finding, Probe
from daeda.errors import InputError, counted, first_line
from daeda.operators.dag import Dag
from daeda.planning.exports import wanted_of
from daeda.process.host import probe_host, skeleton_memory
from daeda.process.subprocesses import Interruptions, run_subprocess
from daeda.sources.exports import process as export_process
from daeda.sources.exports.request import Request
from daeda.sources.listing import find_files
from daeda.sources.models.ducklake import DuckLakeSource
from daeda.sources.models.source import DatabaseSource
from daeda.storage.access import find_access
from daeda.storage.client import RetryPolicy, S3Client
from daeda.storage.location import ObjectPath, is_object, object_path
from daeda.storage.parquet import open_parquet

# Of a server of objects whose clock is further away, signed requests are refused; half of it is told.
_MOST_SKEW = 60.0
# The libraries of Ray and Lance alone take some seconds to be imported.
_STORE_FACTOR = 6


@dataclass(frozen=True)
class Service:
    """A service of the project: what was declared, what it is compiled to, and the flags that lead to it."""

    project: Project
    dag: Dag
    words: Sequence[str] = field(default=())

    @property
    def views(self) -> list[FeatureView]:
        """The views that its days read."""
        names = dict.fromkeys(scan.view for scan in self.dag.scans)
        return [self.project.views[name] for name in names if name in self.project.views]


def needed_extras(services: Iterable[Service]) -> set[str]:
    """The extras of daeda that runs of these services need."""
    extras = set()
    for service in services:
        extras.add("beam")
        extras |= {"polars"} & set(service.dag.rolling_engines)
        extras |= {"ray"} if service.dag.enrichments else set()
        extras |= {"s3"} if _buckets(service) else set()
        databases = [view.source for view in service.views if isinstance(view.source, DatabaseSource)]
        extras |= {"ducklake" if isinstance(source, DuckLakeSource) else "postgres" for source in databases}
    return extras


def project_probes(services: Sequence[Service], seconds: float) -> list[Probe]:
    """The probes of what the services reach, each thing once; a probe of theirs may take so long."""
    probes: dict[tuple[str, ...], Probe] = {}
    for service in services:
        for key, probe in _probes_of(service, seconds):
            probes.setdefault(key, probe)
    return list(probes.values())


def _probes_of(service: Service, seconds: float) -> Iterator[tuple[tuple[str, ...], Probe]]:
    project = service.project
    scratch = layout_of(project).scratch_dir.parent
    setting = "staging_root" if isinstance(project.service_dir, ObjectPath) else "output_root"
    yield (
        ("output", str(scratch)),
        Probe(setting, lambda: look_at_directory(setting, scratch, f"choose another {setting}", shared=True), seconds),
    )
    spill = project.runtime.compute.duckdb_config.temp_directory
    if spill:
        directory = project.root / spill
        choose = "choose another compute.duckdb_config.temp_directory"
        yield (
            ("spill", str(directory)),
            Probe("temp_directory", lambda: look_at_directory("temp_directory", directory, choose), seconds),
        )
    yield ("memory", project.service.name), Probe("memory of the skeleton", lambda: _memory(project), seconds)
    for bucket in sorted(_buckets(service)):
        yield ("bucket", bucket), Probe(f"s3://{bucket}", lambda name=bucket: _bucket(name, seconds), seconds)  # type: ignore[misc]
    for view in service.views:
        look = _database if isinstance(view.source, DatabaseSource) else _files
        yield (
            ("view", view.name, project.data_path(view.source.reference)),
            Probe(f"view {view.name}", lambda look=look, view=view: look(project, view, seconds), seconds),  # type: ignore[misc]
        )
    if service.dag.enrichments:
        stores = sorted({operator.store.name for operator in service.dag.enrichments})
        name = f"stores {', '.join(stores)}" + (" and Ray's head" if project.runtime.ray.address else "")
        limit = _STORE_FACTOR * seconds
        yield ("stores", project.service.name), Probe(name, lambda: _stores(name, service), limit)


def _buckets(service: Service) -> set[str]:
    """The buckets of the output and of the sources and stores that are files."""
    project = service.project
    sources = [view.source for view in service.views]
    paths = [str(project.service_dir), *(operator.store.path for operator in service.dag.enrichments)]
    paths += [source.reference for source in sources if not isinstance(source, DatabaseSource)]
    places = [project.data_path(path) if "://" not in path else path for path in paths]
    return {object_path(place).bucket for place in places if is_object(place)}


def _memory(project: Project) -> Iterator[Finding]:
    memory = skeleton_memory(project.runtime.compute.duckdb_config.memory_limit, probe_host())
    clamped = memory.sentence()
    if clamped:
        cure = "give this host more, or lower compute.duckdb_config.memory_limit"
        yield Finding("warning", f"memory of {project.service.name}", clamped, cure)


def _bucket(name: str, seconds: float) -> Iterator[Finding]:
    policy = RetryPolicy(attempts=2, timeout=seconds / 3, total=seconds * 0.9)
    client = S3Client(find_access(), policy)
    began = time.monotonic()
    client.listing(ObjectPath(name, "_daeda_doctor"))
    took = time.monotonic() - began
    ahead = client.clock_ahead(ObjectPath(name))
    seen = f"answers in {took:.2f} s"
    if ahead is not None and abs(ahead) > _MOST_SKEW:
        cure = "set both clocks by NTP: a server refuses requests that are signed at another time"
        seen += f"; its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this host"
        yield Finding("warning", f"s3://{name}", seen, cure)
    else:
        yield Finding("ok", f"s3://{name}", seen)


def _files(project: Project, view: FeatureView, seconds: float) -> Iterator[Finding]:
    """The files of a view, and the footer of the newest one."""
    del seconds
    files = find_files(view.source.reference, view.name, project.data_root)
    what = f"view {view.name}"
    if files.in_order:
        newest = files.in_order[-1]
        try:
            with open_parquet(newest, files.versions.get(newest)) as opened:
                columns = opened.metadata.num_columns
        except (OSError, pa.ArrowException) as error:
            seen = f"{newest} cannot be read ({first_line(error)})"
            yield Finding("wrong", what, seen, "write it again, or change its permissions")
            return
    days = sorted(files.partitions)
    told = f", {days[0]} to {days[-1]}" if days else ""
    width = f", {counted(columns, 'column')}" if files.in_order else ""
    yield Finding("ok", what, f"{counted(len(files.paths), 'file')}{width}{told}")


def _database(project: Project, view: FeatureView, seconds: float) -> Iterator[Finding]:
    """A view in a database: attached, and its columns looked at, by a process that is ended where nothing answers."""
    assert isinstance(view.source, DatabaseSource)
    wanted = wanted_of(view, view.source)
    with tempfile.TemporaryDirectory() as directory:
        request = Request((wanted,), project.data_root, Path(directory), None)
        command = [sys.executable, "-m", export_process.__name__, str(os.getpid()), export_process.LOOK]
        try:
            told = subprocess.run(
                command, input=request.to_json(), capture_output=True, text=True, timeout=seconds * 0.9, check=False
            )
        except subprocess.TimeoutExpired:
            seen = f"{view.source.database} has answered nothing within {seconds * 0.9:g} s"
            yield Finding("wrong", f"view {view.name}", seen, "see whether the server works and can be reached")
            return
    *_, last = ["{}", *told.stdout.splitlines()]
    message = json.loads(last)
    if "refused" in message:
        raise InputError(*message["refused"])
    if "exports" not in message:
        seen = f"the process that reads {view.source.database} ended with exit code {told.returncode}"
        yield Finding("wrong", f"view {view.name}", seen, "is the library of the database broken?")
        return
    yield Finding("ok", f"view {view.name}", f"{view.source.reference} answers, and has the declared columns")


def _stores(name: str, service: Service) -> Iterator[Finding]:
    """The embedding stores and the head of Ray, by the process that may open them; it ends with this one."""
    output: list[str] = []
    code = run_subprocess("enrich", [*service.words, "--check", "mistakes"], Interruptions(), output=output)
    if code:
        yield Finding(
            "wrong", name, f"the process that opens them ended with exit code {code}", "see what it said above"
        )
        return
    mistakes: list[str] = json.loads("".join(output))
    for mistake in mistakes:
        yield Finding("wrong", name, mistake)
    if not mistakes:
        yield Finding("ok", name, "open, with ids of the type that the columns have")
