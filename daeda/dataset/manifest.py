"""The manifest of a published day: what it holds, what it was made from, and what would make it stale."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from daeda.dataset.layout import MANIFEST_NAME
from daeda.errors import InputError
from daeda.storage.objects import client
from daeda.storage.place import ObjectPath, Place

# Version of the day's format: part of the fingerprint, raised when the same input would give other bytes.
FORMAT_VERSION = 1
# The same for what the enrichment writes of one skeleton and one store.
ENRICHED_FORMAT_VERSION = 3


@dataclass(frozen=True)
class Part:
    """One Parquet file of the day."""

    name: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class ColumnFacts:
    """What is in a column. `minimum` and `maximum` are text; None for lists and for columns without a value.

    Long texts are cut, and end in dots then.
    """

    name: str
    dtype: str
    nulls: int
    minimum: str | None = None
    maximum: str | None = None
    placeholder: bool = False


@dataclass(frozen=True)
class InputFile:
    """A file that the day read. Size and mtime are a short cut; the digest decides. The path is for people only.

    Of an object nothing is digested: its size and ETag decide.
    """

    operator: str
    path: str
    size: int
    mtime_ns: int
    sha256: str
    etag: str = ""

    @property
    def version(self) -> str:
        """What tells this content from another."""
        return f"{self.size} {self.etag}" if self.etag else self.sha256


@dataclass(frozen=True)
class Fingerprint:
    """Everything that decides the bytes of a day, in parts that can be named when one differs.

    `operators` maps an operator's name to the digest of its description, `inputs` an operator's name to the digest of
    what it reads, `settings` a setting to its value.
    """

    operators: dict[str, str]
    inputs: dict[str, str]
    settings: dict[str, str]

    def differences(self, new: Fingerprint) -> list[str]:
        """What changed from this one to `new`, in words; empty when the fingerprints are equal."""
        found = []
        for what, before, after in (
            ("operator", self.operators, new.operators),
            ("input of", self.inputs, new.inputs),
            ("setting", self.settings, new.settings),
        ):
            for name in sorted({*before, *after}):
                if name not in after:
                    found.append(f"{what} {name} is gone")
                elif name not in before:
                    found.append(f"{what} {name} is new")
                elif before[name] != after[name]:
                    found.append(f"{what} {name} changed")
        return found


@dataclass(frozen=True)
class Manifest:
    """The whole manifest. `seconds` maps a phase to wall seconds; `software` a package to its version."""

    service: str
    dataset: str
    day: str
    rows: int
    parts: tuple[Part, ...]
    columns: tuple[ColumnFacts, ...]
    fingerprint: Fingerprint
    inputs: tuple[InputFile, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def read_manifest(directory: Place) -> Manifest | None:
    """The manifest of a published day, None when there is none; raises InputError when it cannot be understood."""
    text = _read_text(directory / MANIFEST_NAME)
    return None if text is None else parse_manifest(text, directory)


def parse_manifest(text: str, directory: Place) -> Manifest:
    """The manifest that is written in the file of a directory; raises InputError when it cannot be understood."""
    try:
        return _from_json(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{directory / MANIFEST_NAME} is not a manifest of daeda ({type(error).__name__}: {error}): delete "
            f"{directory} and run again"
        ) from error


def _read_text(path: Place) -> str | None:
    if isinstance(path, ObjectPath):
        found = client().read(path)
        return None if found is None else found[0].decode(errors="replace")
    try:
        # What is no UTF-8 is no manifest either: the message comes from the reader of JSON.
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): change its permissions") from error


def _from_json(data: dict[str, Any]) -> Manifest:
    return Manifest(
        service=data["service"],
        dataset=data["dataset"],
        day=data["day"],
        rows=int(data["rows"]),
        parts=tuple(Part(**part) for part in data["parts"]),
        columns=tuple(ColumnFacts(**column) for column in data["columns"]),
        fingerprint=Fingerprint(**data["fingerprint"]),
        inputs=tuple(InputFile(**one) for one in data["inputs"]),
        seconds=data["seconds"],
        software=data["software"],
        format_version=int(data["format_version"]),
    )
