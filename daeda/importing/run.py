"""An import from its files to the partitions: read, compared with what is there, and put into place day by day."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from daeda.errors import InputError, counted, refusal, shortened
from daeda.importing.blocks import Rows
from daeda.importing.columns import choose, left_out, typed
from daeda.importing.comparison import change_of, repeated_rows
from daeda.importing.csv_rows import CsvRows
from daeda.importing.json_rows import SAMPLED, JsonRows
from daeda.importing.ledger import REJECTED, ImportedDay, ImportedSource, Ledger, day_key, sync, write_ledger
from daeda.importing.parquet_rows import ParquetRows
from daeda.importing.parts import Part, write_parts
from daeda.importing.request import ImportRequest, part_name
from daeda.importing.result import ImportResult, SourceResult
from daeda.importing.staging import DIRECTORY, Staged, Tell, stage
from daeda.importing.target import locked, options_digest, target_of, usable_ledger
from daeda.process.host import probe_host
from daeda.sources.files import PARTITION, parse_day
from daeda.sql.locked import AllowedPaths, Setting, connect
from daeda.storage.regular import check_regular, file_digest

_MOST_MEMORY = 2 * 2**30
# Rows that are kept aside and named in the summary.
_TOLD_REASONS = 3
# Days of a new file that are compared with those of others, and the share of rows at which it is taken for one of them.
_COMPARED_DAYS, _REPEATED_SHARE = 3, 0.5
_MOST_GAPS = 3_660


@dataclass
class _Source:
    """A file at work."""

    name: str
    path: Path
    size: int
    mtime_ns: int
    options: str = ""
    staged: Staged | None = None
    parts: dict[dt.date | None, Part] = field(default_factory=dict)
    earlier: ImportedSource | None = None
    result: SourceResult | None = None


def import_files(request: ImportRequest, tell: Tell = lambda _: None) -> ImportResult:
    """Import; `tell` gets what happens meanwhile, a sentence each.

    Raises UserError before anything was published, and OSError. What was killed goes on when it is called again.
    """
    directory = request.to.absolute()
    sources = [_look_at(request, path) for path in request.files]
    with locked(directory):
        ledger = usable_ledger(request, directory)
        notes: list[str] = []
        with _connection(request, directory) as connection:
            columns = _stage_all(request, directory, ledger, sources, connection, notes, tell)
            for source in sources:
                if source.result is None:
                    source.result = _compared(request, directory, source, ledger, connection)
        results = [source.result for source in sources if source.result is not None]
        gaps = _gaps(directory, results) if request.timestamp_field is not None else ()
        allowed = request.max_rejected is None or all(one.rejected <= request.max_rejected for one in results)
        if not request.dry_run:
            for source in sources:
                _keep_rejections(directory, source)
            if allowed:
                _refuse_losses(request, directory, results)
                _publish(request, directory, sources, ledger, columns, gaps)
        if allowed or request.dry_run:
            shutil.rmtree(directory / DIRECTORY, ignore_errors=True)
    published = allowed and not request.dry_run
    return ImportResult(directory, columns, tuple(results), tuple(notes), gaps, published, request.max_rejected)


def _look_at(request: ImportRequest, path: Path) -> _Source:
    request.format_of(path)
    try:
        state = check_regular(path)
    except OSError as error:
        if isinstance(error, IsADirectoryError):
            raise InputError(f"{path} is a directory: name its files, as {path}/*.csv") from error
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{path} does not exist") from error
        raise InputError(refusal(error)) from error
    return _Source(request.source_name(path), path, state.st_size, state.st_mtime_ns)


def _connection(request: ImportRequest, directory: Path) -> duckdb.DuckDBPyConnection:
    host = probe_host()
    memory = request.memory_bytes or min(_MOST_MEMORY, host.memory_bytes // 4)
    spill = directory / DIRECTORY / "spill"
    config: dict[str, Setting] = {"memory_limit": f"{memory}B", "threads": host.cores, "temp_directory": str(spill)}
    return connect(AllowedPaths.of([directory]), config)


def _open(request: ImportRequest, path: Path) -> Rows:
    match request.format_of(path):
        case "csv":
            return CsvRows(path, request.dialect, request.chosen if not request.dialect.header else None)
        case "jsonl":
            return JsonRows(path, request.dialect.encoding)
        case "parquet":
            return ParquetRows(path)


def _staging_name(name: str) -> str:
    return part_name(name).removesuffix(".parquet")


def _rejections(directory: Path, name: str) -> Path:
    """Where the rows of a file are that are kept aside."""
    return directory / REJECTED / f"{_staging_name(name)}.jsonl"


def _stage_all(
    request: ImportRequest, directory: Path, ledger: Ledger | None, sources: Sequence[_Source],
    connection: duckdb.DuckDBPyConnection, notes: list[str], tell: Tell,
) -> dict[str, str]:  # fmt: skip
    """Read every file that is not as it was imported; returns the types of the columns by name."""
    before = ledger.dtypes if ledger is not None else {}
    for source in sources:
        source.earlier = ledger.sources.get(source.name) if ledger is not None else None
        if before and _is_unchanged(request, directory, source, {name: str(kind) for name, kind in before.items()}):
            continue
        rows = _open(request, source.path)
        chosen = choose(request, source.path, rows, before)
        columns, decided = typed(request, source.path, rows, chosen, before)
        if decided:
            told = ", ".join(f"{column.name} {column.dtype}" for column in columns if column.name in decided)
            notes.append(f"{source.name}: types by its first rows: {told}; others with --dtype NAME=TYPE")
        if others := left_out(rows, chosen):
            notes.append(f"{source.name}: {others}")
        before = {column.name: column.dtype for column in columns}
        names = {name: str(kind) for name, kind in before.items()}
        source.options = options_digest(request, names)
        state = {"size": source.size, "mtime_ns": source.mtime_ns, "path": str(source.path.absolute()),
                 "options": source.options}  # fmt: skip
        staging = directory / DIRECTORY / _staging_name(source.name)
        source.staged = stage(connection, request, rows, columns, staging, state, source.name, tell)
        if late := sorted(source.staged.unnamed):
            told = f"columns left out, which no row names before line {SAMPLED:,}: {shortened(late)}"
            notes.append(f"{source.name}: {told}; to import them, put a row that has them first")
        now = check_regular(source.path)
        if (now.st_size, now.st_mtime_ns) != (source.size, source.mtime_ns):
            raise InputError(f"{source.path} changed while it was read: run again when it is complete")
        published = partial(_published_digest, directory, source.name)
        source.parts = write_parts(connection, source.staged, published, source.name, tell)
    return {name: str(kind) for name, kind in before.items()}


def _published_digest(directory: Path, name: str, day: dt.date | None) -> str:
    return _digest(target_of(directory, name, day))


def _digest(path: Path) -> str:
    return file_digest(path) if path.exists() else ""


def _is_unchanged(request: ImportRequest, directory: Path, source: _Source, columns: dict[str, str]) -> bool:
    """Whether the file is as it was imported, in the same way, and its parts are there."""
    earlier = source.earlier
    if earlier is None or (earlier.size, earlier.mtime_ns) != (source.size, source.mtime_ns):
        return False
    if earlier.options != options_digest(request, columns):
        return False
    days = [dt.date.fromisoformat(key) if key else None for key in earlier.days]
    if not all(target_of(directory, source.name, day).is_file() for day in days):
        return False
    rejections = _rejections(directory, source.name)
    source.result = SourceResult(
        source.name, "unchanged", earlier.rows, earlier.rejected, same=tuple(days),
        rejections=rejections if earlier.rejected else None,
    )  # fmt: skip
    return True


def _compared(
    request: ImportRequest,
    directory: Path,
    source: _Source,
    ledger: Ledger | None,
    connection: duckdb.DuckDBPyConnection,
) -> SourceResult:
    """What publishing the parts of a file changes; parts with the rows of those that are there are left out."""
    assert source.staged is not None
    new: list[dt.date | None] = []
    replaced: list[dt.date | None] = []
    same: list[dt.date | None] = []
    lost = 0
    for day, part in source.parts.items():
        there = target_of(directory, source.name, day)
        if part.path is None or not there.exists():
            (same if part.path is None else new).append(day)
            continue
        if _digest(there) == part.sha256:
            same.append(day)
            continue
        change = change_of(connection, there, part.path)
        lost += change.lost
        (replaced if change.lost or change.added else same).append(day)
    removed = [day for day in _published_days(directory, source) if day not in source.parts]
    lost += sum(pq.read_metadata(target_of(directory, source.name, day)).num_rows for day in removed)
    if source.earlier is None and not request.repeated:
        _refuse_repeated(request, directory, source, ledger, connection)
    rejections = _rejections(directory, source.name)
    reasons = [line for line, _ in zip(source.staged.rejections(), range(_TOLD_REASONS), strict=False)]
    return SourceResult(
        source.name, "would import" if request.dry_run else "imported", source.staged.rows, source.staged.rejected,
        tuple(new), tuple(replaced), tuple(same), tuple(removed), lost, tuple(map(_told, reasons)),
        rejections if source.staged.rejected and not request.dry_run else None,
    )  # fmt: skip


def _published_days(directory: Path, source: _Source) -> list[dt.date | None]:
    """The days in which parts of a file are: an import that was killed has published some that no ledger names."""
    name = part_name(source.name)
    found = (parse_day(path.parent.name.removeprefix(PARTITION)) for path in directory.glob(f"{PARTITION}*/{name}"))
    days = sorted(day for day in found if day is not None)
    return [None, *days] if (directory / name).is_file() else [*days]


def _told(line: str) -> str:
    record = json.loads(line)
    return f"line {record['line']:,}: {record['reason']}"


def _refuse_repeated(
    request: ImportRequest,
    directory: Path,
    source: _Source,
    ledger: Ledger | None,
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Raise InputError where a new file has rows of one that was imported under another name."""
    compared = 0
    for day, part in source.parts.items():
        parent = target_of(directory, source.name, day).parent
        others = [
            (name, target_of(directory, name, day))
            for name, known in (ledger.sources.items() if ledger is not None else ())
            if day_key(day) in known.days and name != source.name
        ]
        there = [path for _, path in others if path.exists()]
        if not there or part.path is None:
            continue
        rows = repeated_rows(connection, there, part.path)
        if rows > part.rows * _REPEATED_SHARE:
            raise InputError(
                f"{source.path}: of its {counted(part.rows, 'row')} of {parent.name}, {rows:,} were imported with "
                f"{shortened([name for name, _ in others])}: where it is that file under a new name, import it --as "
                f"{others[0][0]}; where its rows are others, give --keep-repeated"
            )
        compared += 1
        if compared == _COMPARED_DAYS:
            return


