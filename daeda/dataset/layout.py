"""Where the days of a service are.

<service dir>/skeleton/dt=YYYY-MM-DD/part-N-0.parquet + _manifest.json
<service dir>/enriched/dt=YYYY-MM-DD/part-N-0.parquet + _manifest.json
<service dir>/_staging/

All of version N > 1 of the contract lies so below <service dir>/vN/: versions stand side by side, and share nothing.
Tagged days lie so below <service dir>/_tags/NAME/, without staging: nothing there changes.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from daeda.storage.location import Location

if TYPE_CHECKING:
    # Workers of the enrichment know where days lie, and import neither the catalog nor its models.
    from daeda.catalog.project import Project

Dataset = Literal["skeleton", "enriched"]
DATASETS: tuple[Dataset, ...] = get_args(Dataset)

MANIFEST_NAME = "_manifest.json"
TAGS = "_tags"
_VERSION = re.compile(r"v([1-9][0-9]{0,8})")
_PART = re.compile(r"part-(\d+)-0\.parquet")


@dataclass(frozen=True)
class Layout:
    """Places of one version of a service, or of a tag. Days are local or on object storage; work in progress is local.

    `scratch` is for days on object storage: what is in progress lies there instead of beside them. Of a tag `version`
    says nothing, and its staging is that of the version.
    """

    service_dir: Location
    scratch: Path | None = None
    version: int = 1
    tag: str | None = None

    @property
    def service(self) -> str:
        """Name of the service."""
        return self.service_dir.name

    @property
    def title(self) -> str:
        """`ranking`, `ranking v2`, or `ranking@tag`."""
        if self.tag is not None:
            return f"{self.service}@{self.tag}"
        return f"{self.service} {_version_name(self.version)}" if self.version > 1 else self.service

    @property
    def output_root(self) -> Location:
        """What holds the directories of services."""
        return self.service_dir.parent

    @property
    def version_dir(self) -> Location:
        """Directory of the version's days: that of the service for the first one, and one below it for each other."""
        if self.tag is not None:
            return self.service_dir / TAGS / self.tag
        return self.service_dir / _version_name(self.version) if self.version > 1 else self.service_dir

    def of_version(self, version: int) -> Layout:
        """The same for another version of the service."""
        return replace(self, version=version, tag=None)

    def of_tag(self, tag: str) -> Layout:
        """The same for the days of a tag."""
        return replace(self, tag=tag)

    @property
    def scratch_dir(self) -> Path:
        """Local directory of everything that is not a day."""
        if self.tag is not None:
            return self.of_version(self.version).scratch_dir
        if isinstance(self.version_dir, Path):
            return self.version_dir
        if self.scratch is None:
            raise ValueError(f"{self.service_dir} needs a local directory for work in progress")
        return self.scratch / _version_name(self.version) if self.version > 1 else self.scratch

    @property
    def staging(self) -> Path:
        """Work in progress; on the same file system as local days, so that a rename publishes."""
        return self.scratch_dir / "_staging"

    def dataset_dir(self, dataset: Dataset) -> Location:
        """The directory of all days of a dataset."""
        return self.version_dir / dataset

    def day_dir(self, dataset: Dataset, day: dt.date) -> Location:
        """The directory of one published day."""
        return self.dataset_dir(dataset) / day_name(day)


def layout_of(project: Project) -> Layout:
    """The places of the version that the contract of a project has."""
    return Layout(project.service_dir, project.scratch_dir, project.service.version)


def layout_of_run(service_dir: Location, version: int, run_dir: Path) -> Layout:
    """The layout of a run, of which the directory of its work is known: it lies in the scratch directory."""
    scratch = run_dir.parent.parent
    return Layout(service_dir, scratch.parent if version > 1 else scratch, version)


def version_of(name: str) -> int | None:
    """N of a directory `vN`, None for another name; nothing but daeda's own spelling, so not `v1` or `v02`."""
    match = _VERSION.fullmatch(name)
    return int(match[1]) if match and int(match[1]) > 1 else None


def _version_name(version: int) -> str:
    """`v2`."""
    return f"v{version}"


def day_name(day: dt.date) -> str:
    """`dt=2017-01-29`."""
    return f"dt={day.isoformat()}"


def part_name(number: int) -> str:
    """`part-3-0.parquet`."""
    return f"part-{number}-0.parquet"


def is_part(name: str) -> bool:
    """Whether a file is named as a part is."""
    return _PART.fullmatch(name) is not None


def part_number(name: str) -> int:
    """N of `part-N-0.parquet`; raises ValueError for another name."""
    match = _PART.fullmatch(name)
    if not match:
        raise ValueError(f"'{name}' is not the name of a part")
    return int(match[1])


def parts_in_order(names: Iterable[str]) -> list[str]:
    """Part names by number: 10 comes after 9. Names of no part come last."""
    return sorted(names, key=lambda name: (0, part_number(name), name) if is_part(name) else (1, 0, name))
