"""A copy of the input of a day that rows can be added to: links to local files, copies of objects and of exports."""

from __future__ import annotations

import glob
import json
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from daeda.catalog.project import Project
from daeda.dataset.layout import day_name
from daeda.errors import InputError, counted
from daeda.sources.models.source import DatabaseSource
from daeda.storage.client import AT_ONCE, StoredObject
from daeda.storage.location import ObjectPath, is_object, object_path
from daeda.storage.objects import client
from daeda_audit.declared import read_views
from daeda_audit.published.days import PublishedDay
from daeda_audit.raw.view import RawView, RawViews


@dataclass(frozen=True)
class InputCopy:
    """`data_root` holds the copy, `exports` those of databases with their index; `locations` are the views in them.

    A view whose files are outside of data_root has no location.
    """

    data_root: Path
    exports: Path
    locations: Mapping[str, Path]


def copy_input(project: Project, raws: RawViews, published: PublishedDay, directory: Path) -> InputCopy:
    """Write the copy below `directory`. Of objects those are copied that the day read, which its manifest lists."""
    copied, exports = directory / "data", directory / "exports"
    views = [raws[view.name] for view in read_views(project)]
    locations = _copy_exports([raw for raw in views if isinstance(raw.view.source, DatabaseSource)], exports)
    in_files = [raw for raw in views if not isinstance(raw.view.source, DatabaseSource)]
    if is_object(project.data_root):
        return InputCopy(copied, exports, locations | _copy_objects(project, in_files, published, copied))
    root = Path(project.data_root).resolve()
    inside = {raw.view.name: relative for raw in in_files if (relative := _inside(root, raw)) is not None}
    if root.is_dir():
        _copy_files(root, copied, root, set(inside.values()))
    return InputCopy(copied, exports, locations | {name: copied / relative for name, relative in inside.items()})


def _copy_exports(raws: Iterable[RawView], target: Path) -> dict[str, Path]:
    target.mkdir()
    locations = {}
    index = {}
    for raw in raws:
        path = target / f"{raw.view.name}.parquet"
        path.symlink_to(raw.path)
        locations[raw.view.name] = path
        index[raw.view.name] = {"path": str(path), "reference": raw.reference}
    (target / "exports.json").write_text(json.dumps(index), encoding="utf-8")
    return locations


def _inside(root: Path, raw: RawView) -> Path | None:
    """Where a view's files are below data_root: their directory, or the one file; None when they are elsewhere."""
    if is_object(raw.path):
        return None
    path = Path(raw.path)
    if not path.exists():  # a pattern
        path = next((file for file in reversed(raw.flat) if isinstance(file, Path)), path)
    try:
        return path.resolve().relative_to(root)
    except ValueError:
        return None


def _copy_files(source: Path, target: Path, root: Path, altered: Iterable[Path]) -> None:
    """Links to everything, in real directories down to what is altered; altered directories are real all through."""
    target.mkdir(parents=True)
    for child in source.iterdir():
        relative = child.relative_to(root)
        beside = target / child.name
        within = any(relative == path or relative.is_relative_to(path) for path in altered)
        above = any(path.is_relative_to(relative) for path in altered)
        if child.is_dir() and (within or above):
            _copy_files(child, beside, root, altered)
        else:
            beside.symlink_to(child)


def _copy_objects(project: Project, raws: Iterable[RawView], published: PublishedDay, target: Path) -> dict[str, Path]:
    root = object_path(project.data_root)
    target.mkdir()
    _fetch_inputs(root, published, target)
    locations = {}
    for raw in raws:
        location = _location_of(raw)
        if location is None or not _lies_below(root, location):
            continue
        locations[raw.view.name] = target / location.key.removeprefix(root.prefix)
        for day in raw.partitions:
            # Also of a day without rows: it is no missing one.
            (locations[raw.view.name] / day_name(day)).mkdir(parents=True, exist_ok=True)
    return locations


def _location_of(raw: RawView) -> ObjectPath | None:
    """The directory or the object of a view, the last object of a pattern; None for a view that is not in a bucket."""
    if not is_object(raw.path):
        return None
    if not glob.has_magic(raw.view.source.reference):
        return object_path(raw.path)
    return next((file.path for file in reversed(raw.flat) if isinstance(file, StoredObject)), None)


def _lies_below(root: ObjectPath, path: ObjectPath) -> bool:
    return path.bucket == root.bucket and path.key.startswith(root.prefix)


def _fetch_inputs(root: ObjectPath, published: PublishedDay, target: Path) -> None:
    """The objects that the day read, as they are now: one that is gone is missed by the rebuild."""
    wanted = {file.path: file.size for file in published.manifest.inputs if file.etag}
    below = [
        path for path in map(object_path, wanted) if path.bucket == root.bucket and path.key.startswith(root.prefix)
    ]
    size, room = sum(wanted[str(path)] for path in below), shutil.disk_usage(target).free
    if size > room:
        raise InputError(
            f"append probe: the {counted(len(below), 'object')} that {published.day} read have {size:,} bytes, and "
            f"{target} has room for {room:,}: name another staging_root, or leave the probe out with --probe recompute"
        )

    def fetch(path: ObjectPath) -> None:
        if client().look(path) is not None:
            location = target / path.key.removeprefix(root.prefix)
            location.parent.mkdir(parents=True, exist_ok=True)
            client().fetch(path, location)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(fetch, below))
