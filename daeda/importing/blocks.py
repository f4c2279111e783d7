"""Rows on their way: blocks of columns as they were read, the line of each row, and the rows that are kept aside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

# Characters of text at which a block ends, and rows and cells: what is in memory at once.
MOST_TEXT = 32 * 2**20
_MOST_ROWS = 131_072
_MOST_CELLS = 2_000_000


def most_rows(width: int) -> int:
    """How many rows of so many columns a block has at most."""
    return max(1, min(_MOST_ROWS, _MOST_CELLS // max(1, width)))


@dataclass(frozen=True)
class Rejected:
    """A row that is kept aside: its line (of Parquet its row), why, and what stands there: cells, or the whole line."""

    line: int
    reason: str
    content: object

    def record(self) -> str:
        """A line of JSON.

        >>> Rejected(3, "1 cell, and not 2", ["a"]).record()
        '{"line": 3, "reason": "1 cell, and not 2", "content": ["a"]}'
        """
        # What is no text becomes an escape, and no byte is lost.
        return json.dumps({"line": self.line, "reason": self.reason, "content": self.content}, default=str)


@dataclass(frozen=True)
class Block:
    """Rows of a file: a column for each that is imported, and the line of each row, counted from 1.

    Columns are text, lists of text, or of Parquet what the file has. `end` is the line up to which the file was read,
    `share` the share of the file that is. `late` has names that the first rows of the file have not, and for each the
    first line of the block with it.
    """

    columns: tuple[pa.Array, ...]
    lines: pa.Array
    rejected: tuple[Rejected, ...]
    end: int
    share: float
    late: Mapping[str, int] = field(default_factory=dict)


class Rows(Protocol):
    """A file to import. `names` are those of its columns, `typed` their types where the file says them.

    `texts` are columns that hold texts alone, `lists` those that hold lists, where the file tells them apart.
    `optional` says whether a row may leave columns out, so that none is missing; `nulls` are texts that mean NULL.
    """

    names: Sequence[str]
    typed: Sequence[str] | None
    texts: frozenset[str]
    lists: frozenset[str]
    optional: bool
    nulls: tuple[str, ...]

    def blocks(self, picked: Sequence[int], lists: Sequence[bool], start: int = 0) -> Iterator[Block]:
        """The rows behind line `start`, of the columns with these numbers; `lists` says which are lists."""
