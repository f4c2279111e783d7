"""What was found behind a view: its files, by day."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path

from daeda.storage.location import is_object
from daeda.storage.state import FileState

PARTITION = "dt="


@dataclass(frozen=True)
class Export:
    """A view of a database as a run read it: its file, and what was read, with its snapshot where it has a number."""

    path: str
    reference: str

    def files(self, path: str) -> SourceFiles:
        """The files of a Scan of the view, whose path stands for the table."""
        return SourceFiles(path, flat=(self.path,), directory=self.path)


@dataclass(frozen=True)
class SourceFiles:
    """Files of one view: by day, or, where the source is not partitioned, `flat`.

    `versions` holds the state of the files that are objects, as they were listed. `directory` is what was looked
    through, where `path` is a pattern or a table: the path as far as it is no pattern, or the export. `complete_before`
    is the instant, in nanoseconds, before which the view is said to be complete for the labels that read it.
    """

    path: str
    partitions: dict[dt.date, tuple[str, ...]] = field(default_factory=dict)
    flat: tuple[str, ...] = ()
    versions: dict[str, FileState] = field(default_factory=dict)
    directory: str = ""
    complete_before: int | None = None

    @property
    def partitioned(self) -> bool:
        """Whether the source is a directory of `dt=YYYY-MM-DD` directories."""
        return bool(self.partitions)

    @property
    def in_order(self) -> tuple[str, ...]:
        """All files, those of a partition in the order of their days."""
        return (*self.flat, *(path for day in sorted(self.partitions) for path in self.partitions[day]))

    @cached_property
    def paths(self) -> frozenset[str]:
        """All files."""
        return frozenset(chain(self.flat, *self.partitions.values()))

    def partition_of(self, path: str) -> dt.date | None:
        """The day of the partition that a file lies in."""
        return next((day for day, paths in self.partitions.items() if path in paths), None)

    def places(self) -> tuple[str, ...]:
        """What has to be reached to read the files: the path, and what links lead to outside of it."""
        root = self.directory or self.path
        if is_object(root):
            return (root,)
        home = Path(root).resolve()
        found = {Path(root): home}
        real = [_real(Path(file), found) for files in (self.flat, *self.partitions.values()) for file in files]
        return (root, *(str(file) for file in real if not file.is_relative_to(home)))

    @cached_property
    def _ordered(self) -> tuple[list[dt.date], list[str], list[int]]:
        """The partitions in order, their files, and how many of these stand before each partition and the end."""
        days = sorted(self.partitions)
        counts = accumulate((len(self.partitions[day]) for day in days), initial=0)
        return days, [path for day in days for path in self.partitions[day]], list(counts)

    def partitions_between(self, first: dt.date, last: dt.date) -> int:
        """How many partitions there are from one day to another, both among them."""
        days, _, _ = self._ordered
        return max(0, bisect_right(days, last) - bisect_left(days, first))

    def between(self, first: dt.date, last: dt.date) -> tuple[str, ...]:
        """The files of the partitions from one day to another, in order."""
        days, paths, before = self._ordered
        return tuple(paths[before[bisect_left(days, first)] : before[bisect_right(days, last)]])

    @cached_property
    def first_day(self) -> dt.date | None:
        """The earliest partition."""
        return min(self.partitions, default=None)


def _real(path: Path, found: dict[Path, Path]) -> Path:
    """The path with all links followed; what is `found` of its directories is not asked for again."""
    if path not in found:
        by_itself = path == path.parent or path.name == ".." or path.is_symlink()
        found[path] = path.resolve() if by_itself else _real(path.parent, found) / path.name
    return found[path]


def parse_day(text: str) -> dt.date | None:
    """The day of YYYY-MM-DD, None for every other text (Python reads 20240102 and 2024-W01-2 as days too)."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


def wrong_partition(view: str, directory: str) -> str:
    """The message about a partition whose name is not a day."""
    return f"view '{view}': {directory} is not a day: a partition is named dt=YYYY-MM-DD, so rename or remove it"
