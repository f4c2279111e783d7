"""An enriched day whose vectors are unchanged: the rows of its new skeleton, beside pages that are copied.

    published enriched parts --digests checked--> pages of vectors, unchanged columns --.
                                                                                         >--> parts, published as ever
    new skeleton parts ------> all other columns ---------------------------------------'

Neither a store nor Ray is needed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from daeda.dataset.fingerprint import enriched_identities
from daeda.dataset.layout import day_name
from daeda.dataset.manifest import DamagedManifest, DayName, Manifest, read_manifest
from daeda.dataset.publish.publish import check_parts
from daeda.dataset.publish.staging import RunStaging
from daeda.dataset.published import fetch_day
from daeda.dataset.stamps import forget_stamps
from daeda.dataset.stores import Stores
from daeda.durations import seconds_since
from daeda.errors import DayError
from daeda.operators.dag import Dag
from daeda.planning.extension import Extension
from enrich.part.extended_part import extend_part
from enrich.publish import DayWork, publish_enriched, verify_skeleton

# Parts that are written at once.
_THREADS = 2


class NotAsPlanned(Exception):
    """The published day has not the vectors that were to be kept: it is enriched as any other."""


def extend_enriched(dag: Dag, staging: RunStaging, work: DayWork, extension: Extension, stores: Stores) -> None:
    """Write and publish a day; raises NotAsPlanned before anything is written, and DayError."""
    started = time.perf_counter()
    name = DayName(work.skeleton.service, "enriched", work.day)
    manifest = _published(staging, name)
    vectors = {operator.column: extension.kept[operator.column] for operator in dag.enrichments}
    _check(dag, work, manifest, vectors, stores)
    others = _unchanged(dag, work, manifest, extension, stores)
    published = _verified(staging, name, manifest)
    verified = verify_skeleton(work, staging.layout)
    tasks = tuple(
        replace(task, published=str(published / part.name), kept=vectors, copied=others, threads=1)
        for task, part in zip(work.tasks, manifest.parts, strict=True)
    )
    with ThreadPoolExecutor(_THREADS) as pool:
        receipts = list(pool.map(extend_part, tasks))
    seconds = {"extend": seconds_since(started)}
    extended = replace(work, tasks=tasks, extended=manifest)
    publish_enriched(staging, dag, extended, receipts, seconds, stores, verified)
    for copy in (published, work.local_dir):
        if copy.is_relative_to(staging.work):
            shutil.rmtree(copy)


def _published(staging: RunStaging, name: DayName) -> Manifest:
    try:
        manifest = read_manifest(staging.layout.day_dir("enriched", name.day), name)
    except DamagedManifest as error:
        raise NotAsPlanned(error.reason) from error
    if manifest is None:
        raise NotAsPlanned("it is not there any more")
    return manifest


def _check(dag: Dag, work: DayWork, manifest: Manifest, vectors: Mapping[str, str], stores: Stores) -> None:
    """The vectors are those of the published day, of the skeleton and the stores as they are now."""
    before, skeleton = manifest.identities, work.skeleton.identities
    if before is None or skeleton is None:
        raise NotAsPlanned("it does not say what its columns are made of")
    after = enriched_identities(dag, skeleton, stores)
    if (before.rows, before.order) != (after.rows, after.order):
        raise NotAsPlanned("it has other rows")
    if [part.rows for part in manifest.parts] != [part.rows for part in work.skeleton.parts]:
        raise NotAsPlanned("its rows are cut into other parts")
    other = [name for name, source in vectors.items() if before.columns.get(source) != after.columns[name]]
    if other:
        raise NotAsPlanned(f"its column '{vectors[other[0]]}' is not what '{other[0]}' is to be")


def _unchanged(dag: Dag, work: DayWork, manifest: Manifest, extension: Extension, stores: Stores) -> Mapping[str, str]:
    """The other columns that the published day holds as they are to be, by the names that they have there."""
    before, skeleton = manifest.identities, work.skeleton.identities
    assert before is not None
    assert skeleton is not None
    after = enriched_identities(dag, skeleton, stores).columns
    vectors = {operator.column for operator in dag.enrichments}
    return {
        name: there
        for name, there in extension.kept.items()
        if name not in vectors and before.columns.get(there) == after[name]
    }


def _verified(staging: RunStaging, name: DayName, manifest: Manifest) -> Path:
    """A directory with the published parts, whose digests are those of the manifest."""
    directory = staging.layout.day_dir("enriched", name.day)
    try:
        if isinstance(directory, Path):
            check_parts(directory, manifest, verify_digests=True)
            return directory
        copy = staging.work / f"enriched-{day_name(name.day)}"
        fetch_day(directory, manifest, copy)
    except DayError as error:
        forget_stamps(staging.layout, name)
        raise NotAsPlanned(str(error)) from error
    return copy
