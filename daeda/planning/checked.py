"""What a run has checked before its first day, for the days: its files as they were listed, and their states.

    <run>/checked.json     the listing of every Scan; for each file that was checked its state, and for which Scans

A day that finds a file in another state, or one that was not checked, checks it itself. So nothing is published of what
nobody has checked, whatever comes, goes or is replaced between the checks and the day, and whoever builds the day.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from daeda.operators.relational import Scan
from daeda.sources.files import SourceFiles
from daeda.sources.partitions import files_needed
from daeda.storage.regular import read_regular
from daeda.storage.state import FileState, InputFile

_NAME = "checked.json"
# As many files as anybody has: a line of the file takes some hundred bytes.
_MOST_BYTES = 4 << 30


@dataclass(frozen=True)
class CheckedFile:
    """The state in which a file was checked, and the names of the Scans that it was checked for."""

    state: FileState
    scans: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """`listed` holds the files of each Scan, by its name, and `files` those of them that were checked, by path."""

    listed: Mapping[str, SourceFiles] = field(default_factory=dict)
    files: Mapping[str, CheckedFile] = field(default_factory=dict)

    def covers(self, scan: Scan, file: InputFile) -> bool:
        """Whether the file was checked for the Scan in the state in which it was identified now."""
        checked = self.files.get(file.path)
        return checked is not None and checked.state == file.state and scan.name in checked.scans

    def vanished(self, scan: Scan, day: dt.date, there: SourceFiles) -> list[str]:
        """Files that the day was to read, as they were listed before, and that are not there any more."""
        before = self.listed.get(scan.name)
        if before is None:
            return []
        return [path for path in files_needed(scan, before, day) if path not in there.paths]

    def write(self, directory: Path) -> None:
        """Leave it in the directory of a run, for all of its workers."""
        listings = list({id(listing): listing for listing in self.listed.values()}.values())
        position = {id(listing): number for number, listing in enumerate(listings)}
        data = {
            "listings": [_listing(listing) for listing in listings],
            "scans": {name: position[id(listing)] for name, listing in self.listed.items()},
            "files": {
                path: [file.state.size, file.state.mtime_ns, file.state.ctime_ns, file.state.etag, file.scans]
                for path, file in self.files.items()
            },
        }
        unfinished = directory / f"{_NAME}.tmp"
        unfinished.write_text(json.dumps(data), encoding="ascii")
        unfinished.rename(directory / _NAME)


@lru_cache(maxsize=4)
def read_checked(run_dir: str) -> Checked:
    """What the run of a directory has checked; raises OSError where it has left nothing there."""
    data = json.loads(read_regular(Path(run_dir) / _NAME, _MOST_BYTES))
    listings = [_source_files(listing) for listing in data["listings"]]
    return Checked(
        {name: listings[number] for name, number in data["scans"].items()},
        {path: CheckedFile(FileState(*state), tuple(scans)) for path, (*state, scans) in data["files"].items()},
    )


def _listing(files: SourceFiles) -> list[object]:
    by_day = {day.isoformat(): paths for day, paths in files.partitions.items()}
    return [files.path, by_day, files.flat, files.complete_before]


def _source_files(listing: Sequence[object]) -> SourceFiles:
    path, partitions, flat, complete_before = listing
    assert isinstance(path, str)
    assert isinstance(partitions, dict)
    assert isinstance(flat, list)
    assert complete_before is None or isinstance(complete_before, int)
    by_day = {dt.date.fromisoformat(day): tuple(paths) for day, paths in partitions.items()}
    return SourceFiles(path, by_day, tuple(flat), complete_before=complete_before)
