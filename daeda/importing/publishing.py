"""The last step of an import: parts are put into place day by day, then the files enter the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from daeda.importing.ledger import ImportedDay, ImportedSource, Ledger, ReadRules, day_key, write_ledger
from daeda.importing.request import ImportRequest
from daeda.importing.result import Gap
from daeda.importing.source import Source, rejections_of
from daeda.importing.target import target_of
from daeda.importing.unfinished import mark_finished, mark_unfinished
from daeda.sources.files import PARTITION
from daeda.storage.durable import sync_file
from daeda.storage.regular import file_digest


def keep_rejections(directory: Path, source: Source) -> None:
    """Put the rows that are kept aside where they are looked for, in place of those of an earlier import."""
    if source.staged is None:
        return
    path = rejections_of(directory, source.name)
    if source.staged.rejected == 0:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(exist_ok=True)
    aside = source.staged.directory / "rejected.jsonl"
    with aside.open("w", encoding="utf-8") as file:
        file.writelines(source.staged.rejections())
    sync_file(aside)
    aside.replace(path)
    sync_file(path.parent)


def publish(
    request: ImportRequest, directory: Path, sources: Sequence[Source], ledger: Ledger | None, columns: dict[str, str],
    gaps: Sequence[Gap],
) -> None:  # fmt: skip
    """Put the parts of the files into place, then their entries into the ledger.

    The directory is marked until then, and where its columns are others now, no part of before is left when the first
    one of now comes: no reader has both.
    """
    read = [source for source in sources if source.staged is not None and source.result is not None]
    mark_unfinished(directory, (source.name for source in read))
    if ledger is None or ledger.columns != columns:
        for source in read:
            assert source.result is not None
            for day in (*source.result.replaced, *source.result.removed):
                target_of(directory, source.name, day).unlink(missing_ok=True)
    entries = {source.name: _put_into_place(source, directory) for source in read}
    current = Ledger(
        timestamp_field=request.timestamp_field,
        timestamp_unit=request.timestamp_unit,
        columns=columns,
        rules=ReadRules(**asdict(request.rules)),
        sources={**(ledger.sources if ledger is not None else {}), **entries},
    )
    for first, last in gaps if request.empty_days else ():
        for number in range(first.toordinal(), last.toordinal() + 1):
            (directory / f"{PARTITION}{dt.date.fromordinal(number)}").mkdir(exist_ok=True)
    write_ledger(directory, current)
    mark_finished(directory)


def _put_into_place(source: Source, directory: Path) -> ImportedSource:
    """Put the parts of a file into place, and take out those that it has no more; returns its entry."""
    result, staged = source.result, source.staged
    assert result is not None
    assert staged is not None
    for day in (*result.new, *result.replaced):
        _place(source, directory, day)
    removed = [*result.removed, *_removed_before(source)]
    for day in removed:
        _remove(target_of(directory, source.name, day), directory)
    if removed:
        sync_file(directory)
    days = {
        day_key(day): _imported(target_of(directory, source.name, day), part.rows) for day, part in source.parts.items()
    }
    return ImportedSource(
        size=source.size, mtime_ns=source.mtime_ns, options=source.options, rows=staged.rows,
        rejected=staged.rejected, days=days,
    )  # fmt: skip


def _removed_before(source: Source) -> Iterator[dt.date | None]:
    """Days of which an import that was killed may have removed the part, and not yet the partition."""
    for key in source.earlier.days if source.earlier is not None else ():
        day = dt.date.fromisoformat(key) if key else None
        if day not in source.parts:
            yield day


def _remove(path: Path, directory: Path) -> None:
    """Remove a part, and its partition where nothing else is in it: an empty one is a day of which all is known."""
    path.unlink(missing_ok=True)
    if path.parent != directory:
        with suppress(OSError):
            path.parent.rmdir()


def _imported(path: Path, rows: int) -> ImportedDay:
    state = path.stat()
    return ImportedDay(rows=rows, sha256=file_digest(path), size=state.st_size, mtime_ns=state.st_mtime_ns)


def _place(source: Source, directory: Path, day: dt.date | None) -> None:
    """Put a part in place of the one that is there; a new day comes with its part, and is never seen without."""
    path = source.parts[day].path
    assert path is not None
    sync_file(path)
    target = target_of(directory, source.name, day)
    if not target.parent.exists():
        aside = path.with_suffix("")
        aside.mkdir(exist_ok=True)
        path.rename(aside / target.name)
        sync_file(aside)
        aside.rename(target.parent)
        sync_file(directory)
        return
    path.replace(target)
    sync_file(target.parent)
