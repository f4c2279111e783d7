"""What a run has published: recorded before a day is moved into place, so that a later attempt of the run finds it.

    <run>/publications/<dataset>/dt=D.json      digest of the manifest, the parts, what the operators do

An attempt that was lost, with its worker or by an engine that starts a job again, left one of three states. Without a
record nothing was published. With a record whose manifest is in the day's place, the day was, whether the attempt came
to say so or not. With a record and another manifest, the day was where the run has given its claim back, which comes
last: another run has replaced it since; otherwise the attempt ended before the move.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from daeda.dataset.layout import MANIFEST_NAME, Dataset, day_name
from daeda.dataset.manifest import Manifest, manifest_text
from daeda.dataset.publish.claims import holds, release
from daeda.dataset.publish.staging import RunStaging
from daeda.errors import NotRegular
from daeda.storage.anew import look_anew
from daeda.storage.location import Location, ObjectPath
from daeda.storage.regular import read_regular


@dataclass(frozen=True)
class Publication:
    """A day as this run has published it. `manifest` is the digest of the manifest, `parts` are names of files.

    `operators` maps an operator's name to the digest of its description, `fingerprint` is the digest of all of that.
    """

    manifest: str
    fingerprint: str
    parts: tuple[str, ...]
    operators: Mapping[str, str]

    @classmethod
    def of(cls, manifest: Manifest, text: str) -> Publication:
        """The publication of a manifest, and of its text as it is written."""
        fingerprint = json.dumps(asdict(manifest.fingerprint), sort_keys=True)
        names = tuple(part.name for part in manifest.parts)
        return cls(_digest(text.encode()), _digest(fingerprint.encode()), names, manifest.fingerprint.operators)

    def paths(self, directory: Location) -> tuple[Location, ...]:
        """The parts, where they were published."""
        return tuple(directory / name for name in self.parts)


@dataclass(frozen=True)
class Attempt:
    """An attempt that is about to publish a day, with the manifest that it has made."""

    staging: RunStaging
    dataset: Dataset
    day: dt.date
    manifest: Manifest

    def is_published(self) -> bool:
        """Whether another attempt of the run has published this very day: of the same inputs by the same operators."""
        there = publication_of(self.staging, self.dataset, self.day)
        return there is not None and there.fingerprint == Publication.of(self.manifest, "").fingerprint

    def record(self, text: str) -> None:
        """Record the publication that follows, in place of that of an attempt before it.

        `text` is the manifest as it will be there.
        """
        path = _path(self.staging, self.dataset, self.day)
        # Not with all parents: the directory of a run that was taken for dead must not come back.
        fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}")
        fresh.write_text(json.dumps(asdict(Publication.of(self.manifest, text))), "utf-8")
        fresh.replace(path)


def has_published(staging: RunStaging, dataset: Dataset, days: Sequence[dt.date]) -> frozenset[dt.date]:
    """Those of the days that this run has published, in whichever process, on whichever host."""
    directory = _path(staging, dataset, days[0]).parent
    for shared in (directory, staging.claims / dataset, staging.seen(dataset)):
        look_anew(shared)
    return frozenset(day for day in days if _has_published(staging, dataset, day))


def _has_published(staging: RunStaging, dataset: Dataset, day: dt.date) -> bool:
    if not _path(staging, dataset, day).exists():
        return False
    # The claim is given back behind the move.
    return not holds(staging, dataset, day) or publication_of(staging, dataset, day) is not None


def publication_of(staging: RunStaging, dataset: Dataset, day: dt.date) -> Publication | None:
    """The publication of a day by this run, None where it has published none.

    What an attempt left to do that ended behind the move is done: the claim is given back, and a day on object storage
    shows up among those that are seen.
    """
    record = _recorded(_path(staging, dataset, day))
    if record is None:
        return None
    text = manifest_text(staging.layout.day_dir(dataset, day))
    claimed = holds(staging, dataset, day)
    if text is None or (claimed and _digest(text) != record.manifest):
        return None
    if claimed:
        _show(staging, dataset, day, text)
        release(staging, [(dataset, day)])
    return record


def _show(staging: RunStaging, dataset: Dataset, day: dt.date, text: bytes) -> None:
    if isinstance(staging.layout.service_dir, ObjectPath):
        seen = staging.seen(dataset) / day_name(day)
        seen.mkdir(parents=True, exist_ok=True)
        (seen / MANIFEST_NAME).write_bytes(text)


def _recorded(path: Path) -> Publication | None:
    """The record of a file. One that somebody else has written over is none: the day is built again."""
    try:
        text = read_regular(path)
        return TypeAdapter(Publication).validate_json(text)
    except (FileNotFoundError, IsADirectoryError, NotRegular, ValueError):
        return None


def _path(staging: RunStaging, dataset: Dataset, day: dt.date) -> Path:
    return staging.publications / dataset / f"{day_name(day)}.json"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
