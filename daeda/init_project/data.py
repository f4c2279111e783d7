"""The data of views: Parquet made of files, in `dt=` directories where rows have a time, and what lies in place."""

from __future__ import annotations

import datetime as dt
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from daeda.dtypes import DType
from daeda.errors import InputError, counted, shortened
from daeda.importing.last_day import ends_of, last_row_of_a_part, partition_files, unfinished
from daeda.importing.request import Dialect, ImportRequest, TextRules
from daeda.importing.run import import_files
from daeda.init_project.column_types import ISO
from daeda.init_project.combined import copy_view
from daeda.init_project.database import bounds_in_database
from daeda.init_project.place import place_of
from daeda.init_project.proposal import View
from daeda.init_project.reading import unseen_keys
from daeda.init_project.staging import names_of
from daeda.init_project.times import day_of
from daeda.sources.files import PARTITION, parse_day
from daeda.sql.files import as_pattern
from daeda.sql.handle import quoted_name, quoted_text

_DIRECTIVE = re.compile(r"%[A-Za-z]")
# Files of a view that a command names one by one.
_MOST_NAMED = 3


@dataclass(frozen=True)
class ViewData:
    """What a view reads: its path for YAML, how many rows, and how many were kept aside as not fitting.

    `most_aside` is how many of those a single file has.
    `first` and `last` are days of UTC, `newest` seconds since 1970, `gaps` the days between that have no row. `unseen`
    are keys of JSON that come up behind the rows that were looked at, and are left out. `until` is when the rows of the
    last day end, where that looks like a part of a day. `days` are the days that have rows, where that is known.
    """

    path: str
    rows: int
    aside: int = 0
    most_aside: int = 0
    first: dt.date | None = None
    last: dt.date | None = None
    newest: float | None = None
    gaps: int = 0
    partitioned: bool = False
    unseen: tuple[str, ...] = ()
    until: dt.datetime | None = None
    days: tuple[dt.date, ...] = ()

    @property
    def whole(self) -> dt.date:
        """The last day, or the one before where the rows of the last one end early."""
        assert self.last is not None
        return self.last - dt.timedelta(days=self.until is not None)


def import_view(connection: duckdb.DuckDBPyConnection, view: View, root: Path, say: Callable[[str], None]) -> ViewData:
    """Make Parquet of the files of a view below `root`/data, a directory for each day where rows have a time.

    Rows without a time, and those with a cell that is not of the type of its column, are kept aside. A time that is
    made of several columns, and fields of objects of JSON, are no columns that `daeda import` reads: these are copied.
    """
    unseen = unseen_keys(connection, view.table.files, view.table.described) if view.table.format == "jsonl" else ()
    if unseen:
        told = "left out are keys that come up only behind the rows that were looked at"
        say(f"{view.table.shown}: {told}: {shortened(unseen, 10)}")
    return replace(_imported(connection, view, root, say), unseen=unseen)


def _imported(connection: duckdb.DuckDBPyConnection, view: View, root: Path, say: Callable[[str], None]) -> ViewData:
    target = root / "data" / view.name
    path = f"data/{view.name}"
    if not is_plain(view):
        rows, aside = copy_view(connection, view, target)
        found = _described(connection, view, path, target, rows, sum(aside.values()))
        return replace(found, most_aside=max(aside.values(), default=0))
    result = import_files(request_of(view, target), say)
    if result.rows == 0:
        reasons = shortened([reason for one in result.sources for reason in one.reasons], 1)
        raise InputError(f"{view.table.shown} has no row that fits the types of its columns: {reasons}")
    for note in result.notes:
        say(note)
    for source in result.sources:
        if source.rejections is not None:
            told = f"{counted(source.rejected, 'row')} kept aside in {source.rejections}: {source.reasons[0]}"
            say(f"{source.name}: {told}")
    most = max((source.rejected for source in result.sources), default=0)
    return replace(_described(connection, view, path, target, result.rows, result.rejected), most_aside=most)


def is_plain(view: View) -> bool:
    """Whether each field is a column of the files, so that `daeda import` makes the same again.

    It reads every column by all formats of times: none may read what another one wrote. Times of Parquet it takes as
    they are, and knows no zone for them.
    """
    if view.table.format == "parquet" and view.zone != "UTC":
        return False
    if any(not one.source for one in view.fields):
        return False
    columns = [view.table.column(one.source) for one in view.fields]
    formats = {column.text_format for column in columns if column.text_format}
    shapes = {_DIRECTIVE.sub("%", one) for one in formats}
    return len(shapes) == len(formats) and all(quoted_name(column.name) in column.sql for column in columns)


