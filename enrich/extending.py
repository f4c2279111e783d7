"""Enriched days that keep vectors of a published one: the rows of the new skeleton, beside pages that are copied.

    published enriched parts --digests checked--> pages of vectors, unchanged columns --.
                                                                                         >--> parts, published as ever
    new skeleton parts ------> all other columns ---------------------------------------'

Where all vectors are kept, neither a store nor Ray is needed. Else the actors of a run copy the pages of those that
are, and take the others from the stores.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from daeda.dataset.fingerprint import enriched_identities
from daeda.dataset.layout import Layout, day_name
from daeda.dataset.manifest import DamagedManifest, DayName, Manifest, read_manifest
from daeda.dataset.publish.publish import check_parts
from daeda.dataset.publish.staging import RunStaging
from daeda.dataset.published import fetch_day
from daeda.dataset.stamps import forget_stamps
from daeda.dataset.stores import Stores
from daeda.durations import seconds_since
from daeda.errors import DayError
from daeda.operators.dag import Dag
from daeda.planning.extension import Extension, enriched_in_place, enriched_recipes
from enrich.part.extended_part import extend_part
from enrich.publish import DayWork, States, publish_enriched, states_of, verify_skeleton

# Parts that are written at once.
_THREADS = 2


class NotAsPlanned(Exception):
    """The published day has not the vectors that were to be kept: it is enriched as any other."""


def planned_work(dag: Dag, layout: Layout, work: DayWork, extension: Extension, stores: Stores) -> DayWork:
    """The work of a day that keeps what the extension says; raises NotAsPlanned where that is not there any more."""
    published = layout if extension.version is None else layout.of_version(extension.version)
    manifest = _manifest(published, DayName(work.skeleton.service, "enriched", work.day))
    vectors = {
        operator.column: extension.kept[operator.column]
        for operator in dag.enrichments
        if operator.column in extension.kept
    }
    others = _unchanged(dag, work, manifest, extension, vectors, stores)
    tasks = tuple(replace(task, kept=vectors, copied=others) for task in work.tasks)
    return replace(work, tasks=tasks, extended=manifest, extended_from=published)


def with_published(work: DayWork, staging: RunStaging) -> tuple[DayWork, States]:
    """The work with the published parts that are copied from, whose digests are those of their manifest, and the states
    that they had before; raises NotAsPlanned, and the day is to be enriched whole.
    """
    assert work.extended is not None
    assert work.extended_from is not None
    directory = work.extended_from.day_dir("enriched", work.day)
    local = directory if isinstance(directory, Path) else staging.work / f"enriched-{day_name(work.day)}"
    names = [part.name for part in work.extended.parts]
    tasks = tuple(replace(task, published=str(local / name)) for task, name in zip(work.tasks, names, strict=True))
    found = replace(work, tasks=tasks)
    try:
        if isinstance(directory, Path):
            states = states_of(found.copied_parts)
            check_parts(directory, work.extended, verify_digests=True)
        else:
            # Digested on the way.
            fetch_day(directory, work.extended, local)
            states = states_of(found.copied_parts)
    except DayError as error:
        forget_stamps(work.extended_from, DayName(work.skeleton.service, "enriched", work.day))
        raise NotAsPlanned(str(error)) from error
    return found, states


def without_published(work: DayWork) -> DayWork:
    """The work of the day where it keeps nothing."""
    tasks = tuple(replace(task, published="", kept={}, copied={}) for task in work.tasks)
    return replace(work, tasks=tasks, extended=None, extended_from=None)


def extend_enriched(dag: Dag, staging: RunStaging, work: DayWork, extension: Extension, stores: Stores) -> None:
    """Write and publish a day that keeps all vectors; raises NotAsPlanned before anything is written, and DayError."""
    started = time.perf_counter()
    planned = planned_work(dag, staging.layout, work, extension, stores)
    found, states = with_published(planned, staging)
    verified = {**states, **verify_skeleton(work, staging.layout)}
    tasks = tuple(replace(task, threads=1) for task in found.tasks)
    with ThreadPoolExecutor(_THREADS) as pool:
        receipts = list(pool.map(extend_part, tasks))
    seconds = {"extend": seconds_since(started)}
    extended = replace(found, tasks=tasks, written_here=True)
    publish_enriched(staging, dag, extended, receipts, seconds, stores, verified)
    remove_copies(extended, staging)


def remove_copies(work: DayWork, staging: RunStaging) -> None:
    """Remove what a day was copied to from object storage."""
    for copy in {work.local_dir, *(path.parent for path in work.copied_parts)}:
        if copy.is_relative_to(staging.work):
            shutil.rmtree(copy)


def _manifest(layout: Layout, name: DayName) -> Manifest:
    try:
        manifest = read_manifest(layout.day_dir("enriched", name.day), name)
    except DamagedManifest as error:
        raise NotAsPlanned(error.reason) from error
    if manifest is None:
        raise NotAsPlanned("it is not there any more")
    return manifest


def _unchanged(
    dag: Dag,
    work: DayWork,
    manifest: Manifest,
    extension: Extension,
    vectors: Mapping[str, str],
    stores: Stores,
) -> Mapping[str, str]:
    """The other columns that the published day holds as they are to be, by the names that they have there.

    The vectors are held against the skeleton and the stores as they are now.
    """
    before, skeleton = manifest.identities, work.skeleton.identities
    if before is None or skeleton is None:
        raise NotAsPlanned("it does not say what its columns are made of")
    after = enriched_identities(dag, skeleton, stores)
    in_place = enriched_in_place(dag, before, after, lambda: enriched_recipes(dag))
    if not in_place.issuperset(vectors):
        raise NotAsPlanned("it has other rows")
    if [part.rows for part in manifest.parts] != [part.rows for part in work.skeleton.parts]:
        raise NotAsPlanned("its rows are cut into other parts")
    other = [name for name, source in vectors.items() if before.columns.get(source) != after.columns[name]]
    if other:
        raise NotAsPlanned(f"its column '{vectors[other[0]]}' is not what '{other[0]}' is to be")
    columns = {operator.column for operator in dag.enrichments}
    return {
        name: there
        for name, there in extension.kept.items()
        if name not in columns and name in in_place and before.columns.get(there) == after.columns[name]
    }
