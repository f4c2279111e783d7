"""The directory of an import: who works in it, what it holds, and whether a request fits that."""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

from daeda.dtypes import DType
from daeda.errors import InputError, TransientError, UsageError, refusal, shortened
from daeda.importing.ledger import Ledger, day_key, read_ledger
from daeda.importing.request import ImportRequest, part_name
from daeda.importing.staging import DIRECTORY
from daeda.importing.unfinished import refuse_unfinished
from daeda.sources.files import PARTITION, parse_day


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let nobody else import into the directory; raises TransientError with who does so."""
    made = not directory.exists()
    descriptor = _lock(directory)
    try:
        (directory / DIRECTORY).mkdir(exist_ok=True)
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        found = error.filename2 or error.filename
        raise InputError(
            f"{found}: {error.strerror}: an import has something else there: remove or rename it"
        ) from error
    finally:
        # While it is locked: nobody else has begun in what is removed.
        with suppress(OSError):
            (directory / DIRECTORY).rmdir()
        if made:
            # Where it is empty: what could not be begun leaves nothing.
            with suppress(OSError):
                directory.rmdir()
        os.close(descriptor)


def _lock(directory: Path) -> int:
    """A descriptor of the directory that has its lock, made where it is not there.

    It is the directory itself, so that no file of a lock has to be removed while another waits for it.
    """
    while True:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(refusal(error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise TransientError(
                f"{directory}: another process imports into it: run again when that import is done"
            ) from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), directory.stat()):
                return descriptor
        # Whoever had the lock has removed the directory between.
        os.close(descriptor)


def target_of(directory: Path, source: str, day: dt.date | None) -> Path:
    """Where the rows of a source of one day lie."""
    name = part_name(source)
    return directory / name if day is None else directory / f"{PARTITION}{day_key(day)}" / name


def published_parts(directory: Path) -> dict[str, list[dt.date | None]]:
    """The days of each part by its name, in order; None stands for the file of a table without a time."""
    found: dict[str, list[dt.date | None]] = {}
    for path in directory.glob("*.parquet"):
        found[path.name] = [None]
    for day in sorted(partition_days(directory)):
        for path in (directory / f"{PARTITION}{day}").glob("*.parquet"):
            found.setdefault(path.name, []).append(day)
    return found


def partition_days(directory: Path) -> set[dt.date]:
    """The days that have a directory, be it an empty one."""
    names = (entry.name for entry in directory.glob(f"{PARTITION}*") if entry.is_dir())
    return {day for name in names if (day := parse_day(name.removeprefix(PARTITION))) is not None}


def usable_ledger(request: ImportRequest, directory: Path) -> Ledger | None:
    """What was imported before, None where nothing was; raises InputError or UsageError where the request does not fit.

    With `replace`, and where the request has all files that were imported, what is there does not bind it.
    """
    ledger = read_ledger(directory)
    names = {request.source_name(path) for path in request.files}
    _refuse_foreign(directory, {part_name(name) for name in (*names, *(ledger.sources if ledger is not None else ()))})
    refuse_unfinished(directory, names)
    if ledger is None:
        return None
    problem = _misfit(request, ledger, directory)
    if not problem:
        return ledger
    if request.replace and names >= set(ledger.sources):
        return ledger.model_copy(update={"columns": {}})
    others = shortened(sorted(set(ledger.sources) - names))
    advice = f"all of {others} too" if others else "that"
    raise UsageError(
        f"{problem}: import into another directory, or give {advice} with --replace, which makes all days anew"
    )


def _misfit(request: ImportRequest, ledger: Ledger, directory: Path) -> str:
    """Why a directory and a request do not fit; empty where they do."""
    if request.timestamp_field != ledger.timestamp_field:
        had = f"'{ledger.timestamp_field}'" if ledger.timestamp_field is not None else "none, and is one table"
        asked = f"'{request.timestamp_field}'" if request.timestamp_field is not None else "none"
        return f"{directory} was imported with the time {had}, and {asked} is asked for"
    dtypes: Mapping[str, DType] = ledger.dtypes
    time = dtypes.get(request.timestamp_field or "")
    if time is not None and time.is_integer and request.timestamp_unit != ledger.timestamp_unit:
        asked = request.timestamp_unit or "no unit"
        return f"{directory} was imported with a time that counts {ledger.timestamp_unit}, and {asked} is asked for"
    for name, dtype in request.dtypes.items():
        if name in dtypes and dtypes[name] != dtype:
            return f"{directory} has '{name}' as {dtypes[name]}, and {dtype} is asked for"
        if name not in dtypes:
            return f"{directory} has no column '{name}'"
    if request.chosen is not None and set(request.chosen) != set(dtypes):
        return f"{directory} has the columns {shortened(list(dtypes))}, and not those of --columns"
    return ""


def _refuse_foreign(directory: Path, own: set[str]) -> None:
    """Raise InputError where the directory holds data that no ledger has: rows would stand there twice."""
    found = sorted([*directory.glob("*.parquet"), *directory.glob(f"{PARTITION}*/*.parquet")])
    foreign = [path for path in found if path.name not in own]
    if foreign and (directory / DIRECTORY / foreign[0].stem).is_dir():
        name = unquote(foreign[0].stem.removeprefix("part-"))
        raise InputError(
            f"{foreign[0]}: the import of '{name}' was stopped, and its rows may be the same: import that file first, "
            f"where it has another name now --as {shlex.quote(name)}; or remove its parts"
        )
    if foreign:
        raise InputError(
            f"{foreign[0]}: no import wrote it, and its rows may be the same: import into another directory"
        )


def options_digest(request: ImportRequest, columns: Mapping[str, str]) -> str:
    """Digest of how files are read: what a file gives besides depends on it alone."""
    dialect, rules = request.dialect, request.rules
    options: list[object] = [
        request.timestamp_field, request.timestamp_unit, list(columns.items()), request.chosen, request.format,
        dialect.delimiter, dialect.encoding, dialect.header,
        rules.nulls, rules.decimal_comma, rules.time_formats, rules.timezone,
    ]  # fmt: skip
    if rules.days is not None:
        options.append([str(day) for day in rules.days])
    return hashlib.sha256(json.dumps(options).encode()).hexdigest()[:16]
