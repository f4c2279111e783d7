"""What was imported into a directory: `_import.json`, by which a second import knows what is there."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daeda.dtypes import DType, UnitSymbol
from daeda.errors import InputError
from daeda.storage.durable import sync_file, write_durably
from daeda.storage.regular import check_regular, file_digest, read_regular

NAME = "_import.json"
REJECTED = "_rejected"
# It has a line of each file and day, of some 200 bytes: hundreds of files of ten years are more than other metadata.
_MOST_BYTES = 4 << 30


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImportedDay(_Entry):
    """The part of a source in one partition, as it was published; of a table without a time, its one file."""

    rows: int
    sha256: str
    size: int | None = None
    mtime_ns: int | None = None

    def is_at(self, path: Path) -> bool:
        """Whether it is there as it was; where only the time of its change is another, by its digest."""
        try:
            state = check_regular(path)
        except OSError:
            return False
        if self.size is not None and state.st_size != self.size:
            return False
        return state.st_mtime_ns == self.mtime_ns or file_digest(path) == self.sha256


class ImportedSource(_Entry):
    """A file that was imported: its state then, how it was read, and what became of its rows."""

    size: int
    mtime_ns: int
    options: str = Field(description="Digest of how it was read.")
    rows: int
    rejected: int
    days: dict[str, ImportedDay] = Field(description="By day; of a table without a time under ''.")


class ReadRules(_Entry):
    """How text was read at the last import, by which the next one reads where it is not told otherwise."""

    nulls: tuple[str, ...] = ()
    decimal_comma: bool = False
    time_formats: tuple[str, ...] = ()
    timezone: str | None = None
    days: tuple[dt.date, dt.date] | None = None


class Ledger(_Entry):
    """All that was imported into a directory."""

    format: Literal["daeda.imported/1"] = "daeda.imported/1"
    timestamp_field: str | None
    timestamp_unit: UnitSymbol | None
    columns: dict[str, str]
    rules: ReadRules | None = None
    sources: dict[str, ImportedSource] = Field(default_factory=dict)

    @property
    def dtypes(self) -> dict[str, DType]:
        """Types by name."""
        return {name: DType.parse(dtype) for name, dtype in self.columns.items()}


def read_ledger(directory: Path) -> Ledger | None:
    """The ledger of a directory; None where nothing was imported into it. Raises InputError for one that is damaged."""
    path = directory / NAME
    try:
        return Ledger.model_validate_json(read_regular(path, _MOST_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, ValueError) as error:
        raise InputError(
            f"{path}: it is no ledger of an import that this version reads: restore it, or import into a new directory"
        ) from error


def write_ledger(directory: Path, ledger: Ledger) -> None:
    """Put a ledger in the place of the one that is there."""
    path = directory / NAME
    aside = path.with_name(f".{NAME}.new")
    write_durably(aside, ledger.model_dump_json(indent=1) + "\n")
    aside.replace(path)
    sync_file(path.parent)


def day_key(day: dt.date | None) -> str:
    """The key of a day."""
    return "" if day is None else day.isoformat()
