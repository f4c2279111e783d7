"""Publication on object storage: the manifest goes first and comes last.

    lease -> delete the manifest -> delete what the new day does not have -> put the parts -> list -> put the manifest

A day without a manifest is no day, so a reader sees the old one, none, or the new one. Each object is put by one
request, which S3 carries out whole or not at all.

One run at a time deletes and puts the objects of a day: it holds a lease on its publication.

    <service>/_staging/publish-<dataset>-dt=D.json      who publishes the day, until it has; put only if it is not there

A lease is renewed by replacing it under its ETag, so that a run that lost it learns so before it puts the manifest. The
age of a lease is told by the server's clock alone. One of a process of this host that has ended is taken over at once.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from daeda.dataset.layout import DATASETS, MANIFEST_NAME, Dataset, Layout, day_name, is_part
from daeda.dataset.published import data_entries, foreign_parts, require_free
from daeda.errors import DayError, InputError, TransientDayError
from daeda.sources.files import PARTITION, parse_day
from daeda.storage.client import S3Client
from daeda.storage.location import ObjectPath
from daeda.storage.objects import client

if TYPE_CHECKING:
    from daeda.dataset.manifest import Manifest
    from daeda.dataset.publish.publications import Attempt

# A probe lives for two requests; a minute later nobody waits for it.
_PROBE_SECONDS = 60
# A holder that has not renewed for so long is dead. Renewal comes before each part, and a part is at most one upload.
LEASE_SECONDS = 900
_RENEW_SECONDS = 60
_WAIT_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_ABSENT = {"IfNoneMatch": "*"}


def upload_day(attempt: Attempt, ready: Path) -> None:
    """Put the day of a local directory into its place; the manifest is left where it is seen, the parts are removed."""
    layout, dataset, day, manifest = attempt.staging.layout, attempt.dataset, attempt.day, attempt.manifest
    final = layout.day_dir(dataset, day)
    assert isinstance(final, ObjectPath)
    through = client()
    with publication(through, layout, dataset, day) as lease:
        if attempt.is_published():
            shutil.rmtree(ready)
            return
        entries = data_entries(final)
        require_free(final, entries)
        through.delete(final / MANIFEST_NAME)
        for name in foreign_parts(manifest.parts, entries):
            through.delete(final / name)
        for part in manifest.parts:
            lease.renew()
            through.put(final / part.name, ready / part.name, part.sha256)
        stamps = _stamps_of_arrived(final, manifest)
        text = replace(manifest, stamps=stamps).to_json()
        (ready / MANIFEST_NAME).write_text(text, encoding="utf-8")
        lease.renew(now=True)
        attempt.record(text)
        through.put(final / MANIFEST_NAME, ready / MANIFEST_NAME)
    mirror = attempt.staging.seen(dataset) / day_name(day)
    mirror.mkdir(parents=True, exist_ok=True)
    (ready / MANIFEST_NAME).replace(mirror / MANIFEST_NAME)
    shutil.rmtree(ready)


def clear_unfinished(layout: Layout) -> None:
    """Delete what runs left that died while they published: objects of days without a manifest, leases, probes."""
    assert isinstance(layout.version_dir, ObjectPath)
    through = client()
    for dataset in DATASETS:
        days: dict[str, list[ObjectPath]] = {}
        directory = layout.version_dir / dataset
        for stored in through.listing(directory):
            name, _, rest = stored.path.key.removeprefix(directory.prefix).partition("/")
            # What daeda did not write is not its to delete.
            if parse_day(name.removeprefix(PARTITION)) and (rest == MANIFEST_NAME or is_part(rest)):
                days.setdefault(name, []).append(stored.path)
        for name, objects in days.items():
            if MANIFEST_NAME in {path.name for path in objects}:
                continue
            lease = layout.version_dir / "_staging" / f"publish-{dataset}-{name}.json"
            if through.look(lease) is None or is_dead(through, lease):
                for path in objects:
                    through.delete(path)
    for stored in through.listing(layout.version_dir / "_staging"):
        if not stored.path.name.startswith("publish-"):
            if (through.age(stored.path) or 0) > _PROBE_SECONDS:
                through.delete(stored.path)
        elif etag := is_dead(through, stored.path):
            through.delete(stored.path, etag)


def _stamps_of_arrived(final: ObjectPath, manifest: Manifest) -> dict[str, str]:
    """The ETags of the parts; raises DayError for one that did not arrive whole."""
    entries = data_entries(final)
    for part in manifest.parts:
        entry = entries.get(part.name)
        if entry is None or entry.size != part.size:
            size = "no" if entry is None else entry.size
            raise DayError(f"{final / part.name}: {size} bytes arrived of {part.size}: run again")
    return {part.name: entries[part.name].stamp or "" for part in manifest.parts}


@dataclass
class Lease:
    """A lease that is held; `etag` is that of its last renewal."""

    through: S3Client
    path: ObjectPath
    etag: str
    who: dict[str, str | int]
    renewed: float = field(default_factory=time.monotonic)

    def renew(self, *, now: bool = False) -> None:
        """Show that the holder lives; raises DayError when somebody else has taken the lease."""
        if not now and time.monotonic() - self.renewed < _RENEW_SECONDS:
            return
        body = json.dumps({**self.who, "renewal": uuid.uuid4().hex}).encode()
        etag = self.through.put(self.path, body, only_if={"IfMatch": f'"{self.etag}"'})
        if etag is None:
            raise DayError(f"{self.path}: another run has taken over the publication: run again")
        self.etag, self.renewed = etag, time.monotonic()


@contextlib.contextmanager
def publication(through: S3Client, layout: Layout, dataset: Dataset, day: dt.date) -> Iterator[Lease]:
    """Hold the lease while the block runs; DayError when another run keeps it for more than a minute."""
    with held_lease(through, lease_path(layout, dataset, day)) as lease:
        yield lease


@contextlib.contextmanager
def held_lease(through: S3Client, path: ObjectPath) -> Iterator[Lease]:
    """Hold the lease of a path while the block runs; TransientDayError when somebody keeps it for over a minute."""
    lease = _take(through, path)
    try:
        yield lease
    finally:
        with contextlib.suppress(Exception):  # what is left is taken over
            through.delete(path, lease.etag)


def lease_path(layout: Layout, dataset: Dataset, day: dt.date) -> ObjectPath:
    """Where the lease of a day is."""
    assert isinstance(layout.version_dir, ObjectPath)
    return layout.version_dir / "_staging" / f"publish-{dataset}-{day_name(day)}.json"


def check_conditions(through: S3Client, service: ObjectPath) -> None:
    """Raise InputError unless objects can be put below the service, and one only where there is none."""
    probe = service / "_staging" / f"probe-{uuid.uuid4().hex[:8]}"
    through.put(probe, b"", only_if=_ABSENT)
    try:
        if through.put(probe, b"", only_if=_ABSENT) is not None:
            raise InputError(
                f"{service}: the server ignores conditions (If-None-Match), which keep two runs apart: use one that "
                "knows them, or an output_root on a file system"
            )
    finally:
        through.delete(probe)


def is_dead(through: S3Client, path: ObjectPath) -> str | None:
    """The ETag of a lease that nobody renews any more, None for a live one or none."""
    stored = through.read(path)
    if stored is None:
        return None
    body, etag = stored
    who = _read(body)
    process = who.get("process")
    if who.get("host") == socket.gethostname() and isinstance(process, int) and not _runs(process):
        return etag
    age = through.age(path)
    return etag if age is not None and age > LEASE_SECONDS else None


def _take(through: S3Client, path: ObjectPath) -> Lease:
    who: dict[str, str | int] = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "attempt": uuid.uuid4().hex,
    }
    body = json.dumps(who).encode()
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        etag = through.put(path, body, only_if=_ABSENT)
        if etag is not None:
            return Lease(through, path, etag, who)
        stored = through.read(path)
        if stored is None:
            continue
        holder, etag = _read(stored[0]), stored[1]
        # An answer that was lost on its way: the lease is ours.
        if holder.get("attempt") == who["attempt"]:
            return Lease(through, path, etag, who)
        if dead := is_dead(through, path):
            new_etag = through.put(path, body, only_if={"IfMatch": f'"{dead}"'})
            if new_etag is not None:
                return Lease(through, path, new_etag, who)
        elif time.monotonic() > deadline:
            raise TransientDayError(
                f"{path}: published by process {holder.get('process')} on {holder.get('host')} since "
                f"{holder.get('since')}: run again when it is done"
            )
        time.sleep(_LOOK_SECONDS)


def _read(body: bytes) -> dict[str, str | int]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return process > 0
