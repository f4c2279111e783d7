"""What is asked of an import: which files, where to, what their columns are, and how text is read."""

from __future__ import annotations

import codecs
import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote

from daeda.dtypes import TIMESTAMP_UNITS, DType, TimeUnit, UnitSymbol
from daeda.errors import UsageError, did_you_mean
from daeda.storage.location import is_object

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
# Beside the formats of strptime: what ISO 8601 writes, with a fraction of a second and a zone or without.
ISO = "iso"
_SUFFIXES: Mapping[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".parq": "parquet", ".pq": "parquet",
}  # fmt: skip
PACKED = frozenset({".gz", ".bz2", ".xz", ".zst"})
# Bytes of a name of a file.
_LONGEST_NAME = 255
_INSTANT = re.compile(r"%n", re.ASCII)


# Days whose rows are imported where nobody says others: what lies behind them is most often a slip or a sentinel.
USUAL_DAYS = (dt.date(1900, 1, 1), dt.date(2100, 12, 31))


@dataclass(frozen=True)
class TextRules:
    """How cells of text are read. `nulls` are spellings of NULL beside the empty cell of a CSV file.

    `days` are the first and the last day that a time may have, None for the usual ones.
    """

    nulls: tuple[str, ...] = ()
    decimal_comma: bool = False
    time_formats: tuple[str, ...] = (ISO,)
    timezone: str | None = None
    days: tuple[dt.date, dt.date] | None = None


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written; None is found by looking at it."""

    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True


@dataclass(frozen=True)
class ImportRequest:
    """One import; checked when it is built.

    `timestamp_field` is None for a table without a time, which becomes one file. `dtypes` are the types of columns by
    their names in the files; `chosen` are the columns to import, in this order (None: all; without a header: the names
    of all). A directory that was imported into before has types of its own for the columns that are not in `dtypes`.
    `max_rejected` is how many rows of a file may be kept aside, None for any number. With `name` the one file goes by
    this name, and not by its own.
    """

    files: tuple[Path, ...]
    to: Path
    timestamp_field: str | None
    timestamp_unit: UnitSymbol | None = None
    dtypes: Mapping[str, DType] = field(default_factory=dict)
    chosen: tuple[str, ...] | None = None
    format: Format | None = None
    dialect: Dialect = Dialect()
    rules: TextRules = TextRules()
    name: str | None = None
    max_rejected: int | None = None
    replace: bool = False
    repeated: bool = False
    empty_days: bool = False
    dry_run: bool = False
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if not self.files:
            raise UsageError("no file to import: name one")
        if is_object(str(self.to)):
            raise UsageError(f"{self.to} is on object storage, and import writes to a disk: import there, then upload")
        self._check_names()
        self._check_columns()
        self._check_text()

    def _check_names(self) -> None:
        if self.name is not None and len(self.files) > 1:
            raise UsageError("--as is the name of one file: import the others without it, or one by one")
        counts = Counter(map(self.source_name, self.files))
        for path in self.files:
            if counts[self.source_name(path)] > 1:
                raise UsageError(
                    f"several of the files are called {self.source_name(path)}, and the rows of a file are known by "
                    "its name: import them one by one, each with a name of its own, --as NAME"
                )
            if len(part_name(self.source_name(path))) > _LONGEST_NAME:
                raise UsageError(
                    f"{path}: the name is too long for a part to have it in its own, where letters beyond ASCII count "
                    "as six or more: give a shorter one, --as NAME"
                )

    def _check_columns(self) -> None:
        for name, dtype in self.dtypes.items():
            if dtype.holds_struct or dtype.holds_half or (dtype.item is not None and dtype.item.item is not None):
                raise UsageError(f"column '{name}' is {dtype}: import reads scalars and lists of them")
            if dtype.item is not None and dtype.item.is_instant:
                raise UsageError(f"column '{name}' is {dtype}: import reads no lists of times, write them as text")
        if self.chosen is not None:
            if twice := [name for name, count in Counter(self.chosen).items() if count > 1]:
                raise UsageError(f"--columns names {', '.join(twice)} twice: each column stands once")
            for name in (*self.dtypes, *filter(None, [self.timestamp_field])):
                if name not in self.chosen:
                    raise UsageError(
                        f"'{name}' is not one of the columns that are imported: {known(name, self.chosen)}"
                    )
        if self.timestamp_unit is not None and self.timestamp_field is None:
            raise UsageError("--timestamp-unit is about a time, and the table has none: leave it out")
        if not self.dialect.header and self.chosen is None:
            raise UsageError("a file without a header needs names for its columns: --columns NAME,…")
        time = self.timestamp_field
        if time is not None and time in self.dtypes:
            check_time(time, self.dtypes[time], self.timestamp_unit)

    def _check_text(self) -> None:
        delimiter = self.dialect.delimiter
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise UsageError(
                f"--delimiter '{delimiter}' is not one character between cells: write one like ';', or tab"
            )
        if self.dialect.encoding is not None:
            try:
                codecs.lookup(self.dialect.encoding)
            except LookupError:
                raise UsageError(
                    f"--encoding '{self.dialect.encoding}' is not known: write one like utf-8, latin-1, cp1252, utf-16"
                ) from None
        if any(_INSTANT.search(form) for form in self.rules.time_formats):
            raise UsageError("--time-format has no %n: nanoseconds are read in the format iso alone")
        if not self.rules.time_formats:
            raise UsageError(f"no format of times is left: write at least {ISO}")

    def source_name(self, path: Path) -> str:
        """What the rows of a file are known by."""
        return path.name if self.name is None else self.name

    def format_of(self, path: Path) -> Format:
        """The format of a file: the one that is given, or the one that its name tells."""
        if self.format is not None:
            return self.format
        suffixes = [suffix.lower() for suffix in path.suffixes]
        if suffixes and suffixes[-1] in PACKED:
            suffixes.pop()
        found = _SUFFIXES.get(suffixes[-1]) if suffixes else None
        if found is None:
            raise UsageError(f"{path}: its name does not tell what it is: say --format {', '.join(FORMATS)}")
        return found


def check_time(name: str, dtype: DType, unit: UnitSymbol | None) -> None:
    """Raise UsageError unless a column of this type is a time."""
    if dtype.is_integer and unit is None:
        raise UsageError(f"'{name}' is {dtype}: say what it counts, --timestamp-unit s, ms, us or ns")
    if not dtype.is_integer and not dtype.is_instant:
        raise UsageError(
            f"'{name}' is {dtype} and not a time: choose another --timestamp-field, or say how its text is read, "
            "--time-format '%d.%m.%Y %H:%M'"
        )
    if dtype.name == "date" and unit is not None:
        raise UsageError(f"'{name}' is a date, and --timestamp-unit belongs to whole numbers: leave it out")


def days_of(rules: TextRules) -> tuple[dt.date, dt.date]:
    """The first and the last day whose rows are imported."""
    return rules.days or USUAL_DAYS


def unit_of(dtype: DType, unit: UnitSymbol | None) -> TimeUnit:
    """The resolution of a time."""
    if dtype.is_integer:
        return TIMESTAMP_UNITS[unit or "s"]
    assert dtype.unit is not None
    return dtype.unit


def known(name: str, names: Sequence[str]) -> str:
    """The tail of a message about a column that is not there."""
    return did_you_mean(name, [one for one in names if one])


def part_name(source: str) -> str:
    """The name of the file that holds the rows of a source, in each partition.

    >>> part_name("events 2024.csv")
    'part-events%202024.csv.parquet'
    """
    return f"part-{quote(source, safe='-.,+=@')}.parquet"
