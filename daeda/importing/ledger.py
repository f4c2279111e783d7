"""What was imported into a directory: `_import.json`, by which a second import knows what is there."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daeda.dtypes import DType, UnitSymbol
from daeda.errors import InputError
from daeda.storage.regular import read_regular

NAME = "_import.json"
REJECTED = "_rejected"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImportedDay(_Entry):
    """The part of a source in one partition; of a table without a time, its one file."""

    rows: int
    sha256: str


class ImportedSource(_Entry):
    """A file that was imported: its state then, how it was read, and what became of its rows."""

    size: int
    mtime_ns: int
    options: str = Field(description="Digest of how it was read.")
    rows: int
    rejected: int
    days: dict[str, ImportedDay] = Field(description="By day; of a table without a time under ''.")


class Ledger(_Entry):
    """All that was imported into a directory."""

    format: Literal["daeda.imported/1"] = "daeda.imported/1"
    timestamp_field: str | None
    timestamp_unit: UnitSymbol | None
    columns: dict[str, str]
    sources: dict[str, ImportedSource] = Field(default_factory=dict)

    @property
    def dtypes(self) -> dict[str, DType]:
        """Types by name."""
        return {name: DType.parse(dtype) for name, dtype in self.columns.items()}


def read_ledger(directory: Path) -> Ledger | None:
    """The ledger of a directory; None where nothing was imported into it. Raises InputError for one that is damaged."""
    path = directory / NAME
    try:
        return Ledger.model_validate_json(read_regular(path))
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
    with aside.open("w", encoding="utf-8") as file:
        file.write(ledger.model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def day_key(day: dt.date | None) -> str:
    """The key of a day."""
    return "" if day is None else day.isoformat()
