"""Making tags. A tag is made day by day, and is there with its last file.

    lock -> claim the days -> for each day: link or copy the parts, put the manifest -> _tag.json

Links where the file system has them: a part has two names then, and is read-only under both, for a change through one
would show through the other. daeda itself changes no part, and replaces a day by another directory. A process that
dies leaves days without `_tag.json`; the next attempt keeps those that are whole.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from daeda.dataset.fingerprint import parts_digest
from daeda.dataset.layout import DATASETS, MANIFEST_NAME, Dataset, Layout, day_name
from daeda.dataset.manifest import DamagedManifest, DayName, Manifest, manifest_text, parse_manifest
from daeda.dataset.publish.claims import claim_days, claims_of
from daeda.dataset.publish.objects import publication
from daeda.dataset.publish.publish import prepare_day
from daeda.dataset.publish.staging import RunStaging, open_staging, refuse_stranger
from daeda.dataset.publish.tag_lock import tags_locked
from daeda.dataset.published import Published, data_entries, look_at_days, stamp_of
from daeda.dataset.stamps import remember_stamps
from daeda.dataset.tags import TAG_NAME, Tag, TaggedDay, check_tag_name, read_tag
from daeda.errors import DayError, InputError, UsageError, counted, shortened
from daeda.process.messages import say
from daeda.sources.files import PARTITION
from daeda.storage.client import S3Client
from daeda.storage.durable import sync_file
from daeda.storage.location import ObjectPath
from daeda.storage.objects import client
from daeda.storage.regular import file_digest

# A file system, or a kernel that protects files of others, refuses a link with one of these: then the part is copied.
_NO_LINK = frozenset({errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP})
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class _Chosen:
    """A published day that goes into a tag."""

    dataset: Dataset
    day: dt.date
    manifest: Manifest
    stamps: Mapping[str, str]


def make_tag(layout: Layout, name: str, days: Sequence[dt.date]) -> tuple[Tag, int]:
    """Tag the published days of a version; returns the tag, and how many of its parts are copies and no links.

    Raises UsageError where the tag exists, InputError for days that are not published whole, DayError for days that
    a run is building, and TransientError while another tag of the service is made or removed.
    """
    check_tag_name(name)
    target = layout.of_tag(name)
    with tags_locked(layout) as renew:
        _refuse_links(target)
        there = read_tag(target)
        if there is not None:
            raise UsageError(
                f"the tag '{name}' of {layout.service} exists, made {there.made} of {counted(len(there.days), 'day')}, "
                f"and a tag never changes: choose another name, or remove it with `daeda tag {layout.service} {name} "
                "--delete`"
            )
        with open_staging(layout) as staging:
            claims = claims_of(days, *DATASETS)
            claim_days(staging, claims, "fail", tell=say)
            chosen = _chosen(layout, days)
            _remove_others(target, chosen)
            made: dict[Dataset, dict[str, TaggedDay]] = {}
            copies = 0
            for number, one in enumerate(chosen, 1):
                renew()
                tagged_day, copied = _tagged(staging, target, one, renew)
                made.setdefault(one.dataset, {})[one.day.isoformat()] = tagged_day
                copies += copied
                if isinstance(layout.service_dir, ObjectPath):
                    say(f"{one.dataset} {one.day}: copied ({number}/{len(chosen)})")
            when = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            tag = Tag(layout.service, name, layout.version, when, made)
            renew()
            _write(target, tag)
    return tag, copies


def _refuse_links(target: Layout) -> None:
    """What an attempt has left is removed, and behind a link it would be what is somebody else's."""
    for directory in (target.version_dir, *map(target.dataset_dir, DATASETS)):
        if isinstance(directory, Path):
            refuse_stranger(directory)


