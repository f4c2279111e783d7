"""Publication on object storage: the manifest goes first and comes last.

    lease -> delete the manifest -> delete what the new day does not have -> put the parts -> list -> put the manifest

A day without a manifest is no day, so a reader sees the old one, none, or the new one. Each object is put by one
request, which S3 carries out whole or not at all.
"""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

from daeda.dataset.layout import MANIFEST_NAME, Dataset, Layout
from daeda.dataset.lease import is_dead, publication
from daeda.dataset.manifest import Manifest
from daeda.errors import DayError
from daeda.storage.client import S3Client
from daeda.storage.objects import client
from daeda.storage.place import ObjectPath

_DATASETS: tuple[Dataset, ...] = ("skeleton", "enriched")
# A probe lives for two requests; a minute later nobody waits for it.
_PROBE_SECONDS = 60


def upload_day(layout: Layout, dataset: Dataset, day: dt.date, ready: Path, manifest: Manifest, mirror: Path) -> None:
    """Put the day of a local directory into its place; the manifest is left in `mirror`, the parts are removed."""
    final = layout.day_dir(dataset, day)
    assert isinstance(final, ObjectPath)
    through = client()
    with publication(through, layout, dataset, day) as lease:
        through.delete(final / MANIFEST_NAME)
        names = {part.name for part in manifest.parts}
        for one in through.listing(final):
            if one.path.name not in names:
                through.delete(one.path)
        for part in manifest.parts:
            lease.renew()
            through.put(final / part.name, ready / part.name, part.sha256)
        _check_arrived(through, final, manifest)
        lease.renew(now=True)
        through.put(final / MANIFEST_NAME, ready / MANIFEST_NAME)
    mirror.mkdir(parents=True, exist_ok=True)
    (ready / MANIFEST_NAME).replace(mirror / MANIFEST_NAME)
    shutil.rmtree(ready)


def clear_unfinished(layout: Layout) -> None:
    """Delete what runs left that died while they published: objects of days without a manifest, leases, probes."""
    assert isinstance(layout.service_dir, ObjectPath)
    through = client()
    for dataset in _DATASETS:
        days: dict[str, list[ObjectPath]] = {}
        for one in through.listing(layout.service_dir / dataset):
            days.setdefault(one.path.parent.name, []).append(one.path)
        for name, objects in days.items():
            if MANIFEST_NAME in {path.name for path in objects}:
                continue
            lease = layout.service_dir / "_staging" / f"publish-{dataset}-{name}.json"
            if through.look(lease) is None or is_dead(through, lease):
                for path in objects:
                    through.delete(path)
    for one in through.listing(layout.service_dir / "_staging"):
        if not one.path.name.startswith("publish-"):
            if (through.age(one.path) or 0) > _PROBE_SECONDS:
                through.delete(one.path)
        elif etag := is_dead(through, one.path):
            through.delete(one.path, etag)


def _check_arrived(through: S3Client, final: ObjectPath, manifest: Manifest) -> None:
    sizes = {one.path.name: one.size for one in through.listing(final)}
    for part in manifest.parts:
        if sizes.get(part.name) != part.size:
            raise DayError(f"{final / part.name}: {sizes.get(part.name)} bytes arrived of {part.size}: run again")
