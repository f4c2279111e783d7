"""What publishing would change: days that are new, others or gone, rows that are lost, and rows that stand twice."""

from __future__ import annotations

import datetime as dt
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, takewhile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.errors import InputError, counted, shortened
from daeda.importing.comparison import Change, change_of, repeated_rows
from daeda.importing.ledger import Ledger, day_key
from daeda.importing.parts import Part
from daeda.importing.request import ImportRequest, part_name
from daeda.importing.result import Gap, SourceResult
from daeda.importing.source import Source, rejections_of
from daeda.importing.target import partition_days, published_parts, target_of
from daeda.sources.files import PARTITION
from daeda.storage.regular import file_digest

# Rows that are kept aside and named in the summary.
_TOLD_REASONS = 3
# Days of a new file that are compared with those of others, and the share of rows at which it is taken for one of them.
_COMPARED_DAYS, _REPEATED_SHARE = 3, 0.5
_MOST_GAPS = 3_660
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Comparison:
    """The files of an import, compared with what is published and with each other; `notes` are sentences about them."""

    request: ImportRequest
    directory: Path
    sources: Sequence[Source]
    ledger: Ledger | None
    connection: duckdb.DuckDBPyConnection
    notes: list[str] = field(default_factory=list)
    _repeats_of: dict[dt.date | None, dict[str, int]] = field(default_factory=dict)

    def result_of(self, source: Source) -> SourceResult:
        """What publishing the parts of a file changes; parts with the rows of those that are there are left out.

        Raises InputError where a new file has the rows of another one.
        """
        assert source.staged is not None
        new: list[dt.date | None] = []
        replaced: list[dt.date | None] = []
        same: list[dt.date | None] = []
        lost = 0
        for day, part in source.parts.items():
            there = target_of(self.directory, source.name, day)
            if part.path is None or not there.exists():
                (same if part.path is None else new).append(day)
                continue
            digest = file_digest(there)
            if digest == part.sha256:
                same.append(day)
                continue
            change = self._change(source, day, there, part, digest)
            lost += change.lost
            (replaced if change.lost or change.added else same).append(day)
        # By what is there: an import that was killed has published parts that no ledger names.
        removed = [day for day in self._published.get(part_name(source.name), ()) if day not in source.parts]
        lost += sum(self._rows(source, day) for day in removed)
        if source.earlier is None and not self.request.repeated:
            self._refuse_repeated(source)
        rejections = rejections_of(self.directory, source.name)
        reasons = [line for line, _ in zip(source.staged.rejections(), range(_TOLD_REASONS), strict=False)]
        dry_run = self.request.dry_run
        return SourceResult(
            source.name, "would import" if dry_run else "imported", source.staged.rows, source.staged.rejected,
            tuple(new), tuple(replaced), tuple(same), tuple(removed), lost, tuple(map(_told, reasons)),
            rejections if source.staged.rejected and not dry_run else None,
        )  # fmt: skip

    def _change(self, source: Source, day: dt.date | None, there: Path, part: Part, digest: str) -> Change:
        assert part.path is not None
        try:
            return change_of(self.connection, there, part.path)
        except (duckdb.Error, pa.ArrowException):
            earlier = source.earlier.days.get(day_key(day)) if source.earlier is not None else None
            if earlier is None or earlier.sha256 == digest:
                raise
            # It was damaged since, and has no rows that could be compared.
            return Change(0, part.rows)

    def _rows(self, source: Source, day: dt.date | None) -> int:
        """How many rows a part has that is published; where it is damaged, how many it had."""
        try:
            return int(pq.read_metadata(target_of(self.directory, source.name, day)).num_rows)
        except pa.ArrowException:
            earlier = source.earlier.days.get(day_key(day)) if source.earlier is not None else None
            return earlier.rows if earlier is not None else 0

    @cached_property
    def _published(self) -> dict[str, list[dt.date | None]]:
        return published_parts(self.directory)

    @cached_property
    def _known(self) -> dict[dt.date | None, dict[str, Path]]:
        """The parts of each day that files had before, or have now where those are read again, by their names."""
        found: dict[dt.date | None, dict[str, Path]] = {}
        again = {source.name: source for source in self.sources if source.staged is not None}
        for name, entry in self.ledger.sources.items() if self.ledger is not None else ():
            for key in entry.days if name not in again else ():
                day = dt.date.fromisoformat(key) if key else None
                found.setdefault(day, {})[name] = target_of(self.directory, name, day)
        for source in again.values():
            for day, part in source.parts.items() if source.earlier is not None else ():
                found.setdefault(day, {})[source.name] = part.path or target_of(self.directory, source.name, day)
        return found

    @cached_property
    def _new(self) -> dict[dt.date | None, dict[str, Path]]:
        """The parts of each day that files have for the first time, by their names, in the order of the files."""
        found: dict[dt.date | None, dict[str, Path]] = {}
        for source in self.sources:
            for day, part in source.parts.items() if source.staged is not None and source.earlier is None else ():
                found.setdefault(day, {})[source.name] = part.path or target_of(self.directory, source.name, day)
        return found

    def _others(self, source: Source, day: dt.date | None) -> list[str]:
        """The files that a new one is compared with on a day: of two new ones the later one with the earlier one."""
        before = takewhile(lambda name: name != source.name, self._new.get(day, {}))
        return [*self._known.get(day, {}), *before]

    def _repeats(self, day: dt.date | None) -> dict[str, int]:
        """Of each new file, how many rows of the day others have, too."""
        if day not in self._repeats_of:
            known = [path for path in self._known.get(day, {}).values() if path.exists()]
            new = self._new[day]
            counts = repeated_rows(self.connection, known, list(new.values()))
            self._repeats_of[day] = dict(zip(new, counts, strict=True))
        return self._repeats_of[day]

    def _refuse_repeated(self, source: Source) -> None:
        """Raise InputError where a new file has rows of another one; fewer rows than that are told."""
        compared = 0
        told = False
        for day, part in source.parts.items():
            others = self._others(source, day)
            if not others or part.path is None:
                continue
            rows = self._repeats(day)[source.name]
            partition = target_of(self.directory, source.name, day).parent.name
            if rows > part.rows * _REPEATED_SHARE:
                raise InputError(self._repeated(source, f"{counted(part.rows, 'row')} of {partition}", rows, others))
            if rows and not told:
                told = True
                self.notes.append(
                    f"{source.name}: {rows:,} of its {counted(part.rows, 'row')} of {partition} stand in "
                    f"{shortened(others)}, too, and are there twice now: where they are the same, take them out "
                    "of one file"
                )
            compared += 1
            if compared == _COMPARED_DAYS:
                return

    def _repeated(self, source: Source, what: str, rows: int, others: Iterable[str]) -> str:
        names = list(others)
        imported = [name for name in names if self.ledger is not None and name in self.ledger.sources]
        if not imported:
            return (
                f"{source.path}: of its {what}, {rows:,} stand in {shortened(names)}, too: where they are the same, "
                "leave one of the files out; where its rows are others, give --keep-repeated"
            )
        return (
            f"{source.path}: of its {what}, {rows:,} were imported with {shortened(names)}: where it is that file "
            f"under a new name, import it --as {imported[0]}; where its rows are others, give --keep-repeated"
        )