def _chosen(layout: Layout, days: Sequence[dt.date]) -> list[_Chosen]:
    """The days as they are published: all of the skeleton, and all enriched ones or none."""
    looked = {dataset: look_at_days(layout, dataset, days) for dataset in DATASETS}
    enriched = {day for day, there in looked["enriched"].items() if there.manifest is not None or there.damage}
    datasets: tuple[Dataset, ...] = DATASETS if enriched else ("skeleton",)
    mistakes = []
    for dataset in datasets:
        missing = [day for day in days if not _is_there(looked[dataset].get(day))]
        if missing:
            mistakes.append(
                f"{layout.title}: {counted(len(missing), 'day')} of the {dataset} not published: "
                f"{shortened(missing, 6)}: train them, or choose others with --days, or --start and --end"
            )
        for day in days:
            wrong = looked[dataset].get(day)
            if wrong is not None and (wrong.damage or wrong.obstacles):
                clauses = shortened((*wrong.damage, *wrong.obstacles), 3)
                mistakes.append(f"{layout.day_dir(dataset, day)} is not as it was published: {clauses}: train it anew")
    if mistakes:
        raise InputError(*mistakes)
    chosen = [_Chosen(name, day, *_manifest_of(looked[name][day])) for name in datasets for day in days]
    _require_pairs(layout, chosen)
    return chosen


def _is_there(published: Published | None) -> bool:
    return published is not None and (published.manifest is not None or bool(published.damage))


def _manifest_of(published: Published) -> tuple[Manifest, Mapping[str, str]]:
    assert published.manifest is not None
    return published.manifest, {**published.manifest.stamps, **published.stamps}


def _require_pairs(layout: Layout, chosen: Sequence[_Chosen]) -> None:
    """An enriched day of another skeleton than the published one would make a tag of two trainings."""
    skeletons = {one.day: parts_digest(one.manifest.parts) for one in chosen if one.dataset == "skeleton"}
    apart = [
        one.day
        for one in chosen
        if one.dataset == "enriched" and one.manifest.fingerprint.inputs.get("skeleton") != skeletons[one.day]
    ]
    if apart:
        raise InputError(
            f"{layout.title}: {counted(len(apart), 'enriched day')} made of another skeleton than the published one: "
            f"{shortened(apart, 6)}: train first"
        )


def _tagged(staging: RunStaging, target: Layout, one: _Chosen, renew: Callable[[], None]) -> tuple[TaggedDay, int]:
    """A day of the tag, made or kept from an attempt before; and how many parts were copied."""
    source, final = staging.layout.day_dir(one.dataset, one.day), target.day_dir(one.dataset, one.day)
    if isinstance(source, ObjectPath):
        assert isinstance(final, ObjectPath)
        with publication(client(), staging.layout, one.dataset, one.day) as lease:

            def renew_both() -> None:
                lease.renew()
                renew()

            text = _copied_object(client(), source, final, one, renew_both)
        copied = len(one.manifest.parts)
    else:
        assert isinstance(final, Path)
        refuse_stranger(final)
        text, copied = _kept(source, final, one) or _linked(staging, source, final, one)
    size = sum(part.size for part in one.manifest.parts)
    return TaggedDay(hashlib.sha256(text).hexdigest(), one.manifest.rows, size), copied


def _kept(source: Path, final: Path, one: _Chosen) -> tuple[bytes, int] | None:
    """The manifest of a day that a former attempt has made whole; the remains of another are removed."""
    if not os.path.lexists(final):
        return None
    copied = 0
    with contextlib.suppress(DamagedManifest, FileNotFoundError):
        text = manifest_text(final)
        if text is not None and parse_manifest(text, final).parts == one.manifest.parts:
            for part in one.manifest.parts:
                if os.path.samestat((source / part.name).lstat(), (final / part.name).lstat()):
                    continue
                if file_digest(final / part.name) != part.sha256:
                    break
                copied += 1
            else:
                return text, copied
    shutil.rmtree(final)
    return None


