"""Texts as an import reads them, written so that DuckDB reads them too: rows with their lines, and what is none apart.

DuckDB's own readers end at a broken line, or at line ends that differ, and take of keys that differ in capital letters
one alone. What is looked at and what is imported are the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.errors import InputError
from daeda.importing.blocks import Rejected
from daeda.importing.csv_rows import CsvRows
from daeda.importing.opened import open_text
from daeda.importing.request import Dialect
from daeda.init_project.tables import Format

# Columns that are added: the line of a row, and the number of its file.
LINE, FILE = "daeda:line", "daeda:file"
STRUCT_DEPTH = 2
Aside = Callable[[Path, Rejected], None]


def ignored(path: Path, one: Rejected) -> None:
    """What is kept aside is counted when the data is read to its end."""


def stage(
    kind: Format, files: Sequence[Path], names: Sequence[str], target: Path, aside: Aside, most: int | None = None
) -> bool:
    """Write the rows of text files into one file: Parquet with the columns of CSV, or lines of JSON.

    Returns whether it ended at `most` rows, with some left. Raises InputError for files of which no row can be read.
    """
    return _stage_csv(files, names, target, aside, most) if kind == "csv" else _stage_json(files, target, aside, most)


def names_of(path: Path) -> tuple[str, Sequence[str]]:
    """The sign between the cells of a CSV file, and the names in its first line; some may be empty."""
    rows = CsvRows(path, Dialect(), None)
    return rows.delimiter, rows.names


def _stage_csv(files: Sequence[Path], names: Sequence[str], target: Path, aside: Aside, most: int | None) -> bool:
    schema = pa.schema([*((name, pa.string()) for name in names), (FILE, pa.int64()), (LINE, pa.int64())])
    left = most
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for number, path in enumerate(files):
            for block in CsvRows(path, Dialect(), None).blocks(range(len(names)), [False] * len(names)):
                for one in block.rejected:
                    aside(path, one)
                filled = [
                    pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells) for cells in block.columns
                ]
                numbers = pa.array([number] * len(block.lines), pa.int64())
                rows = pa.table([*filled, numbers, block.lines], schema=schema)
                writer.write_table(rows if left is None else rows.slice(0, left))
                if left is not None:
                    if len(rows) > left:
                        return True
                    left -= len(rows)
    return False


def _stage_json(files: Sequence[Path], target: Path, aside: Aside, most: int | None) -> bool:
    keys = _Keys()
    rows = 0
    with target.open("w", encoding="utf-8") as out:
        for number, path in enumerate(files):
            for line, text in _objects(path, keys, aside):
                if rows == most:
                    return True
                rest = text[1:].lstrip()
                begin = f'{{"{LINE}": {line}, "{FILE}": {number}'
                out.write(f"{begin}{'' if rest.startswith('}') else ', '}{rest}\n")
                rows += 1
    if not rows:
        raise InputError(
            f'{files[0]}: none of its lines is an object of JSON: write a document on each line, like {{"user_id": 1}}'
        )
    return False


def _objects(path: Path, keys: _Keys, aside: Aside) -> Iterator[tuple[int, str]]:
    """The lines that are objects, with their numbers; what else is not blank is kept aside."""
    with open_text(path, None) as opened:
        first = True
        for line, text in enumerate(opened.text, 1):
            stripped = text.strip()
            if not stripped:
                continue
            if first and stripped.startswith("["):
                raise InputError(
                    f"{path}: it begins with a list, and JSON lines have an object on each line: write them with "
                    f"`jq -c '.[]' {path.name}`"
                )
            first = False
            try:
                keys.see(path, _object(stripped))
            except _NoObject as error:
                aside(path, Rejected(line, str(error), text.rstrip("\r\n")))
                continue
            yield line, stripped


class _NoObject(Exception):
    """Why a line is no row."""


def _object(text: str) -> dict[str, object]:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _NoObject("bytes that are not of the encoding") from None
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise _NoObject("no object of JSON") from None
    if not isinstance(found, dict):
        raise _NoObject("no object of JSON")
    if "\\ud" in text.lower():
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise _NoObject("characters that are no text") from None
    return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NoObject(f"the key {twice} stands twice in an object")
    return found


class _Keys:
    """The keys that have come up, each in one spelling: SQL takes those for one that differ in capital letters."""

    def __init__(self) -> None:
        self._spelled: dict[tuple[str, ...], str] = {}
        self._shapes: set[tuple[object, ...]] = set()

    def see(self, path: Path, found: dict[str, object], above: tuple[str, ...] = ()) -> None:
        """Raise InputError for a key without a name, and for two that are one name."""
        shape = (above, *found)
        if shape not in self._shapes:
            self._shapes.add(shape)
            for key in found:
                self._name(path, (*above, key))
        if len(above) < STRUCT_DEPTH:
            for key, value in found.items():
                if isinstance(value, dict):
                    self.see(path, value, (*above, key))

    def _name(self, path: Path, key: tuple[str, ...]) -> None:
        shown = ".".join(key)
        if not key[-1]:
            where = f" in {'.'.join(key[:-1])}" if key[:-1] else ""
            raise InputError(f"{path} has a key without a name{where}: give it one")
        before = self._spelled.setdefault(tuple(part.lower() for part in key), shown)
        if before != shown:
            raise InputError(
                f"{path} has the keys {before}, {shown}, which are one name, capital letters or not: rename the others"
            )
