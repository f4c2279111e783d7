"""Removing tags: nothing but what daeda has written there, the file that makes it a tag first."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from daeda.dataset.layout import DATASETS, MANIFEST_NAME, Dataset, Layout, is_part
from daeda.dataset.manifest import DamagedManifest, DayName, read_manifest
from daeda.dataset.publish.staging import refuse_stranger
from daeda.dataset.publish.tag_lock import tags_locked
from daeda.dataset.published import stamp_of
from daeda.dataset.stamps import remember_stamps
from daeda.dataset.tags import TAG_NAME, check_tag_name, read_tag
from daeda.errors import InputError, shortened
from daeda.process.messages import say
from daeda.sources.files import PARTITION, parse_day
from daeda.storage.location import ObjectPath
from daeda.storage.objects import client


def delete_tag(layout: Layout, name: str, *, unfinished: bool = False) -> None:
    """Remove a tag, also one that is not whole. Raises InputError for what daeda did not write there.

    With `unfinished` a tag is left that is whole by now: since somebody listed it another process has finished it.
    """
    check_tag_name(name)
    target = layout.of_tag(name)
    with tags_locked(layout) as renew:
        if unfinished and read_tag(target) is not None:
            say(f"left: {target.version_dir}: the tag was finished meanwhile")
            return
        if isinstance(target.version_dir, ObjectPath):
            _delete_objects(target.version_dir, renew)
        else:
            _delete_files(target, target.version_dir)


def _delete_objects(directory: ObjectPath, renew: Callable[[], None]) -> None:
    listed = [stored.path for stored in client().listing(directory)]
    foreign = [path for path in listed if not _is_ours(path.key.removeprefix(directory.prefix).split("/"))]
    if foreign:
        raise InputError(f"not removed: {shortened(foreign, 3)} was not written by daeda: move it elsewhere")
    client().delete(directory / TAG_NAME)
    for path in listed:
        renew()
        client().delete(path)


def _delete_files(target: Layout, directory: Path) -> None:
    refuse_stranger(directory)
    if not directory.exists():
        return
    foreign = [
        path
        for path in sorted(directory.rglob("*"))
        if path.is_symlink()
        or not (path.is_dir() or _is_ours(path.relative_to(directory).parts))
        or (path.is_dir() and path == directory / TAG_NAME)
    ]
    if foreign:
        raise InputError(f"not removed: {shortened(foreign, 3)} was not written by daeda: move it elsewhere")
    with contextlib.suppress(InputError):  # of what is no file of a tag no version is known
        tag = read_tag(target)
        target = target if tag is None else target.of_version(tag.version).of_tag(tag.name)
    (directory / TAG_NAME).unlink(missing_ok=True)
    for dataset in DATASETS:
        for path in sorted((directory / dataset).glob(f"{PARTITION}*")):
            _delete_day(target, dataset, path)
    shutil.rmtree(directory)


def _delete_day(target: Layout, dataset: Dataset, path: Path) -> None:
    """A name less counts as a change of the file: the stamps of published parts that have the other are renewed."""
    day = parse_day(path.name.removeprefix(PARTITION))
    assert day is not None
    layout = target.of_version(target.version)
    published, name = layout.day_dir(dataset, day), DayName(target.service, dataset, day)
    assert isinstance(published, Path)
    shared = []
    with contextlib.suppress(DamagedManifest, FileNotFoundError):
        manifest = read_manifest(published, name)
        for part in manifest.parts if manifest is not None else ():
            status = (published / part.name).lstat()
            linked = (path / part.name).lstat()
            if os.path.samestat(status, linked) and manifest is not None:
                shared += [part.name] if manifest.stamps.get(part.name) == stamp_of(status) else []
    shutil.rmtree(path)
    with contextlib.suppress(FileNotFoundError):
        stamps = {part: stamp_of((published / part).lstat()) for part in shared}
        if stamps:
            remember_stamps(layout, name, stamps)


def _is_ours(steps: Sequence[str]) -> bool:
    """Whether what lies at these steps below the directory of a tag is what daeda writes there."""
    match tuple(steps):
        case (file,):
            return file in (TAG_NAME, f"{TAG_NAME}.new")
        case ("_statistics", *_):  # of the days of the tag, made anew wherever they are missing
            return True
        case (dataset, day, file):
            known = dataset in DATASETS and parse_day(day.removeprefix(PARTITION)) is not None
            return known and (file == MANIFEST_NAME or is_part(file))
        case _:
            return False
