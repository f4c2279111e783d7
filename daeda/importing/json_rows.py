"""JSON lines: an object for each row, whose names may differ from row to row; numbers stay as they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa

from daeda.errors import InputError, cut
from daeda.importing.blocks import MOST_TEXT, Block, Rejected, most_rows
from daeda.importing.csv_rows import items_as_text
from daeda.importing.opened import open_text

# Rows by which names are found where nobody gives them.
SAMPLED = 20_000


class JsonRows:
    """A file of JSON lines. Its names are those of its first rows, in the order in which they come up.

    `texts` are the columns whose values, or the items of whose lists, are all texts there, `lists` those that hold
    lists.
    """

    typed: Sequence[str] | None = None
    optional = True
    nulls: tuple[str, ...] = ()

    def __init__(self, path: Path, encoding: str | None) -> None:
        self._path = path
        self._encoding = encoding
        kinds: dict[str, set[type]] = {}
        items: dict[str, set[type]] = {}
        with open_text(path, encoding) as opened:
            for line in islice(opened.text, SAMPLED):
                if line.lstrip().startswith("[") and not kinds:
                    raise InputError(
                        f"{path}: it begins with a list, and JSON lines have an object on each line: write them with "
                        f"`jq -c '.[]' {path.name}`"
                    )
                for name, value in (_parsed(line) or {}).items():
                    kinds.setdefault(name, set()).add(type(value))
                    if isinstance(value, list):
                        items.setdefault(name, set()).update(map(type, value))
        if not kinds:
            raise InputError(f"{path}: none of its first lines is an object of JSON: nothing can be imported")
        self.names: Sequence[str] = list(kinds)
        nothing = type(None)
        self.lists = frozenset(name for name, found in kinds.items() if found - {nothing} == {list})
        held = {name: items[name] if name in self.lists else found for name, found in kinds.items()}
        self.texts = frozenset(name for name, found in held.items() if found - {nothing} == {str})
        self._first = frozenset(kinds)

    def blocks(self, picked: Sequence[int], lists: Sequence[bool], start: int = 0) -> Iterator[Block]:
        """The rows behind a line, in blocks."""
        names, most = [self.names[number] for number in picked], most_rows(len(picked))
        with open_text(self._path, self._encoding) as opened:
            number = sum(1 for _ in islice(opened.text, start))
            rows: list[list[object]] = []
            lines: list[int] = []
            rejected: list[Rejected] = []
            late: dict[str, int] = {}
            characters = 0
            for line in opened.text:
                number += 1
                characters += len(line)
                if line.strip():
                    found = _parsed(line)
                    cells = "no object of JSON" if found is None else _cells(found, line, names, lists)
                    if found is not None and not found.keys() <= self._first:
                        for name in found.keys() - self._first:
                            late.setdefault(name, number)
                    if isinstance(cells, str):
                        rejected.append(Rejected(number, cells, line.rstrip("\r\n")))
                    else:
                        rows.append(cells)
                        lines.append(number)
                if len(rows) >= most or characters >= MOST_TEXT:
                    yield _block(rows, lines, rejected, late, lists, number, opened.share)
                    rows, lines, rejected, late, characters = [], [], [], {}, 0
            yield _block(rows, lines, rejected, late, lists, number, opened.share)


class _Number(str):
    """A number as it is written."""


def _parsed(line: str) -> dict[str, object] | None:
    """The object of a line, its numbers as they are written; None where it is none."""
    try:
        found = json.loads(line, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _cells(found: Mapping[str, object], line: str, names: Sequence[str], lists: Sequence[bool]) -> list[object] | str:
    """The cells of the object of a line, or why it is kept aside."""
    cells: list[object] = []
    for name, is_list in zip(names, lists, strict=True):
        cell = found.get(name)
        if is_list and cell is not None:
            cell = items_as_text(cell)
            if cell is False:
                return f"{name}: {cut(_again(line, name), 40)} is no list of values"
        elif isinstance(cell, bool):
            cell = "true" if cell else "false"
        elif isinstance(cell, list | dict):
            cell = _again(line, name)
        cells.append(cell)
    return cells if _is_text(cells) else "characters that are no text"


def _again(line: str, name: str) -> str:
    """A value of a line as JSON, its numbers as numbers."""
    return json.dumps(json.loads(line)[name], ensure_ascii=False, separators=(",", ":"))


def _is_text(cells: Sequence[object]) -> bool:
    """Whether all texts can be written: JSON may hold half of a pair of surrogates, and bytes may be of no encoding."""
    try:
        for cell in cells:
            if isinstance(cell, str):
                cell.encode()
            elif isinstance(cell, list):
                "".join(item for item in cell if item is not None).encode()
    except UnicodeEncodeError:
        return False
    return True


def _block(
    rows: list[list[object]], lines: list[int], rejected: list[Rejected], late: Mapping[str, int],
    listed: Sequence[bool], end: int, share: float,
) -> Block:  # fmt: skip
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(listed)
    kinds = [pa.list_(pa.string()) if is_list else pa.string() for is_list in listed]
    columns = tuple(pa.array(column, kind) for column, kind in zip(cells, kinds, strict=True))
    return Block(columns, pa.array(lines, pa.int64()), tuple(rejected), end, share, late)
