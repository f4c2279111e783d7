"""The manifest of a published day: what it holds, what it was made from, and what would make it stale."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from daeda.dataset.layout import MANIFEST_NAME, Dataset, part_name
from daeda.errors import InputError, NotRegular, cut
from daeda.storage.location import Location, ObjectPath
from daeda.storage.objects import client
from daeda.storage.regular import MOST_METADATA, regular_descriptor
from daeda.storage.state import STRICT, Count, Digest, InputFile

# Rows of each group of rows of a skeleton part, the last one excepted.
ROW_GROUP = 122_880
# The same for what the enrichment writes of one skeleton and one store.
ENRICHED_FORMAT_VERSION = 5


def format_version(rows_per_part: int) -> int:
    """Version of a skeleton day's format: part of the fingerprint, raised when the same input would give other bytes.

    Parts of several groups of rows had groups, before version 2, that ended where the columns happened to be cut in
    memory. Of parts of one group the bytes are those of version 1.
    """
    return 1 if rows_per_part <= ROW_GROUP else 2


def _day(text: str) -> str:
    if dt.date.fromisoformat(text).isoformat() != text:
        raise ValueError("is not a day, YYYY-MM-DD")
    return text


@dataclass(frozen=True)
class Part:
    """One Parquet file of the day."""

    __pydantic_config__ = STRICT

    name: str
    rows: Count
    size: Count
    sha256: Digest


@dataclass(frozen=True)
class ColumnStatistics:
    """What is in a column. `minimum` and `maximum` are text; None for lists and for columns without a value.

    Long texts are cut, and end in dots then. `kind` is that of the contract, but `label` for whatever reads a label and
    `weight` for the weight of a sample; None where a day was built without a contract, or before kinds were told.
    """

    __pydantic_config__ = STRICT

    name: str
    dtype: str
    nulls: Count
    minimum: str | None = None
    maximum: str | None = None
    placeholder: bool = False
    kind: str | None = None


@dataclass(frozen=True)
class SampleOfDay:
    """The sample that chose the rows of the day, as it is declared; `share` is the decimal as it is written."""

    __pydantic_config__ = STRICT

    share: str
    by: tuple[str, ...]
    seed: int
    where: str | None = None
    weight: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What a check of the service found on the day, which decides nothing of its bytes.

    `check` is the check in words: a check that was changed has others, and is judged anew. `found` says what was found
    where it failed, or why it was not judged; `count` is how many rows broke it, where rows do, and `row` the first.
    """

    __pydantic_config__ = STRICT

    check: str
    severity: Literal["warn", "fail"]
    outcome: Literal["passed", "failed", "not judged"]
    found: str = ""
    count: Count | None = None
    row: str | None = None


@dataclass(frozen=True)
class Fingerprint:
    """Everything that decides the bytes of a day, in parts that can be named when one differs.

    `operators` maps an operator's name to the digest of its description, `inputs` an operator's name to the digest of
    what it reads, `settings` a setting to its value.
    """

    __pydantic_config__ = STRICT

    operators: dict[str, str]
    inputs: dict[str, str]
    settings: dict[str, str]

    def differences(self, new: Fingerprint) -> list[str]:
        """What changed from this one to `new`, in words; empty when the fingerprints are equal."""
        sentences = []
        for what, before, after in (
            ("operator", self.operators, new.operators),
            ("input of", self.inputs, new.inputs),
            ("setting", self.settings, new.settings),
        ):
            for name in sorted({*before, *after}):
                if name not in after:
                    sentences.append(f"{what} {name} is gone")
                elif name not in before:
                    sentences.append(f"{what} {name} is new")
                elif before[name] != after[name]:
                    sentences.append(f"{what} {name} changed")
        return sentences


@dataclass(frozen=True)
class ColumnIdentities:
    """What tells the rows and the columns of a day from others; see `daeda.dataset.identity`.

    `order` has a digest for each column of the total order of the rows, `columns` one for each column by its name.
    """

    __pydantic_config__ = STRICT

    rows: Digest
    order: tuple[Digest, ...]
    columns: dict[str, Digest]


@dataclass(frozen=True)
class Manifest:
    """The whole manifest. `seconds` maps a phase to wall seconds; `software` a package to its version.

    `stamps` maps a part to what its file system or server said of it when it was published: when it was last changed
    (`st_ctime_ns`), or its ETag. While that and the size are the same, so are the bytes; otherwise the digest decides.
    `without_key` maps a sample to the rows that it dropped because they have a NULL in its keys. A day from
    before `identities` were recorded has none. `checks` are what the checks of the service found, so far as they were
    judged.
    """

    __pydantic_config__ = STRICT

    service: str
    dataset: Dataset
    day: Annotated[str, AfterValidator(_day)]
    rows: Count
    parts: tuple[Part, ...]
    columns: tuple[ColumnStatistics, ...]
    fingerprint: Fingerprint
    inputs: tuple[InputFile, ...] = ()
    seconds: dict[str, Annotated[float, Field(ge=0)]] = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)
    format_version: Annotated[int, Field(ge=1)] = 1
    stamps: dict[str, str] = field(default_factory=dict)
    without_key: dict[str, Count] = field(default_factory=dict)
    identities: ColumnIdentities | None = None
    sample: SampleOfDay | None = None
    checks: tuple[Verdict, ...] = ()

    def to_json(self) -> str:
        """The file's text; what is not known or has nothing to tell does not stand in it."""
        entries = asdict(replace(self, inputs=()))
        for name in ("without_key", "identities", "sample", "checks"):
            if not entries[name]:
                del entries[name]
        text = json.dumps(entries, indent=1, ensure_ascii=False) + "\n"
        # Hundreds of files, of which Python indents each value by itself: the key stands at this depth once.
        return text.replace(_NO_INPUTS, _indented(self.inputs), 1) if self.inputs else text


