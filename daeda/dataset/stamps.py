"""What a manifest is told after its day was published, and what decides nothing of the day: stamps and verdicts.

A stamp that is in the manifest spares the digest of its part; one that is not has the next plan digest it. Stamps are
written anew where a day was copied, and where a part turned out to be damaged. Verdicts are those of checks that were
changed, and of those that compare days.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from daeda.dataset.layout import MANIFEST_NAME, Layout
from daeda.dataset.manifest import DamagedManifest, DayName, Manifest, Part, Verdict, parse_manifest, read_manifest
from daeda.dataset.publish.staging import one_at_a_time, refuse_stranger
from daeda.storage.location import ObjectPath
from daeda.storage.objects import client

Change = Callable[[Manifest], Manifest]


def remember_stamps(layout: Layout, name: DayName, stamps: Mapping[str, str]) -> None:
    """Keep the stamps of parts whose digests were compared, so that they are not compared again."""
    _rewrite(layout, name, lambda manifest: replace(manifest, stamps={**manifest.stamps, **stamps}))


def forget_stamps(layout: Layout, name: DayName) -> None:
    """Have the next plan compare the digest of every part of the day: something is wrong with one of them."""
    _rewrite(layout, name, lambda manifest: replace(manifest, stamps={}))


def remember_verdicts(layout: Layout, name: DayName, parts: Sequence[Part], verdicts: tuple[Verdict, ...]) -> None:
    """Keep what checks found of a day that has these parts; another run may have put others in their place."""

    def judged(manifest: Manifest) -> Manifest:
        return replace(manifest, checks=verdicts) if manifest.parts == tuple(parts) else manifest

    _rewrite(layout, name, judged)


def _rewrite(layout: Layout, name: DayName, change: Change) -> None:
    """Put the manifest in its place again; a day that is removed or damaged meanwhile is told by whoever reads it."""
    with contextlib.suppress(DamagedManifest, FileNotFoundError, NotADirectoryError):
        match layout.day_dir(name.dataset, name.day):
            case Path() as directory:
                _rewrite_file(layout, directory, name, change)
            case ObjectPath() as location:
                _rewrite_object(location, name, change)


def _rewrite_file(layout: Layout, directory: Path, name: DayName, change: Change) -> None:
    refuse_stranger(layout.staging)
    layout.staging.mkdir(parents=True, exist_ok=True)
    # No run moves a day while it holds this lock.
    with one_at_a_time(layout):
        if directory.is_symlink():
            return
        manifest = read_manifest(directory, name)
        if manifest is None:
            return
        fresh = directory / f"{MANIFEST_NAME}.{uuid.uuid4().hex[:12]}"
        fresh.write_text(change(manifest).to_json(), encoding="utf-8")
        fresh.replace(directory / MANIFEST_NAME)


def _rewrite_object(location: ObjectPath, name: DayName, change: Change) -> None:
    answer = client().read(location / MANIFEST_NAME)
    if answer is None:
        return
    text, etag = answer
    manifest = parse_manifest(text, location, name)
    body = change(manifest).to_json().encode()
    client().put(location / MANIFEST_NAME, body, only_if={"IfMatch": f'"{etag}"'})
