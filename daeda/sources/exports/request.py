"""What one process exports, as it is handed to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from daeda.sources.models.source import DatabaseSource, ParsedSource, Source

_SOURCE: TypeAdapter[Source] = TypeAdapter(ParsedSource)


@dataclass(frozen=True)
class Wanted:
    """A view to export: which columns of its table, and those by which the rows are sorted."""

    view: str
    source: DatabaseSource
    columns: tuple[str, ...]
    order: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """What one process exports: views of one database, into a directory."""

    wanted: tuple[Wanted, ...]
    data_root: str
    directory: Path
    memory_limit: int | None

    def to_json(self) -> str:
        """The request as the process reads it."""
        wanted = [
            [view.view, view.source.model_dump(mode="json", exclude_unset=True), view.columns, view.order]
            for view in self.wanted
        ]
        return json.dumps([wanted, self.data_root, str(self.directory), self.memory_limit])

    @classmethod
    def from_json(cls, text: str) -> Request:
        """The request that `to_json` wrote."""
        views, data_root, directory, memory_limit = json.loads(text)
        wanted = []
        for view, entries, columns, order in views:
            source = _SOURCE.validate_python(entries)
            assert isinstance(source, DatabaseSource)
            wanted.append(Wanted(view, source, tuple(columns), tuple(order)))
        return cls(tuple(wanted), data_root, Path(directory), memory_limit)
