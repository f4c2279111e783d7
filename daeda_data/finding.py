"""Where the days of a service are: the version and the half of them that is read, and the days that are chosen."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from daeda.catalog.find import TRAINING, find_root, find_runtime
from daeda.catalog.project import Project, ProjectPaths, load_project
from daeda.dataset.layout import DATASETS, Dataset, Layout
from daeda.dataset.tagged_days import require_tagged
from daeda.dataset.tags import tagged
from daeda.dataset.versions import versions_there
from daeda.errors import InputError, UsageError, cut, did_you_mean
from daeda.storage.location import Location, ObjectPath, is_object, object_path
from daeda.storage.objects import client
from daeda_data.arguments import path_of, text_of
from daeda_data.choosing import Days, days_asked, days_of_split, in_split, spans
from daeda_data.looking import days_with_directory, look_at, with_manifest
from daeda_data.parts import PublishedDay

# A day is absent for a moment while it is replaced.
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Found:
    """One half of a version of a service. `project` is the one that was given in place of an output root."""

    layout: Layout
    half: Dataset
    project: Project | None = None

    def choose(self, split: str | None, days: Days | None) -> list[PublishedDay]:
        """The published days that are asked for, looked at; raises UsageError for those that are not there."""
        there = days_with_directory(self.layout, self.half)
        ends_there = isinstance(days, slice) and None in (days.start, days.stop)
        ends = with_manifest(self.layout, self.half, there) if ends_there else there
        asked = None if days is None else days_asked(days, ends)
        if split is not None:
            of_split = days_of_split(split, self._project_of(split).service.splits, self.layout.service)
            asked = of_split if asked is None else in_split(asked, split, of_split)
        if asked is None:
            return self._all(there)
        if not set(asked) <= set(there):
            time.sleep(_PAUSE_SECONDS)
            there = days_with_directory(self.layout, self.half)
        published = look_at(self.layout, self.half, [day for day in asked if day in set(there)])
        missing = sorted(set(asked) - {day.day for day in published})
        if missing or not asked:
            raise self._missing(missing, there, split)
        return published

    def _all(self, there: Sequence[dt.date]) -> list[PublishedDay]:
        """The published days. One that is replaced while the first list is made is not in it, and is in a second."""
        published = look_at(self.layout, self.half, there)
        if days_with_directory(self.layout, self.half) != [day.day for day in published]:
            time.sleep(_PAUSE_SECONDS)
            published = look_at(self.layout, self.half, days_with_directory(self.layout, self.half))
        if not published:
            raise _nothing(self.layout, self.half)
        return published

    def _missing(self, missing: Sequence[dt.date], there: Sequence[dt.date], split: str | None) -> UsageError:
        directory = self.layout.dataset_dir(self.half)
        there = with_manifest(self.layout, self.half, there)
        if not there:
            return UsageError(f"{directory} holds no published day: build days with `daeda pipeline train`")
        of = f" of the split '{split}'" if split else ""
        are = "is" if len(missing) == 1 else "are"
        return UsageError(
            f"{spans(missing)}{of} {are} not published in {directory}, where {spans(there)} "
            f"{'is' if len(there) == 1 else 'are'}: build what is missing with `daeda pipeline train`, or ask for "
            "other days"
        )

    def _project_of(self, split: str) -> Project:
        """The project whose service has the splits."""
        if self.project is not None:
            self._require_version(self.project, split)
            return self.project
        place, service = self.layout.service_dir, self.layout.service
        advice = f"give the directory of the project as root, or the days of '{cut(split)}' as days="
        if isinstance(place, ObjectPath):
            raise UsageError(
                f"split='{cut(split)}': splits stand in the YAML of '{service}', not beside its days: {advice}"
            )
        try:
            root = find_root(place.absolute())
            project = _load(root, service)
        except UsageError as error:
            raise UsageError(
                f"split='{cut(split)}': splits stand in the YAML of '{service}', and no project that {place} lies in "
                f"has it: {advice}"
            ) from error
        declared = project.service_dir
        if not isinstance(declared, Path) or declared.resolve() != place.resolve():
            raise UsageError(
                f"split='{cut(split)}': the project {root} publishes '{service}' in {declared}, not in {place}: "
                f"{advice}"
            )
        self._require_version(project, split)
        return project

    def _require_version(self, project: Project, split: str) -> None:
        version = project.service.version
        if version != self.layout.version:
            raise UsageError(
                f"split='{cut(split)}': the splits in {project.root} are those of version {version} of "
                f"'{self.layout.service}', and days of version {self.layout.version} are asked for: give them as days="
            )


def find(
    root: str | os.PathLike[str],
    service: str,
    version: int | None,
    half: Dataset | None,
    tag: str | None = None,
) -> Found:
    """One half of one version or of one tag of a service, by what is there and what the project says."""
    given = path_of("root", root)
    service = text_of("service", service, "the name of a service")
    if tag is not None:
        tag = text_of("tag", tag, "the name of a tag")
    if tag is not None and version is not None:
        raise UsageError(f"tag='{cut(tag)}' are days of the version that was tagged: leave out version=")
    if half not in (None, *DATASETS):
        raise UsageError(f'half= is "skeleton" or "enriched", not {cut(repr(half))}')
    project, root_of_output = _root(given, service)
    place = project.service_dir if project else root_of_output / service
    declared = project.service.version if project else None
    layout = Layout(place)
    if tag is not None:
        layout, there = tagged(layout, tag)
        require_tagged(layout, there)
        return Found(layout, half or _half(layout), project)
    layout = layout.of_version(_version(layout, version if version is not None else declared))
    return Found(layout, half or _half(layout), project)


def _root(root: str, service: str) -> tuple[Project | None, Location]:
    if is_object(root):
        return None, object_path(root)
    path = Path(root)
    if (path / TRAINING).is_dir():
        return _load(path.absolute(), service), path
    if path.is_file():
        return load_project(ProjectPaths(path.absolute()), service), path.parent
    if not path.is_dir():
        raise UsageError(f"{path} is no directory: give an output root, or the directory of a project")
    return None, path


def _load(root: Path, service: str) -> Project:
    project = load_project(ProjectPaths(find_runtime(service, here=root)), service)
    if project.root.resolve() != root.resolve():
        raise UsageError(f"no project in {root} itself: its files are those of {project.root}, so give that")
    return project


def _version(layout: Layout, version: int | None) -> int:
    """The version that is asked for, or the only one that has days; raises UsageError with those that exist."""
    if version is not None and (isinstance(version, bool) or not isinstance(version, int) or version < 1):
        raise UsageError(f"version= is a whole number from 1 on, not {cut(repr(version))}")
    there = [one.version for one in _versions_of(layout) if _halves(one)]
    if not there:
        raise _no_service(layout)
    if version is None and len(there) > 1:
        listed = ", ".join(map(str, there[:-1])) + f" and {there[-1]}"
        raise UsageError(f"{layout.service_dir} has days of the versions {listed}: say version={there[-1]}, or another")
    chosen = there[0] if version is None else version
    if chosen not in there:
        listed = "version" if len(there) == 1 else "versions"
        raise UsageError(
            f"{layout.service_dir} has no day of version {chosen}: {listed} {', '.join(map(str, there))} "
            f"{'is' if len(there) == 1 else 'are'} there; build it with `daeda pipeline train`"
        )
    return chosen


def _versions_of(layout: Layout) -> list[Layout]:
    return [layout.of_version(version) for version in versions_there(layout)]


def _halves(layout: Layout) -> list[Dataset]:
    return [half for half in DATASETS if days_with_directory(layout, half)]


def _half(layout: Layout) -> Dataset:
    """The enriched days where there are some; those of a skeleton that waits for no enrichment else."""
    if days_with_directory(layout, "enriched"):
        return "enriched"
    there = reversed(days_with_directory(layout, "skeleton"))
    newest = next((found for day in there for found in look_at(layout, "skeleton", [day])), None)
    waiting = [column.name for column in newest.manifest.columns if column.placeholder] if newest is not None else []
    if waiting:
        raise UsageError(
            f"{layout.version_dir} holds the skeleton alone, in which '{waiting[0]}' and all embedding columns are "
            'empty: enrich it with `daeda pipeline train`, or read it as it is with half="skeleton"'
        )
    return "skeleton"


def _no_service(layout: Layout) -> UsageError:
    root = layout.output_root
    if isinstance(root, ObjectPath):
        names = client().folders(root)
    else:
        names = [path.name for path in Path(str(root)).iterdir() if path.is_dir()] if Path(str(root)).is_dir() else []
    services = [name for name in names if any(map(_halves, _versions_of(Layout(root / name))))]
    if layout.service in services or not services:
        return UsageError(f"{layout.service_dir} holds no published day: build one with `daeda pipeline train`")
    return UsageError(f"no days of '{cut(layout.service)}' in {root}: {did_you_mean(layout.service, services)}")


def _nothing(layout: Layout, half: Dataset) -> InputError:
    return InputError(
        f"{layout.dataset_dir(half)} holds no day with a manifest, so none is published: build one with "
        "`daeda pipeline train`"
    )