def _linked(staging: RunStaging, source: Path, final: Path, one: _Chosen) -> tuple[bytes, int]:
    ready = prepare_day(staging, one.dataset, one.day, "tag")
    stamps, copied = {}, 0
    for part in one.manifest.parts:
        path, new = source / part.name, ready / part.name
        before = path.lstat()
        if stamp_of(before) != one.stamps.get(part.name):
            raise DayError(f"{path} changed while it was tagged: run again")
        if not _link(path, new):
            shutil.copyfile(path, new, follow_symlinks=False)
            new.chmod(stat.S_IMODE(before.st_mode) & ~_WRITABLE)
            sync_file(new)
            copied += 1
            if file_digest(new) != part.sha256:
                raise DayError(f"{path} changed while it was tagged: run again")
        after = path.lstat()
        if (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
            raise DayError(f"{path} changed while it was tagged: run again")
        # A link counts as a change of the file: both names have its new stamp.
        stamps[part.name] = stamp_of(after)
    text = _write_manifest(ready, one.manifest).encode()
    final.parent.mkdir(parents=True, exist_ok=True)
    ready.rename(final)
    sync_file(final.parent)
    remember_stamps(staging.layout, DayName(staging.layout.service, one.dataset, one.day), stamps)
    return text, copied


def _link(path: Path, new: Path) -> bool:
    """Give a part a second name and make it read-only; False where that is not to be had."""
    try:
        mode = stat.S_IMODE(path.lstat().st_mode)
        if mode & _WRITABLE:
            path.chmod(mode & ~_WRITABLE)
        os.link(path, new, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True


def _write_manifest(ready: Path, manifest: Manifest) -> str:
    stamps = {part.name: stamp_of((ready / part.name).lstat()) for part in manifest.parts}
    text = replace(manifest, stamps=stamps).to_json()
    path = ready / MANIFEST_NAME
    path.write_text(text, encoding="utf-8")
    path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_WRITABLE)
    sync_file(path)
    sync_file(ready)
    return text


def _copied_object(
    through: S3Client, source: ObjectPath, final: ObjectPath, one: _Chosen, renew: Callable[[], None]
) -> bytes:
    """Have the server copy the parts; the manifest goes first and comes last, as when a day is published."""
    there = data_entries(final)
    kept = manifest_text(final)
    if kept is not None:
        with contextlib.suppress(DamagedManifest):
            former = parse_manifest(kept, final)
            same = {part.name: (part.size, former.stamps.get(part.name)) for part in one.manifest.parts}
            if former.parts == one.manifest.parts and same == {
                name: (entry.size, entry.stamp) for name, entry in there.items()
            }:
                return kept
        through.delete(final / MANIFEST_NAME)
    for part in one.manifest.parts:
        renew()
        through.copy(source / part.name, final / part.name, one.stamps[part.name])
    arrived = data_entries(final)
    wrong = [
        part.name for part in one.manifest.parts if part.name not in arrived or arrived[part.name].size != part.size
    ]
    if wrong:
        raise DayError(f"{final / wrong[0]} did not arrive whole: run again")
    stamps = {part.name: arrived[part.name].stamp or "" for part in one.manifest.parts}
    text = replace(one.manifest, stamps=stamps).to_json().encode()
    renew()
    through.put(final / MANIFEST_NAME, text)
    return text


def _remove_others(target: Layout, chosen: Sequence[_Chosen]) -> None:
    """Days that an attempt has left which chose others."""
    wanted = {(one.dataset, day_name(one.day)) for one in chosen}
    for dataset in DATASETS:
        directory = target.dataset_dir(dataset)
        if isinstance(directory, Path):
            for path in directory.glob(f"{PARTITION}*"):
                if (dataset, path.name) not in wanted:
                    refuse_stranger(path)
                    shutil.rmtree(path)
        else:
            for stored in client().listing(directory):
                name, _, _ = stored.path.key.removeprefix(directory.prefix).partition("/")
                if (dataset, name) not in wanted:
                    client().delete(stored.path)


def _write(target: Layout, tag: Tag) -> None:
    path = target.version_dir / TAG_NAME
    if isinstance(path, ObjectPath):
        client().put(path, tag.to_json().encode())
        return
    fresh = path.with_name(f"{TAG_NAME}.new")
    fresh.write_text(tag.to_json(), encoding="utf-8")
    fresh.chmod(stat.S_IMODE(fresh.stat().st_mode) & ~_WRITABLE)
    sync_file(fresh)
    fresh.replace(path)
    sync_file(path.parent)
