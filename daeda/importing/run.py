"""An import from its files to the partitions: read, compared with what is there, and put into place day by day."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import duckdb

from daeda.errors import InputError, UsageError, UserError, counted, refusal, shortened
from daeda.importing.blocks import Rows
from daeda.importing.changes import Comparison, gaps_of, refuse_gaps, refuse_losses
from daeda.importing.columns import Column, choose, left_out, typed
from daeda.importing.csv_rows import CsvRows
from daeda.importing.json_rows import SAMPLED, JsonRows
from daeda.importing.ledger import Ledger
from daeda.importing.parquet_rows import ParquetRows
from daeda.importing.parts import write_parts
from daeda.importing.publishing import keep_rejections, publish
from daeda.importing.request import ImportRequest, days_of, known
from daeda.importing.result import ImportResult, SourceResult
from daeda.importing.source import Source, rejections_of, staging_name
from daeda.importing.staging import DIRECTORY, Tell, stage
from daeda.importing.target import locked, options_digest, target_of, usable_ledger
from daeda.importing.unfinished import unfinished_files
from daeda.importing.units import refuse_other_unit
from daeda.process.host import probe_host
from daeda.sql.locked import AllowedPaths, Setting, connect
from daeda.storage.regular import check_regular, file_digest

_MOST_MEMORY = 2 * 2**30


def import_files(request: ImportRequest, tell: Tell = lambda _: None) -> ImportResult:
    """Import; `tell` gets what happens meanwhile, a sentence each.

    Raises UserError before anything was published, and OSError. What was killed goes on when it is called again.
    """
    directory = request.to.absolute()
    sources = [_look_at(request, path) for path in request.files]
    with locked(directory):
        try:
            result = _import(request, directory, sources, tell)
        except UserError:
            _tell_kept(directory, tell)
            raise
        if result.published or request.dry_run:
            shutil.rmtree(directory / DIRECTORY, ignore_errors=True)
        else:
            _tell_kept(directory, tell)
    return result


def _import(request: ImportRequest, directory: Path, sources: Sequence[Source], tell: Tell) -> ImportResult:
    ledger = usable_ledger(request, directory)
    notes: list[str] = []
    with _connection(request, directory) as connection:
        columns = _stage_all(request, directory, ledger, sources, connection, notes, tell)
        comparison = Comparison(request, directory, sources, ledger, connection, notes)
        for source in sources:
            if source.result is None:
                source.result = comparison.result_of(source)
    results = [source.result for source in sources if source.result is not None]
    gaps = gaps_of(directory, results) if request.timestamp_field is not None else ()
    allowed = request.max_rejected is None or all(one.rejected <= request.max_rejected for one in results)
    if not request.dry_run:
        if allowed:
            refuse_losses(request, directory, results)
            refuse_gaps(request, directory, gaps)
        for source in sources:
            keep_rejections(directory, source)
        if allowed:
            publish(request, directory, sources, ledger, columns, gaps)
    published = allowed and not request.dry_run
    return ImportResult(directory, columns, tuple(results), tuple(notes), gaps, published, request.max_rejected)


def _tell_kept(directory: Path, tell: Tell) -> None:
    """Say where what was read is kept, after an import that published nothing."""
    if any((directory / DIRECTORY).glob("*/source.json")):
        tell(f"{directory / DIRECTORY} keeps what was read, and the next import of it goes on there; else remove it")


def _look_at(request: ImportRequest, path: Path) -> Source:
    try:
        state = check_regular(path)
        request.format_of(path)
    except OSError as error:
        if isinstance(error, IsADirectoryError):
            raise InputError(f"{path} is a directory: name its files, as {path}/*.csv") from error
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{path} does not exist") from error
        raise InputError(refusal(error)) from error
    return Source(request.source_name(path), path, state.st_size, state.st_mtime_ns)


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


def _stage_all(
    request: ImportRequest, directory: Path, ledger: Ledger | None, sources: Sequence[Source],
    connection: duckdb.DuckDBPyConnection, notes: list[str], tell: Tell,
) -> dict[str, str]:  # fmt: skip
    """Read every file that is not as it was imported; returns the types of the columns by name."""
    before = ledger.dtypes if ledger is not None else {}
    unfinished = unfinished_files(directory)
    for source in sources:
        source.earlier = ledger.sources.get(source.name) if ledger is not None else None
        if (
            before
            and source.name not in unfinished
            and _is_unchanged(request, directory, source, {name: str(kind) for name, kind in before.items()})
        ):
            continue
        rows = _open(request, source.path)
        first = frozenset(rows.names)
        chosen = choose(request, source.path, rows, before)
        columns, decided = typed(request, source.path, rows, chosen, before)
        if decided:
            told = ", ".join(f"{column.name} {column.dtype}" for column in columns if column.name in decided)
            notes.append(f"{source.name}: types by its first rows: {told}; others with --dtype NAME=TYPE")
        if others := left_out(rows, chosen):
            notes.append(f"{source.name}: {others}")
        earlier, before = frozenset(before), {column.name: column.dtype for column in columns}
        names = {name: str(kind) for name, kind in before.items()}
        source.options = options_digest(request, names)
        state = {"size": source.size, "mtime_ns": source.mtime_ns, "path": str(source.path.absolute()),
                 "options": source.options}  # fmt: skip
        staging = directory / DIRECTORY / staging_name(source.name)
        source.staged = stage(connection, request, rows, columns, staging, state, source.name, tell)
        notes += _of_objects(source, columns, first, earlier) if rows.optional else ()
        notes += _outside(source)
        now = check_regular(source.path)
        if (now.st_size, now.st_mtime_ns) != (source.size, source.mtime_ns):
            shutil.rmtree(staging)
            raise InputError(f"{source.path} changed while it was read: run again when it is complete")
        refuse_other_unit(request, source.path, source.staged)
        published = partial(_published_digest, directory, source.name)
        source.parts = write_parts(connection, source.staged, published, source.name, tell)
    return {name: str(kind) for name, kind in before.items()}


def _outside(source: Source) -> list[str]:
    """What is said of rows of days that are not imported."""
    assert source.staged is not None
    if not source.staged.outside:
        return []
    first, last = days_of(source.staged.rules)
    rows = source.staged.outside
    more = ", …" if rows > len(source.staged.told_outside) else ""
    return [
        f"{source.name}: {counted(rows, 'row')} {'lies' if rows == 1 else 'lie'} on days outside of {first}..{last} "
        f"and {'is' if rows == 1 else 'are'} kept aside: {', '.join(source.staged.told_outside)}{more}; where such "
        "times are meant, say --days FIRST..LAST"
    ]


def _place(late: tuple[str, int]) -> tuple[int, str]:
    return late[1], late[0]


def _of_objects(source: Source, columns: Sequence[Column], first: frozenset[str], earlier: frozenset[str]) -> list[str]:
    """What is said of names in objects of JSON that the first ones have not, and of columns that none has.

    `first` are the names of the first ones, `earlier` columns that the directory has. Raises UsageError where none has
    a column that was asked for.
    """
    assert source.staged is not None
    late, names, notes = source.staged.late, [column.name for column in columns], []
    absent = [name for name in names if name not in first and name not in late]
    for name in absent:
        if name not in earlier:
            raise UsageError(f"{source.path}: no column '{name}': {known(name, [*first, *late])}")
    if absent:
        notes.append(f"{source.name}: columns that none of its rows has, which are NULL: {shortened(absent)}")
    if others := [f"{name} (line {line:,})" for name, line in sorted(late.items(), key=_place) if name not in names]:
        notes.append(
            f"{source.name}: columns left out, for no row of the first {SAMPLED:,} has them: {shortened(others)}; "
            "--dtype NAME=TYPE with --replace imports them"
        )
    return notes


def _published_digest(directory: Path, name: str, day: dt.date | None) -> str:
    path = target_of(directory, name, day)
    return file_digest(path) if path.exists() else ""


def _is_unchanged(request: ImportRequest, directory: Path, source: Source, columns: dict[str, str]) -> bool:
    """Whether the file is as it was imported, in the same way, and its parts are there."""
    earlier = source.earlier
    if earlier is None or (earlier.size, earlier.mtime_ns) != (source.size, source.mtime_ns):
        return False
    if earlier.options != options_digest(request, columns):
        return False
    days = {dt.date.fromisoformat(key) if key else None: day for key, day in earlier.days.items()}
    if not all(day.is_at(target_of(directory, source.name, at)) for at, day in days.items()):
        return False
    rejections = rejections_of(directory, source.name)
    if earlier.rejected and not rejections.is_file():
        # Somebody has removed what was kept aside: it is found again.
        return False
    source.result = SourceResult(
        source.name, "unchanged", earlier.rows, earlier.rejected, same=tuple(days),
        rejections=rejections if earlier.rejected else None,
    )  # fmt: skip
    return True
