"""The files that days read, each looked at once; their mistakes as one sentence per view and kind."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from daeda.operators.relational import Scan
from daeda.planning.checked import CheckedFile
from daeda.planning.file_check import FileCheck, check_file
from daeda.planning.refusal import Refusal
from daeda.planning.sources import Sources
from daeda.sources.columns import mixed_times
from daeda.storage.client import AT_ONCE
from daeda.storage.state import FileState

# Footers are small, and disks and servers answer late: a few threads wait for several at once.
_THREADS = AT_ONCE


def check_footers(sources: Sources, days: tuple[dt.date, ...], checked: dict[str, CheckedFile]) -> list[Refusal]:
    """Mistakes in the files that the days read; files that could be looked at go to `checked`."""
    scans = {scan.name: scan for scan in sources.scans}
    partition = {
        path: day for files in sources.files.values() for day, paths in files.partitions.items() for path in paths
    }
    readers: dict[tuple[str, str], list[dt.date]] = {}
    for day in days:
        for name, paths in sources.needed(day).items():
            for path in paths:
                readers.setdefault((name, path), []).append(day)
    # Several Scans may read one file: it is opened once.
    of_path: dict[str, list[str]] = {}
    for name, path in readers:
        of_path.setdefault(path, []).append(name)

    def look(path: str) -> FileCheck:
        names = of_path[path]
        version = sources.files[names[0]].versions.get(path)
        return check_file([scans[name] for name in names], path, partition.get(path), version, sources.unread)

    with ThreadPoolExecutor(_THREADS) as pool:
        looked = dict(zip(of_path, pool.map(look, of_path), strict=True))
    for path, check in looked.items():
        if check.state is not None:
            right = (name for name, problems in zip(of_path[path], check.problems, strict=True) if not problems)
            checked[path] = CheckedFile(check.state, tuple(right))
    # One sentence per view and kind: a wrong type is wrong in every partition.
    refusals: dict[tuple[str, str], Refusal] = {}
    for name, path in readers:
        for kind, sentence in looked[path].problems[of_path[path].index(name)]:
            refusal = refusals.get((scans[name].view, kind), Refusal(sentence, frozenset()))
            refusals[scans[name].view, kind] = replace(refusal, days=refusal.days.union(readers[name, path]))
    together = () if refusals else _mistakes_together(scans, readers, of_path, looked)
    seen = [
        (scans[name].view, mistakes)
        for path, check in looked.items()
        if check.unread
        for name, mistakes in zip(of_path[path], check.unread, strict=True)
    ]
    return [*refusals.values(), *together, *_unread_mistakes(seen, frozenset(days))]


def _mistakes_together(
    scans: Mapping[str, Scan],
    readers: Mapping[tuple[str, str], Sequence[dt.date]],
    of_path: Mapping[str, Sequence[str]],
    looked: Mapping[str, FileCheck],
) -> list[Refusal]:
    """What is right in each file, and wrong in the files of a Scan taken together."""
    refusals: dict[str, Refusal] = {}
    for name, scan in scans.items():
        checks = {path: check for path, check in looked.items() if name in of_path[path] and check.state is not None}
        days = frozenset(day for path in checks for day in readers[name, path])
        mixed = mixed_times(scan, {path: check.int96[of_path[path].index(name)] for path, check in checks.items()})
        for sentence in (mixed[1] if mixed else "", _one_file_twice(scan, checks)):
            if sentence:
                refusals.setdefault(sentence, Refusal(sentence, days))
    return list(refusals.values())


def _one_file_twice(scan: Scan, checks: Mapping[str, FileCheck]) -> str:
    """The sentence about two names of one local file, whose rows would be there twice; empty where there are none."""
    first: dict[tuple[int, FileState], str] = {}
    for path, check in checks.items():
        if check.state is None or not check.state.inode or not check.rows:
            continue
        other = first.setdefault((check.state.inode, check.state), path)
        if other != path:
            return (
                f"view '{scan.view}': {other} and {path} are one file, and its rows would be there twice: remove the "
                "link, or rename it (a name that begins with _ or . is known to be no data)"
            )
    return ""


def _unread_mistakes(seen: Sequence[tuple[str, list[tuple[str, str]]]], days: frozenset[dt.date]) -> list[Refusal]:
    """Fields that nothing reads, and that no file has as they are declared; a field may be newer than some files."""
    looked = Counter(view for view, _ in seen)
    mistaken = Counter((view, kind) for view, problems in seen for kind, _ in problems)
    first = {(view, kind): sentence for view, problems in reversed(seen) for kind, sentence in problems}
    return [Refusal(first[key], days) for key, number in mistaken.items() if number == looked[key[0]]]
