"""CSV: rows with their lines; a line that is broken is kept aside, and reading goes on behind it.

A quote that is never closed swallows what follows, up to the next quote or the end of the file. Then only its own line
is kept aside, and the lines behind it are read anew.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pyarrow as pa

from daeda.errors import InputError, counted, cut
from daeda.importing.blocks import MOST_TEXT, Block, Rejected, most_rows
from daeda.importing.opened import OpenText, open_text
from daeda.importing.request import Dialect

_DELIMITERS = ",;\t|"
# A cell that is longer is taken for a quote that was never closed.
_LONGEST_CELL = 2**20
_NO_LIST = "is no list of JSON, like [1, 2]"


class CsvRows:
    """A CSV file, whose header was read. Names of columns have no blanks around them."""

    typed: Sequence[str] | None = None
    texts: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    optional = False
    nulls: tuple[str, ...] = ("",)

    def __init__(self, path: Path, dialect: Dialect, names: Sequence[str] | None) -> None:
        self._path = path
        self._encoding = dialect.encoding
        with _text(path, dialect.encoding) as opened:
            head = list(islice(opened.text, 50))
        if not any(line.strip() for line in head):
            raise InputError(f"{path}: it holds no line: nothing can be imported")
        self.delimiter = dialect.delimiter or delimiter_of(head)
        first = _Records(iter(head), self.delimiter, 0)
        cells = next((cells for cells, _ in first if cells), None)
        if cells is None or first.rejected:
            raise InputError(f"{path}: its first line cannot be read as CSV with '{self.delimiter}' between cells")
        if dialect.header:
            self.names: Sequence[str] = [cell.strip() for cell in cells]
            self._behind_header = first.line
        else:
            assert names is not None
            if len(cells) != len(names):
                raise InputError(
                    f"{path}: its first line has {counted(len(cells), 'cell')}, and --columns names {len(names)}: name "
                    "each column, in their order"
                )
            self.names, self._behind_header = names, 0

    @property
    def first_line(self) -> str:
        """The header as it was read, for messages."""
        return cut(self.delimiter.join(self.names))

    def blocks(self, picked: Sequence[int], lists: Sequence[bool], start: int = 0) -> Iterator[Block]:
        """The rows behind a line, in blocks."""
        width = len(self.names)
        most = most_rows(width)
        with _text(self._path, self._encoding) as opened:
            start = max(start, self._behind_header)
            skipped = sum(1 for _ in islice(opened.text, start))
            records = _Records(opened.text, self.delimiter, skipped)
            rows: list[list[str]] = []
            lines: list[int] = []
            for cells, line in records:
                if len(cells) == width:
                    rows.append(cells)
                    lines.append(line)
                elif cells:
                    records.refuse(line, cells, f"{counted(len(cells), 'cell')}, and {width} columns")
                if len(rows) >= most or records.characters >= MOST_TEXT:
                    yield _block(rows, lines, records, picked, lists, opened.share)
                    rows, lines = [], []
            yield _block(rows, lines, records, picked, lists, opened.share)


class _Lines:
    """Lines as the reader of CSV takes them: counted, kept until a record is whole, and given again if it is none.

    Behind the end, lines that are put back are given, too; a generator would stay at its end.
    """

    def __init__(self, text: Iterator[str], number: int) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self.fed: list[str] = []
        self.number = number
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self.fed.append(line)
        self.number += 1
        self.characters += len(line)
        return line

    def put_back(self) -> str:
        """Give all but the first one of these lines again; returns the first one."""
        first, *others = self.fed
        self._again.extendleft(reversed(others))
        self.number -= len(others)
        self.characters -= sum(map(len, others))
        return first


class _Records:
    """The records of lines of text with the line that each begins on; what is broken is in `rejected`."""

    def __init__(self, text: Iterator[str], delimiter: str, line: int) -> None:
        self._lines = _Lines(text, line)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self.rejected: list[Rejected] = []

    @property
    def line(self) -> int:
        """The line up to which records were read."""
        return self._lines.number

    @property
    def characters(self) -> int:
        """How many characters were read since the block began."""
        return self._lines.characters

    def __iter__(self) -> Iterator[tuple[list[str], int]]:
        lines, reader = self._lines, self._reader
        while True:
            lines.fed.clear()
            begin = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._broken(begin, _told(str(error)))
                continue
            yield cells, begin

    def refuse(self, line: int, cells: list[str], reason: str) -> None:
        """Keep the record aside that was read last; of one with several lines the first, the others are read anew."""
        if len(self._lines.fed) > 1:
            self._broken(line, f"{reason}: a quote in it may be one that is never closed")
        else:
            self.rejected.append(Rejected(line, reason, cells))

    def _broken(self, line: int, why: str) -> None:
        self.rejected.append(Rejected(line, why, self._lines.put_back().rstrip("\r\n")))

    def taken(self) -> list[Rejected]:
        """What was kept aside since the last time; a new block begins."""
        found, self.rejected, self._lines.characters = self.rejected, [], 0
        return found


def _block(
    rows: list[list[str]], lines: list[int], records: _Records, picked: Sequence[int], lists: Sequence[bool],
    share: float,
) -> Block:  # fmt: skip
    rejected = records.taken()
    kept, kept_lines = rows, lines
    try:
        columns = _columns(rows, picked)
    except UnicodeEncodeError:
        kept, kept_lines = [], []
        for row, line in zip(rows, lines, strict=True):
            if any(map(_is_no_text, row)):
                rejected.append(Rejected(line, "bytes that are not of the encoding", row))
            else:
                kept.append(row)
                kept_lines.append(line)
        columns = _columns(kept, picked)
    if any(lists):
        columns, kept_lines = _with_lists(columns, kept, kept_lines, picked, lists, rejected)
    rejected.sort(key=lambda one: one.line)
    return Block(tuple(columns), pa.array(kept_lines, pa.int64()), tuple(rejected), records.line, share)


def _columns(rows: list[list[str]], picked: Sequence[int]) -> list[pa.Array]:
    if not rows:
        return [pa.array([], pa.string()) for _ in picked]
    cells = list(zip(*rows, strict=True))
    return [pa.array(cells[number], pa.string()) for number in picked]


def _told(error: str) -> str:
    """What Python says of a record, as its author needs it."""
    if error.startswith(("unexpected end", "field larger")):
        return "a quote that is never closed"
    return "a quote in the middle of a cell" if "expected after" in error else error


def _is_no_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return True
    return False


def _with_lists(
    columns: list[pa.Array], rows: list[list[str]], lines: list[int], picked: Sequence[int], lists: Sequence[bool],
    rejected: list[Rejected],
) -> tuple[list[pa.Array], list[int]]:  # fmt: skip
    """Cells of list columns hold lists of JSON; a row with another cell there is kept aside."""
    parsed = {at: [list_of_json(row[picked[at]]) for row in rows] for at, is_list in enumerate(lists) if is_list}
    wrong = {number for cells in parsed.values() for number, cell in enumerate(cells) if cell is False}
    for number in sorted(wrong):
        rejected.append(Rejected(lines[number], f"a cell {_NO_LIST}", rows[number]))
    good = [number for number in range(len(rows)) if number not in wrong]
    taken = [
        pa.array([parsed[at][number] for number in good], pa.list_(pa.string())) if at in parsed else column.take(good)
        for at, column in enumerate(columns)
    ]
    return taken, [lines[number] for number in good]


def list_of_json(cell: str) -> list[str | None] | bool | None:
    """The items of a list of JSON as text, None for an empty cell, and False for what is none.

    >>> list_of_json("[1, null, 2.50]"), list_of_json(""), list_of_json("1|2")
    (['1', None, '2.50'], None, False)
    """
    if not cell.strip():
        return None
    try:
        found = json.loads(cell, parse_int=str, parse_float=str, parse_constant=str)
    except ValueError:
        return False
    return items_as_text(found)


def items_as_text(found: object) -> list[str | None] | bool:
    """The items of a list as text; False where it is none, or where an item is a list or an object."""
    if not isinstance(found, list) or any(isinstance(item, list | dict) for item in found):
        return False
    return [item if item is None or isinstance(item, str) else str(item).lower() for item in found]


def delimiter_of(head: Sequence[str]) -> str:
    """What stands between cells: the sign that the first line has most often outside of quotes; else a comma."""
    first = next((line for line in head if line.strip()), "")
    outside = "".join(part for number, part in enumerate(first.split('"')) if number % 2 == 0)
    counts = Counter({sign: outside.count(sign) for sign in _DELIMITERS})
    sign, count = counts.most_common(1)[0]
    return sign if count else ","


@contextmanager
def _text(path: Path, encoding: str | None) -> Iterator[OpenText]:
    """Open a file; while it is open, cells may be longer than Python's CSV takes otherwise."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        with open_text(path, encoding) as opened:
            yield opened
    finally:
        csv.field_size_limit(before)
