"""Published days as their readers see them, on local disk and on object storage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from daeda.dataset.manifest import Manifest, Part
from daeda.errors import DayError
from daeda.storage.objects import client
from daeda.storage.place import ObjectPath, Place


def unlike_published(directory: Place, parts: Iterable[Part]) -> list[str]:
    """Names of parts that are not there, or not of the size that was published."""
    match directory:
        case Path():
            sizes = {path.name: path.stat().st_size for path in directory.glob("*.parquet")}
        case ObjectPath():
            sizes = {one.path.name: one.size for one in client().listing(directory)}
    return [part.name for part in parts if sizes.get(part.name) != part.size]


def fetch_day(directory: ObjectPath, manifest: Manifest, target: Path) -> None:
    """Copy the parts of a published day to a local directory; raises DayError for one that is not as published."""
    target.mkdir(parents=True, exist_ok=True)
    for part in manifest.parts:
        _, digest = client().fetch(directory / part.name, target / part.name)
        if digest != part.sha256:
            raise DayError(f"{directory / part.name}: the bytes are not those that were published: build the day again")
