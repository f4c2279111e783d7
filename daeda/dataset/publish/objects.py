"""Publication on object storage: the manifest goes first and comes last.

    lease -> delete the manifest -> delete what the new day does not have -> put the parts -> list -> put the manifest

A day without a manifest is no day, so a reader sees the old one, none, or the new one. Each object is put by one
request, which S3 carries out whole or not at all.
"""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path

from daeda.dataset.layout import MANIFEST_NAME, Dataset, Layout, is_part
from daeda.dataset.manifest import Manifest
from daeda.dataset.publish.lease import is_dead, publication
from daeda.dataset.published import data_entries, foreign_parts, require_free
from daeda.errors import DayError
from daeda.sources.files import PARTITION, parse_day
from daeda.storage.location import ObjectPath
from daeda.storage.objects import client

_DATASETS: tuple[Dataset, ...] = ("skeleton", "enriched")
# A probe lives for two requests; a minute later nobody waits for it.
_PROBE_SECONDS = 60


def upload_day(layout: Layout, dataset: Dataset, day: dt.date, ready: Path, manifest: Manifest, mirror: Path) -> None:
    """Put the day of a local directory into its place; the manifest is left in `mirror`, the parts are removed."""
    final = layout.day_dir(dataset, day)
    assert isinstance(final, ObjectPath)
    through = client()
    with publication(through, layout, dataset, day) as lease:
        entries = data_entries(final)
        require_free(final, entries)
        through.delete(final / MANIFEST_NAME)
        for name in foreign_parts(manifest.parts, entries):
            through.delete(final / name)
        for part in manifest.parts:
            lease.renew()
            through.put(final / part.name, ready / part.name, part.sha256)
        stamps = _stamps_of_arrived(final, manifest)
        (ready / MANIFEST_NAME).write_text(replace(manifest, stamps=stamps).to_json(), encoding="utf-8")
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
        directory = layout.service_dir / dataset
        for stored in through.listing(directory):
            name, _, rest = stored.path.key.removeprefix(directory.prefix).partition("/")
            # What daeda did not write is not its to delete.
            if parse_day(name.removeprefix(PARTITION)) and (rest == MANIFEST_NAME or is_part(rest)):
                days.setdefault(name, []).append(stored.path)
        for name, objects in days.items():
            if MANIFEST_NAME in {path.name for path in objects}:
                continue
            lease = layout.service_dir / "_staging" / f"publish-{dataset}-{name}.json"
            if through.look(lease) is None or is_dead(through, lease):
                for path in objects:
                    through.delete(path)
    for stored in through.listing(layout.service_dir / "_staging"):
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
