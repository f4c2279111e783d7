"""Which days are published, and whether what lies there is what their manifests say.

A day is its manifest and the parts that the manifest names. A directory without a manifest is no published day, and of
what else lies beside the parts nothing is data: files of others, hidden ones, work in progress.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from daeda.dataset.holding import days_there
from daeda.dataset.layout import MANIFEST_NAME, Dataset, Layout, day_name, is_part
from daeda.dataset.manifest import DayName, Manifest, manifest_text, parse_manifest
from daeda.errors import InputError, refusal, shortened
from daeda.storage.client import AT_ONCE, StoredObject
from daeda.storage.location import ObjectPath
from daeda.storage.objects import client
from daeda.storage.regular import MOST_METADATA, regular_descriptor
from daeda_data.parts import DayPart, PartState, PublishedDay

# A day is absent for a moment, or its directory half emptied, while it is replaced.
_LOOKS = 6
_PAUSE_SECONDS = 0.05
# Parts that are digested at once.
_THREADS = 2

States = dict[str, PartState | None]


class _Disagreement(InputError):
    """A manifest and the files beside it are not of one publication."""


def days_with_directory(layout: Layout, half: Dataset) -> list[dt.date]:
    """Days of which something is there, in order; whether they are published shows when they are looked at."""
    return days_there(layout, half)


def with_manifest(layout: Layout, half: Dataset, days: Sequence[dt.date]) -> list[dt.date]:
    """Those of the days that have a manifest, whatever it says."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        texts = pool.map(lambda day: manifest_text(layout.day_dir(half, day)), days)
        return [day for day, text in zip(days, texts, strict=True) if text is not None]


def look_at(layout: Layout, half: Dataset, days: Sequence[dt.date]) -> list[PublishedDay]:
    """Those of the days that are published, in the order given.

    Raises InputError where a manifest cannot be believed, or where it and the parts disagree: a part is missing, has
    another size, or none of the manifest's.
    """
    if isinstance(layout.dataset_dir(half), ObjectPath):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda day: _patiently(lambda: _look_at_objects(layout, half, day)), days))
    else:
        found = [_patiently(lambda day=day: _look_at_directory(layout, half, day)) for day in days]  # type: ignore[misc]
    return [day for day in found if day is not None]


def verify(days: Iterable[PublishedDay]) -> None:
    """Raise InputError for parts whose bytes are not those that were published, all of them at once."""
    parts = [part for day in days for part in day.parts]
    with ThreadPoolExecutor(_THREADS) as pool:
        digests = pool.map(DayPart.digest, parts)
        wrong = [part.path for part, digest in zip(parts, digests, strict=True) if digest != part.sha256]
    if wrong:
        what = "is not the file that was" if len(wrong) == 1 else "are not the files that were"
        raise InputError(f"{shortened(wrong, 3)} {what} published: build the day again")


def _patiently(look: Callable[[], PublishedDay | None]) -> PublishedDay | None:
    for _ in range(_LOOKS - 1):
        with contextlib.suppress(_Disagreement, FileNotFoundError):
            return look()
        time.sleep(_PAUSE_SECONDS)
    try:
        return look()
    except FileNotFoundError:
        return None


def _look_at_directory(layout: Layout, half: Dataset, day: dt.date) -> PublishedDay | None:
    """A day on a local file system, looked at through one opening of its directory, which is of one publication.

    Raises FileNotFoundError where there is no directory: it may be that of a day which is replaced at this moment.
    """
    directory = Path(str(layout.day_dir(half, day)))
    for place in (directory.parent, directory):
        if place.is_symlink():
            raise InputError(
                f"{place} is a link, which is not followed: remove it, or put what it leads to in its place"
            )
    try:
        opening = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{directory} cannot be read as the directory of a day: {refusal(error)}") from error
    try:
        text = _manifest_in(opening, directory)
        if text is None:
            return None
        manifest = parse_manifest(text, directory, DayName(layout.service, half, day))
        names = {part.name for part in manifest.parts} | set(filter(is_part, os.listdir(opening)))  # noqa: PTH208
        return _agreeing(str(directory), manifest, day, {name: _state(opening, name) for name in names})
    finally:
        os.close(opening)


def _manifest_in(opening: int, directory: Path) -> bytes | None:
    path = directory / MANIFEST_NAME
    try:
        descriptor = regular_descriptor(MANIFEST_NAME, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=opening)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}: build the day again") from error
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MOST_METADATA + 1)


def _state(opening: int, name: str) -> PartState | None:
    try:
        status = os.stat(name, dir_fd=opening, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return PartState.of(status) if stat.S_ISREG(status.st_mode) else PartState(-1)


def _look_at_objects(layout: Layout, half: Dataset, day: dt.date) -> PublishedDay | None:
    """A day on object storage: its parts as they are listed, and read at these ETags only."""
    directory = layout.day_dir(half, day)
    assert isinstance(directory, ObjectPath)
    answer = client().read(directory / MANIFEST_NAME)
    if answer is None:
        return None
    manifest = parse_manifest(answer[0], directory, DayName(layout.service, half, day))
    listed = {stored.path.key.removeprefix(directory.prefix): stored for stored in client().listing(directory)}
    states: States = {name: _stored_state(stored) for name, stored in listed.items() if is_part(name)}
    stamps = manifest.stamps
    replaced = [name for name, state in states.items() if state and name in stamps and stamps[name] != state.etag]
    if replaced and client().read(directory / MANIFEST_NAME) != answer:
        raise _Disagreement(f"{directory} is published anew at this moment: open the dataset again when it is there")
    return _agreeing(str(directory), manifest, day, states)


def _stored_state(stored: StoredObject) -> PartState:
    return PartState(stored.size, etag=stored.etag)


def _agreeing(directory: str, manifest: Manifest, day: dt.date, states: States) -> PublishedDay:
    """The day, if the files are those of the manifest by their names and sizes; raises _Disagreement."""
    told, parts = [], []
    for number, part in enumerate(manifest.parts):
        state = states.get(part.name)
        if state is None:
            told.append(f"{part.name} is missing")
        elif state.size != part.size:
            size = "is no regular file" if state.size < 0 else f"has {state.size:,} bytes"
            told.append(f"{part.name} {size}, and the manifest says {part.size:,}")
        else:
            parts.append(DayPart(day, number, f"{directory}/{part.name}", part.rows, part.sha256, state))
    more = sorted(set(states) - {part.name for part in manifest.parts})
    told += [f"{name} is no part of the manifest" for name in more]
    if told:
        raise _Disagreement(
            f"{directory} is not the day that was published: {shortened(told, 3)}: build {day_name(day)} again"
        )
    return PublishedDay(day, directory, manifest, tuple(parts))
