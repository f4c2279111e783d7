"""What was seen in files: tables and their columns, with counts of a sample of the rows."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from daeda.init_project.database import DatabaseTable

Format = Literal["csv", "jsonl", "parquet"]
# The place of the files in the SQL of a relation.
FILES = "\u0001"
# Rows of a sample.
MOST_ROWS = 500_000
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[A-Za-z]+|\d+")
_INTEGER = re.compile(r"u?int\d+")


@dataclass(frozen=True)
class Column:
    """A column of files, under its name there.

    `dtype` is empty where daeda reads no such type; `stored` is that of Parquet files, empty in others. `sql` reads it
    out of the files, typed, and `raw` as it is written. Counts are of the sample; `distinct` does not count NULL, and
    `ascending` is the share of neighbouring rows, in the order of the file, whose values do not descend. `text_format`
    is that of texts which are times: what strptime takes, or `ISO 8601`; `zoned` says that they name their zone.
    `misfits` are how many texts are none, and one of them.
    """

    name: str
    dtype: str
    rows: int
    nulls: int
    distinct: int
    sql: str = ""
    stored: str = ""
    ascending: float = 0.0
    text_format: str = ""
    zoned: bool = False
    other_format: str = ""
    raw: str = ""
    misfits: tuple[int, str] = (0, "")
    low: float | None = None
    high: float | None = None

    @property
    def null_share(self) -> float:
        """Share of the rows that are NULL."""
        return self.nulls / self.rows if self.rows else 1.0

    @property
    def unique(self) -> bool:
        """Whether each row has a value of its own."""
        return self.rows > 1 and self.distinct == self.rows

    @property
    def per_value(self) -> float:
        """Rows of a value, on average."""
        return (self.rows - self.nulls) / self.distinct if self.distinct else 0.0

    @property
    def is_integer(self) -> bool:
        """Whether values are whole numbers."""
        return bool(_INTEGER.fullmatch(self.dtype))

    @property
    def is_number(self) -> bool:
        """Whether a sum of values is a number."""
        return self.is_integer or self.dtype in ("float", "double") or self.dtype.startswith("decimal")

    @property
    def is_instant(self) -> bool:
        """Whether values are timestamps or dates."""
        return self.dtype == "date" or self.dtype.startswith("timestamp")

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its name.

        >>> Column("schedDepTime", "int64", 1, 0, 1).words, Column("CustomerID", "string", 1, 0, 1).words
        (('sched', 'dep', 'time'), ('customer', 'id'))
        """
        return words_of(self.name)


@dataclass(frozen=True)
class Table:
    """The files of one table. `sample` is a table of the connection that profiled them, typed, in the order of files.

    `relation` is the SQL of rows as they are written, with FILES in place of the files, and of texts in place of what
    was staged of them. `described` are the keys of JSON with their types in DuckDB, `told` what is said of
    columns that are not what they look like.

    `rows` are those of the sample, which is not all of them where it is `partial`. `partitions` are the days of
    `dt=` directories. `null_texts` are texts that stand for NULL, beside the empty one. `comma_columns` are those of
    numbers with a decimal comma, each with one of them.
    """

    name: str
    files: tuple[Path, ...]
    format: Format
    size: int
    sample: str
    rows: int
    partial: bool
    columns: tuple[Column, ...]
    relation: str = ""
    null_texts: tuple[str, ...] = ()
    partitions: tuple[dt.date, ...] = ()
    directory: Path | None = None
    shown: str = ""
    database: DatabaseTable | None = None
    comma_columns: tuple[tuple[str, str], ...] = ()
    described: tuple[tuple[str, str], ...] = ()
    told: tuple[tuple[str, str], ...] = ()

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers have a decimal comma."""
        return bool(self.comma_columns)

    def column(self, name: str) -> Column:
        """A column by its name; KeyError without one."""
        return next(column for column in self.columns if column.name == name)

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        return any(column.name == name for column in self.columns)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, small.

    >>> words_of("sched_dep_time"), words_of("movieId"), words_of("userid")
    (('sched', 'dep', 'time'), ('movie', 'id'), ('userid',))
    """
    return tuple(word.lower() for part in _CAMEL.split(name) for word in _WORD.findall(part))


def valid_name(text: str, taken: Iterable[str] = ()) -> str:
    """The name nearest to a text that YAML may use, and that is not taken, capital letters or not.

    >>> valid_name("Requested At"), valid_name("2019 sales"), valid_name("a", ["A"])
    ('Requested_At', '_2019_sales', 'a_2')
    """
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "column"
    name = f"_{name}" if name[0].isdigit() else name
    folded = {other.lower() for other in taken}
    if name.lower() not in folded:
        return name
    return next(f"{name}_{number}" for number in range(2, 10_000) if f"{name.lower()}_{number}" not in folded)