def _told(line: str) -> str:
    record = json.loads(line)
    return f"line {record['line']:,}: {record['reason']}"


def refuse_losses(request: ImportRequest, directory: Path, results: Iterable[SourceResult]) -> None:
    """Raise InputError where rows that are published would be gone, unless they may be."""
    for result in results:
        if result.lost and not request.replace:
            days = sorted(str(day) for day in (*result.removed, *result.replaced) if day is not None)
            where = f" of {shortened(days, 5)}" if days else ""
            raise InputError(
                f"{directory}: {counted(result.lost, 'row')}{where} that {result.name} had at its import are not in it "
                "now: --replace takes them out, and --as NAME imports it as another file, beside the earlier one"
            )


def refuse_gaps(request: ImportRequest, directory: Path, gaps: Sequence[Gap]) -> None:
    """Raise InputError where more empty days would be made than can be meant."""
    days = sum((last - first).days + 1 for first, last in gaps)
    if request.empty_days and days > _MOST_GAPS:
        raise InputError(
            f"{directory}: {days:,} days between the first row and the last one have none, from {gaps[0][0]} to "
            f"{gaps[-1][1]}, which are too many to be meant: look for wrong times, or leave --empty-days out"
        )


def _left_empty(directory: Path, results: Sequence[SourceResult]) -> Iterator[dt.date]:
    """Days of which the import removes all parts."""
    removed: dict[dt.date, set[str]] = {}
    for result in results:
        for day in filter(None, result.removed):
            removed.setdefault(day, set()).add(part_name(result.name))
    for day, names in removed.items():
        if {entry.name for entry in (directory / f"{PARTITION}{day}").iterdir()} <= names:
            yield day


def gaps_of(directory: Path, results: Sequence[SourceResult]) -> tuple[Gap, ...]:
    """Days between the first and the last row of a file that have no partition."""
    there = partition_days(directory) - set(_left_empty(directory, results))
    reaches = []
    for result in results:
        days = [day for day in (*result.new, *result.replaced, *result.same) if day is not None]
        there.update(days)
        if days:
            reaches.append((min(days), max(days)))
    ordered = sorted(there)
    found: list[Gap] = []
    reached = dt.date.min
    for first, last in sorted(reaches):
        within = ordered[bisect_left(ordered, max(first, reached)) : bisect_right(ordered, last)]
        found += [(before + _DAY, behind - _DAY) for before, behind in pairwise(within) if behind - before > _DAY]
        reached = max(reached, last)
    return tuple(found)
