"""What can be checked before Ray starts: stores, types of ids, footers of the skeleton."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable

import pyarrow as pa

from daeda.catalog.project import Project
from daeda.dataset.layout import layout_of
from daeda.dataset.manifest import DamagedManifest, DayName, read_manifest
from daeda.dataset.stores import StoreIdentity, Stores
from daeda.errors import DayError, InputError, counted, first_line
from daeda.operators.dag import Dag
from daeda.operators.udf import RayUdfTransform, StoreRef
from daeda.storage.location import Location
from daeda.storage.objects import before_the_first_day
from daeda.storage.parquet import open_parquet
from enrich.preload import open_declared
from enrich.ray.address import probe_address, probe_loopback
from enrich.ray.channel import limited
from enrich.store.store import EmbeddingStore

# Requests after one another that opening a store takes, at the most.
OPEN_REQUESTS = 3


@before_the_first_day()
def check_enrichment(
    project: Project, dag: Dag, days: Iterable[dt.date] | None = None, pinned: Stores | None = None
) -> Stores:
    """See that a Ray cluster that is named answers, open every store at its version, compare the types of ids, and read
    the footers of the published skeleton parts.

    `days` are those of the range unless they are given; a day without a skeleton is not looked at. Returns what the
    stores are; those that are `pinned` are held against that. Raises InputError with a line per mistake.
    """
    identities: dict[str, StoreIdentity] = {}
    mistakes = _check_address(project) + _check_stores(project, dag, pinned, identities)
    mistakes += _check_skeleton(project, dag, project.runtime.days if days is None else days)
    if mistakes:
        raise InputError(*dict.fromkeys(mistakes))
    return identities


@before_the_first_day()
def identify_stores(project: Project, dag: Dag, pinned: Stores | None = None) -> Stores:
    """What the stores are that the service declares, without reading their ids or vectors.

    Raises InputError with a line for each that is not as declared, and DayError for one that is not as `pinned`.
    """
    identities: dict[str, StoreIdentity] = {}
    mistakes: list[str] = []
    for ref in {operator.store.name: operator.store for operator in dag.enrichments}.values():
        try:
            with _opening(project, ref):
                identities[ref.name] = open_declared(ref, project.data_path(ref.path), pinned).identity
        except InputError as error:
            mistakes.append(str(error))
    if mistakes:
        raise InputError(*mistakes)
    return identities


def _check_address(project: Project) -> list[str]:
    address = project.runtime.ray.address
    try:
        if address is not None:
            probe_address(address)
        else:
            probe_loopback()
    except InputError as error:
        return [str(error)]
    return []


def _check_stores(project: Project, dag: Dag, pinned: Stores | None, identities: dict[str, StoreIdentity]) -> list[str]:
    """The mistakes of all stores; what they are goes to `identities`."""
    mistakes: list[str] = []
    stores: dict[str, EmbeddingStore | None] = {}
    for operator in dag.enrichments:
        ref = operator.store
        if ref.name not in stores:
            try:
                with _opening(project, ref):
                    stores[ref.name] = opened = open_declared(ref, project.data_path(ref.path), pinned)
                    identities[ref.name] = opened.identity
                with _reading(project, ref):
                    opened.check()
            except (InputError, DayError) as error:
                stores[ref.name] = None
                mistakes.append(str(error))
        store = stores[ref.name]
        if store is not None:
            mistakes += _check_ids(dag, operator, store)
    return mistakes


def _opening(project: Project, ref: StoreRef) -> contextlib.AbstractContextManager[None]:
    """The time in which a store has to answer, on a disk that may be dead, or a server that may say nothing."""
    seconds = OPEN_REQUESTS * project.runtime.timeouts.storage_seconds
    return limited(
        seconds,
        f"embedding store '{ref.name}': {project.data_path(ref.path)} was not open within {seconds} s: see whether "
        "its disk or server answers, or raise timeouts.storage_seconds",
        InputError.exit_code,
    )


def _reading(project: Project, ref: StoreRef) -> contextlib.AbstractContextManager[None]:
    """The time in which all ids of a store have to be read."""
    minutes = project.runtime.ray.day_timeout_minutes
    return limited(
        60.0 * minutes,
        f"embedding store '{ref.name}': the ids of {project.data_path(ref.path)} were not read within "
        f"{counted(minutes, 'minute')}: see whether its disk or server answers, or raise ray.day_timeout_minutes",
        InputError.exit_code,
    )


def _check_ids(dag: Dag, operator: RayUdfTransform, store: EmbeddingStore) -> list[str]:
    source = dag.relations[operator.inputs[0]].column(operator.source).dtype
    ids = source.item if operator.kind == "avg_pool" else source
    numbers = pa.types.is_integer(store.id_type)
    if ids is None or ids.is_integer == numbers:
        return []
    return [
        f"column '{operator.column}': the ids in '{operator.source}' are {ids}, and those of embedding store "
        f"'{store.name}' ('{store.id_column}') are {store.id_type}: use a column of the same kind, or write the store "
        f"with {'text' if numbers else 'integer'} ids"
    ]


def _check_skeleton(project: Project, dag: Dag, days: Iterable[dt.date]) -> list[str]:
    layout = layout_of(project)
    wanted = {name for udf in dag.enrichments for name in (udf.column, udf.source)}
    mistakes = []
    for day in days:
        directory = layout.day_dir("skeleton", day)
        try:
            manifest = read_manifest(directory, DayName(layout.service, "skeleton", day))
        except DamagedManifest as error:
            mistakes.append(f"skeleton of {day}: {error}")
            continue
        if manifest is None:
            continue
        problems = (_footer_problem(directory / part.name, part.rows, wanted) for part in manifest.parts)
        problem = next(filter(None, problems), None)
        if problem:
            mistakes.append(
                f"skeleton of {day}: {problem}: run `daeda pipeline train {project.service.name}`, which builds the "
                "skeleton of the day anew"
            )
    return mistakes


def _footer_problem(path: Location, rows: int, wanted: set[str]) -> str | None:
    try:
        with open_parquet(str(path)) as file:
            actual, names = file.metadata.num_rows, set(file.schema_arrow.names)
    except (OSError, pa.ArrowException) as error:
        return f"{path.name} is not a readable Parquet file ({first_line(error)})"
    if actual != rows:
        return f"{path.name} has {actual} rows and its manifest says {rows}"
    missing = sorted(wanted - names)
    return f"{path.name} has no column '{missing[0]}'" if missing else None
