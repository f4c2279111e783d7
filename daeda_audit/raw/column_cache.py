"""Columns of raw files, each parsed once per audit and kept while there is room.

What is kept is Arrow's, not Python's: a number has eight bytes there. Files are looked at again before another of their
columns is read, so that a column of one state of a file never stands beside a column of another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from daeda.errors import InputError
from daeda_audit.raw.local_copies import RawFile, shown

# Of all views together; one column that is larger is read and not kept.
MOST_BYTES = 512 << 20

Read = Callable[[RawFile, list[str]], pa.Table]
_ColumnOfFile = tuple[str, RawFile, str]


class ColumnCache:
    """Columns by view, file and name; what was not asked for longest makes room."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._columns: dict[_ColumnOfFile, pa.ChunkedArray] = {}
        self._bytes = 0
        self._states: dict[RawFile, tuple[str, tuple[int, ...]]] = {}

    def columns(self, view: str, file: RawFile, names: Sequence[str], read: Read) -> list[pa.ChunkedArray]:
        """Columns of a file by their names in it; `read` parses those that are not kept.

        Raises InputError where the file is not the one that was read from before.
        """
        columns = {
            name: column for name in names if (column := self._columns.pop((view, file, name), None)) is not None
        }
        missing = [name for name in dict.fromkeys(names) if name not in columns]
        if missing:
            before = self._checked(view, file)
            table = read(file, missing)
            if self._checked(view, file) != before:
                raise _changed(view, file)
            columns |= {name: table.column(name) for name in missing}
            self._bytes += sum(columns[name].nbytes for name in missing)
        # Behind all others: a dict keeps the order in which it was filled.
        self._columns |= {(view, file, name): column for name, column in columns.items()}
        while self._bytes > self._most_bytes and self._columns:
            self._bytes -= self._columns.pop(next(iter(self._columns))).nbytes
        return [columns[name] for name in names]

    def _checked(self, view: str, file: RawFile) -> tuple[int, ...]:
        """What tells one state of a file from another. An object is asked for at the version that was listed."""
        if not isinstance(file, Path):
            return ()
        try:
            stat = file.stat()
        except OSError as error:
            raise InputError(
                f"view '{view}': {shown(file)} cannot be read ({error.strerror}): was it removed while it was audited?"
            ) from error
        state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if self._states.setdefault(file, (view, state))[1] != state:
            raise _changed(view, file)
        return state

    def check_at_rest(self) -> None:
        """Raise InputError where a file that was read is not there any more, or is another one."""
        for file, (view, _) in self._states.items():
            self._checked(view, file)


def _changed(view: str, file: RawFile) -> InputError:
    return InputError(f"view '{view}': {shown(file)} changed while it was audited: audit again when it is at rest")