def request_of(view: View, target: Path) -> ImportRequest:
    """What is asked of an import."""
    table, time = view.table, view.time
    formats = [table.column(one.source).text_format for one in view.fields]
    found = tuple(dict.fromkeys("iso" if one == ISO else one for one in formats if one))
    return ImportRequest(
        files=table.files,
        to=target,
        timestamp_field=time.field if time is not None else None,
        timestamp_unit=time.unit if time is not None else None,
        dtypes={one.source: DType.parse(one.dtype) for one in view.fields},
        chosen=tuple(one.source for one in view.fields),
        format=table.format,
        dialect=Dialect(names_of(table.files[0])[0] if table.format == "csv" else None),
        rules=TextRules(
            table.null_texts, table.decimal_comma, found or ("iso",), None if view.zone == "UTC" else view.zone
        ),
    )


def command_of(view: View, path: str) -> str:
    """The command that imports files of a view again, from the project."""
    request = request_of(view, Path(path))
    words = ["--to", path, "--view", view.name]
    words += ["--null", *request.rules.nulls] if request.rules.nulls else []
    words += ["--decimal-comma"] if request.rules.decimal_comma else []
    words += ["--time-format", *request.rules.time_formats] if request.rules.time_formats != ("iso",) else []
    words += ["--timezone", request.rules.timezone] if request.rules.timezone else []
    return f"daeda import {' '.join([*_files_of(view), *map(_word, words)])}"


def _files_of(view: View) -> list[str]:
    """The files of a view as words of a shell: each one, or many by a pattern that is these and no others."""
    files = [file.absolute() for file in view.table.files]
    folder, suffix = files[0].parent, "".join(files[0].suffixes[-2:] if files[0].suffix == ".gz" else [files[0].suffix])
    plain = re.fullmatch(r"[.A-Za-z0-9]+", suffix) is not None
    if len(files) > _MOST_NAMED and plain and set(folder.glob(f"[!.]*{suffix}")) == set(files):
        return [f"{_word(str(folder))}/*{suffix}"]
    return [_word(str(file)) for file in files]


def _word(text: str) -> str:
    """A word of a shell, on one line.

    >>> _word("a.csv"), _word("a b.csv"), _word("a\\nb")
    ('a.csv', "'a b.csv'", "$'a\\\\x0ab'")
    """
    if text.isprintable():
        return shlex.quote(text)
    shown = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"\\'" else f"\\x{byte:02x}" for byte in os.fsencode(text)
    )
    return f"$'{shown}'"


def data_in_place(connection: duckdb.DuckDBPyConnection, view: View, root: Path) -> ViewData:
    """What a view reads of Parquet files where they lie, or of a database."""
    table = view.table
    if table.database is not None:
        if view.time is None:
            return ViewData("", table.rows)
        scratch = table.files[0].parent
        low, high = bounds_in_database(table.database, view.time.columns[0], view.time.sql, scratch)
        ends = ends_of(connection, f"epoch({view.time.sql})", table.sample)
        until = None if table.partial else unfinished(ends)
        return ViewData("", table.rows, first=day_of(low), last=day_of(high), newest=high, until=until)
    place = place_of(table)
    assert place is not None, "it is imported otherwise"
    below = Path(place).is_relative_to(root.absolute())
    path = str(Path(place).relative_to(root.absolute())) if below else place
    return _described(connection, view, path, None, table.rows, 0)


def _described(
    connection: duckdb.DuckDBPyConnection, view: View, path: str, target: Path | None, rows: int, aside: int
) -> ViewData:
    time = view.time
    if time is None:
        return ViewData(path, rows, aside)
    partitioned = target is not None or bool(view.table.partitions)
    if partitioned:
        names = [entry.name for entry in target.iterdir()] if target is not None else []
        days = [day for name in names if (day := parse_day(name.removeprefix(PARTITION))) is not None]
        days = sorted(days or view.table.partitions)
        gaps = (days[-1] - days[0]).days + 1 - len(days)
        until = _until(connection, view, target)
        return ViewData(
            path, rows, aside, 0, days[0], days[-1], None, gaps, partitioned=True, until=until, days=tuple(days)
        )
    files = f"[{', '.join(quoted_text(as_pattern(str(file))) for file in view.table.files)}]"
    low, high = connection.execute(
        f"SELECT min({quoted_name(time.columns[0])}), max({quoted_name(time.columns[0])}) FROM "
        f"(SELECT epoch({time.sql}) AS {quoted_name(time.columns[0])} FROM read_parquet({files}, union_by_name = true))"
    ).fetchall()[0]
    ends = ends_of(connection, f"epoch({time.sql})", f"read_parquet({files}, union_by_name = true)")
    return ViewData(
        path, rows, aside, 0, day_of(low), day_of(high), float(high), until=unfinished(ends), days=tuple(sorted(ends))
    )


def _until(connection: duckdb.DuckDBPyConnection, view: View, target: Path | None) -> dt.datetime | None:
    """When the rows of the last partition end, where it looks like a part of a day."""
    place = target if target is not None else view.table.directory
    assert view.time is not None
    assert place is not None
    return last_row_of_a_part(connection, partition_files(place), view.time.field, view.time.unit)
