"""Tags: named sets of published days that never change, and what is there of them.

    <service dir>/_tags/NAME/_tag.json                       written last: without it there is no tag
    <service dir>/_tags/NAME/<dataset>/dt=YYYY-MM-DD/...      the days, as they were published

`_tag.json` holds the digest of each manifest, and a manifest those of the parts.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from daeda.dataset.layout import TAGS, Dataset, Layout
from daeda.errors import InputError, NotRegular, UsageError, cut, did_you_mean
from daeda.storage.location import Location, ObjectPath
from daeda.storage.objects import client
from daeda.storage.regular import read_regular
from daeda.storage.state import STRICT, Count, Digest

TAG_NAME = "_tag.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_VERSION = re.compile(r"[vV][0-9]+", re.ASCII)


@dataclass(frozen=True)
class TaggedDay:
    """A day of a tag; `manifest` is the digest of its manifest, as the file is."""

    __pydantic_config__ = STRICT

    manifest: Digest
    rows: Count
    size: Count


@dataclass(frozen=True)
class Tag:
    """What is in a tag: the days of each dataset, by their names. `made` is when, in UTC."""

    __pydantic_config__ = STRICT

    service: str
    name: str
    version: Count
    made: str
    datasets: dict[Dataset, dict[str, TaggedDay]]
    format: Literal["daeda.tag/1"] = "daeda.tag/1"

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def days_of(self, dataset: Dataset) -> dict[dt.date, TaggedDay]:
        """The days of a dataset, in order."""
        named: Mapping[str, TaggedDay] = self.datasets.get(dataset, {})
        return {dt.date.fromisoformat(name): day for name, day in sorted(named.items())}

    @property
    def days(self) -> list[dt.date]:
        """The days, in order."""
        return sorted({day for dataset in self.datasets for day in self.days_of(dataset)})

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(day.size for days in self.datasets.values() for day in days.values())

    @property
    def rows(self) -> int:
        """Rows of the final dataset."""
        final = self.datasets.get("enriched") or self.datasets.get("skeleton") or {}
        return sum(day.rows for day in final.values())


def check_tag_name(name: str) -> None:
    """Raise UsageError for what cannot name a tag."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{cut(name)}' cannot name a tag: write at most 64 letters, digits, '.', '_' and '-', a letter or a digit "
            "first"
        )
    if _VERSION.fullmatch(name):
        raise UsageError(f"'{name}' cannot name a tag: SERVICE@{name} is a version of the contract")


def read_tag(layout: Layout) -> Tag | None:
    """The tag of a layout; None where it is not there, or not whole. Raises InputError for a file that is none."""
    assert layout.tag is not None
    path = layout.version_dir / TAG_NAME
    text = _text(path)
    if text is None:
        return None
    try:
        tag: Tag = _model().validate_json(text)
        for dataset in tag.datasets:
            tag.days_of(dataset)
    except (ValidationError, ValueError) as error:
        raise InputError(
            f"{path} is not the file of a tag: remove the tag with `daeda tag {layout.service} {layout.tag} --delete`"
        ) from error
    if (tag.service, tag.name) != (layout.service, layout.tag):
        raise InputError(
            f"{path} is of the tag '{cut(tag.name)}' of '{cut(tag.service)}': put it back, or remove the tag with "
            f"`daeda tag {layout.service} {layout.tag} --delete`"
        )
    return tag


@lru_cache(maxsize=1)
def _model() -> TypeAdapter[Tag]:
    return TypeAdapter(Tag)


def _text(path: Location) -> bytes | None:
    if isinstance(path, ObjectPath):
        answer = client().read(path)
        return None if answer is None else answer[0]
    try:
        return read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (NotRegular, IsADirectoryError) as error:
        raise InputError(f"{path} is no regular file, as the file of a tag is: remove it") from error


def tag_names(layout: Layout) -> list[str]:
    """The names below the directory of tags, in order, those of tags that are not whole among them.

    A link to a directory is one: it is read as a tag, so what looks for a value in all tags has to look into it.
    """
    directory = layout.service_dir / TAGS
    if isinstance(directory, Path):
        try:
            with os.scandir(directory) as entries:
                names = [entry.name for entry in entries if Path(entry.path).is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
    else:
        names = client().folders(directory)
    return sorted(name for name in names if _NAME.fullmatch(name))


def tags_there(layout: Layout) -> Iterator[Tag]:
    """The tags of a service, by name."""
    for name in tag_names(layout):
        tag = read_tag(layout.of_tag(name))
        if tag is not None:
            yield tag


def tagged(layout: Layout, name: str) -> tuple[Layout, Tag]:
    """The layout of a tag and what is in it; raises InputError with the tags that exist."""
    check_tag_name(name)
    tag = read_tag(layout.of_tag(name))
    if tag is None:
        known = did_you_mean(name, [there.name for there in tags_there(layout)])
        raise InputError(f"{layout.service} has no tag '{name}': {known}")
    return layout.of_version(tag.version).of_tag(name), tag
