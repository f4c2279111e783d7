"""Publication: a day is written aside, checked, and moved into place whole.

    ready/<dataset>/dt=D  --checks, manifest, fsync-->  rename  -->  <dataset>/dt=D

An old day is renamed into `aside/` first. A crash between the two renames leaves the old day in `aside/`, from where
the next start puts it back: a day may be absent for a moment, and is never mixed.
"""

from __future__ import annotations

import datetime as dt
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from daeda.dataset.layout import MANIFEST_NAME, Dataset, day_name, parts_in_order
from daeda.dataset.manifest import Manifest
from daeda.dataset.publish.claims import release
from daeda.dataset.publish.objects import upload_day
from daeda.dataset.publish.publications import Attempt
from daeda.dataset.publish.staging import RunStaging, carry_over, still_ours
from daeda.dataset.published import entries_of, require_free, stamp_of
from daeda.errors import DayError
from daeda.storage.durable import sync_file, write_durably
from daeda.storage.location import Location, ObjectPath
from daeda.storage.regular import file_digest

# Parts that are digested at once.
_THREADS = 2


def prepare_day(staging: RunStaging, dataset: Dataset, day: dt.date, attempt: str) -> Path:
    """An empty directory for the parts of a day."""
    directory = staging.ready / dataset / attempt / day_name(day)
    # Not with all parents: the directory of a run that was taken for dead must not come back.
    directory.parent.mkdir(exist_ok=True)
    directory.mkdir()
    return directory


def publish_day(
    staging: RunStaging,
    dataset: Dataset,
    day: dt.date,
    ready: Path,
    manifest: Manifest,
    *,
    verify_digests: bool = False,
) -> Location:
    """Check the parts against the manifest and move the day into place; returns its directory.

    `verify_digests` reads the parts again, for parts whose digests another process has reported. Raises DayError when a
    part is missing, extra, or not what was written. Where another attempt of the run has published the same day
    meanwhile, that publication stays, and what is in `ready` is removed.
    """
    check_parts(ready, manifest, verify_digests=verify_digests)
    final = staging.layout.day_dir(dataset, day)
    match final:
        case Path():
            stamps = {part.name: stamp_of((ready / part.name).lstat()) for part in manifest.parts}
            text = replace(manifest, stamps=stamps).to_json()
            write_durably(ready / MANIFEST_NAME, text)
            _sync_directory(ready)
            _move_into_place(Attempt(staging, dataset, day, manifest), ready, final, text)
        case ObjectPath():
            with still_ours(staging) as ours:
                _require_ours(staging, final, ours)
            upload_day(Attempt(staging, dataset, day, manifest), ready)
    release(staging, [(dataset, day)])
    return final


def _move_into_place(attempt: Attempt, ready: Path, final: Path, text: str) -> None:
    staging = attempt.staging
    require_free(final, {})
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = staging.aside / attempt.dataset / final.name
    with still_ours(staging) as ours:
        _require_ours(staging, final, ours)
        if attempt.is_published():
            shutil.rmtree(ready)
            return
        if aside.exists():
            shutil.rmtree(aside)
        attempt.record(text)
        entries = entries_of(final)
        if entries is not None:
            require_free(final, entries)
            final.rename(aside)
        ready.rename(final)
    _sync_directory(final.parent)
    if aside.exists():
        carry_over(aside, final)
        shutil.rmtree(aside)


def _require_ours(staging: RunStaging, final: Location, ours: bool) -> None:
    if not ours:
        raise DayError(f"{final}: not published, because the run {staging.directory.name} has ended")


def check_parts(directory: Path, manifest: Manifest, *, verify_digests: bool) -> None:
    """Raise DayError unless the directory holds exactly the parts of the manifest, with their sizes (and digests)."""
    listed = [part.name for part in manifest.parts]
    parts = parts_in_order(entries_of(directory) or ())
    if parts != listed:
        raise DayError(f"{directory}: the parts are {parts}, and the manifest lists {listed}")
    right = [(directory / part.name).stat().st_size == part.size for part in manifest.parts]
    if verify_digests and all(right):
        with ThreadPoolExecutor(_THREADS) as pool:
            found_digests = pool.map(file_digest, [directory / part.name for part in manifest.parts])
            right = [digest == part.sha256 for digest, part in zip(found_digests, manifest.parts, strict=True)]
    if not all(right):
        path = directory / manifest.parts[right.index(False)].name
        raise DayError(f"{path}: the bytes on disk are not those that were written")
    if sum(part.rows for part in manifest.parts) != manifest.rows:
        raise DayError(f"{directory}: the parts do not add up to {manifest.rows} rows")


def _sync_directory(path: Path) -> None:
    sync_file(path)