def _refuse_losses(request: ImportRequest, directory: Path, results: Iterable[SourceResult]) -> None:
    for result in results:
        if result.lost and not request.replace:
            days = sorted(str(day) for day in (*result.removed, *result.replaced) if day is not None)
            where = f" of {shortened(days, 5)}" if days else ""
            raise InputError(
                f"{directory}: {counted(result.lost, 'row')}{where} that {result.name} had at its import are not in it "
                "now: --replace takes them out, and --as NAME imports it as another file, beside the earlier one"
            )


def _keep_rejections(directory: Path, source: _Source) -> None:
    """Put the rows that are kept aside where they are looked for, in place of those of an earlier import."""
    if source.staged is None:
        return
    path = _rejections(directory, source.name)
    if source.staged.rejected == 0:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(exist_ok=True)
    aside = source.staged.directory / "rejected.jsonl"
    with aside.open("w", encoding="utf-8") as file:
        file.writelines(source.staged.rejections())
    sync(aside)
    aside.replace(path)
    sync(path.parent)


def _publish(
    request: ImportRequest, directory: Path, sources: Sequence[_Source], ledger: Ledger | None, columns: dict[str, str],
    gaps: Sequence[dt.date],
) -> None:  # fmt: skip
    """Put the parts of each file into place, then its entry into the ledger."""
    if request.empty_days and len(gaps) > _MOST_GAPS:
        raise InputError(
            f"{directory}: {len(gaps):,} days between the first row and the last one have none, from {gaps[0]} to "
            f"{gaps[-1]}, which are too many to be meant: look for wrong times, or leave --empty-days out"
        )
    current = Ledger(
        timestamp_field=request.timestamp_field,
        timestamp_unit=request.timestamp_unit,
        columns=columns,
        sources=ledger.sources if ledger is not None else {},
    )
    for source in sources:
        result, staged = source.result, source.staged
        if result is None or staged is None:
            continue
        for day in (*result.new, *result.replaced):
            _place(source, directory, day)
        for day in result.removed:
            target_of(directory, source.name, day).unlink(missing_ok=True)
        days = {
            day_key(day): ImportedDay(rows=part.rows, sha256=_digest(target_of(directory, source.name, day)))
            for day, part in source.parts.items()
        }
        entry = ImportedSource(
            size=source.size, mtime_ns=source.mtime_ns, options=source.options, rows=staged.rows,
            rejected=staged.rejected, days=days,
        )  # fmt: skip
        current = current.model_copy(update={"sources": {**current.sources, source.name: entry}})
        write_ledger(directory, current)
    for day in gaps if request.empty_days else ():
        (directory / f"{PARTITION}{day}").mkdir(exist_ok=True)


def _place(source: _Source, directory: Path, day: dt.date | None) -> None:
    """Put a part in place of the one that is there; a new day comes with its part, and is never seen without."""
    path = source.parts[day].path
    assert path is not None
    sync(path)
    target = target_of(directory, source.name, day)
    if not target.parent.exists():
        aside = path.with_suffix("")
        aside.mkdir(exist_ok=True)
        path.rename(aside / target.name)
        sync(aside)
        aside.rename(target.parent)
        sync(directory)
        return
    path.replace(target)
    sync(target.parent)


def _gaps(directory: Path, results: Iterable[SourceResult]) -> tuple[dt.date, ...]:
    """Days between the first and the last row of a file that have no partition."""
    found: set[dt.date] = set()
    there: set[dt.date] = set()
    for result in results:
        days = sorted(day for day in (*result.new, *result.replaced, *result.same) if day is not None)
        there.update(days)
        if days:
            span = (days[-1] - days[0]).days
            found.update(days[0] + dt.timedelta(days=offset) for offset in range(span))
    return tuple(sorted(day for day in found - there if not (directory / f"{PARTITION}{day}").is_dir()))