_NO_INPUTS = '\n "inputs": []'


def _indented(files: Sequence[InputFile]) -> str:
    """The files as `json.dumps` writes them with an indent of 1, each encoded at once."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",\n   ", ": ")).encode
    each = (f"  {{\n   {encode(vars(file))[1:-1]}\n  }}" for file in files)
    return f"{_NO_INPUTS[:-1]}\n" + ",\n".join(each) + "\n ]"


@dataclass(frozen=True)
class DayName:
    """Which day of which dataset of which service a manifest should be of."""

    service: str
    dataset: Dataset
    day: dt.date


class DamagedManifest(InputError):
    """A manifest that is not what daeda writes of this day; `reason` says in one clause why."""

    def __init__(self, path: Location, reason: str) -> None:
        super().__init__(
            f"{path} is not the manifest of this day: {reason}: `daeda pipeline train` builds the day anew"
        )
        self.reason = reason


def read_manifest(directory: Location, expected: DayName | None = None) -> Manifest | None:
    """The manifest of a published day, None when there is none.

    Raises DamagedManifest when it cannot be understood, contradicts itself, or is of another day than `expected`, and
    InputError when it may not be read.
    """
    text = manifest_text(directory)
    return None if text is None else parse_manifest(text, directory, expected)


def parse_manifest(text: bytes, directory: Location, expected: DayName | None = None) -> Manifest:
    """The manifest that is written in the file of a directory; raises DamagedManifest as `read_manifest` does."""
    path = directory / MANIFEST_NAME
    try:
        manifest: Manifest = _model().validate_json(text)
    except ValidationError as error:
        raise DamagedManifest(path, _first_mistake(error)) from error
    contradiction = _contradiction(manifest, expected)
    if contradiction is not None:
        raise DamagedManifest(path, contradiction)
    return manifest


@lru_cache(maxsize=1)
def _model() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def _first_mistake(error: ValidationError) -> str:
    """The first mistake, with the key that it is at.

    "rows: input should be a valid integer (1 of 3 mistakes)"
    """
    entry, *others = error.errors(include_url=False, include_input=False)
    key = ".".join(str(step) for step in entry["loc"])
    message = str(entry["ctx"]["error"]) if entry["type"] == "value_error" else entry["msg"]
    message = message[:1].lower() + message[1:]
    more = f" (1 of {len(others) + 1} mistakes)" if others else ""
    return f"{cut(key)}: {cut(message, 120)}{more}" if key else cut(message, 120)


def _contradiction(manifest: Manifest, expected: DayName | None) -> str | None:
    """In what the manifest contradicts itself or its place; None where it does not."""
    names = [part.name for part in manifest.parts]
    in_all = sum(part.rows for part in manifest.parts)
    if not names or names != [part_name(number) for number in range(len(names))]:
        return f"parts: the names are {cut(', '.join(names)) or 'none'}, and not {part_name(0)} and those after it"
    if in_all != manifest.rows:
        return f"rows: {manifest.rows}, and its parts have {in_all}"
    if any(column.nulls > manifest.rows for column in manifest.columns):
        return f"columns: one has more NULLs than the {manifest.rows} rows"
    if manifest.identities is not None and set(manifest.identities.columns) != {one.name for one in manifest.columns}:
        return "identities: they are not of the columns"
    if not set(manifest.stamps) <= set(names):
        return "stamps: one is of a file that is no part"
    if expected is None:
        return None
    name = DayName(manifest.service, manifest.dataset, dt.date.fromisoformat(manifest.day))
    if name == expected:
        return None
    return f"it is of {name.day} ({name.dataset} of '{cut(name.service)}')"


def manifest_text(directory: Location) -> bytes | None:
    """The bytes of the manifest of a published day, None when there is none; raises as `read_manifest` does."""
    path = directory / MANIFEST_NAME
    if isinstance(path, ObjectPath):
        answer = client().read(path)
        return None if answer is None else answer[0]
    try:
        # A link in place of a manifest was not published: it is refused, and never followed.
        descriptor = regular_descriptor(path, os.O_RDONLY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except NotRegular as error:
        raise DamagedManifest(path, "it is no regular file") from error
    except OSError as error:
        if path.is_symlink() or path.is_dir():
            raise DamagedManifest(path, "it is no regular file") from error
        raise InputError(f"{path} cannot be read ({error.strerror}): change its permissions") from error
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(MOST_METADATA + 1)
    if len(text) > MOST_METADATA:
        raise DamagedManifest(path, f"it has more than {MOST_METADATA} bytes")
    return text
