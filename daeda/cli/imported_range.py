"""What an import changes for the range of a project: days behind its end, and up to where labels may count on rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daeda.catalog.find import find_root, runtime_files
from daeda.catalog.project import load_views
from daeda.errors import UserError
from daeda.importing.last_day import last_row_of_a_part, partition_files, shown_instant
from daeda.settings.document import Document, Mistakes, load_document
from daeda.settings.runtime import parse_data_until
from daeda.sources.models.files import FileSource
from daeda.sql.locked import AllowedPaths, connect
from daeda.storage.location import below

if TYPE_CHECKING:
    from daeda.importing.request import ImportRequest
    from daeda.importing.result import ImportResult

_EPOCH = dt.datetime(1970, 1, 1)


@dataclass(frozen=True)
class _Ends:
    """The last partition, when its rows end where it is no whole day, whether it changed, and the newest new day."""

    last: dt.date
    until: dt.datetime | None
    changed: bool
    new: dt.date | None


def told_of_range(request: ImportRequest, result: ImportResult) -> tuple[str, ...]:
    """A sentence for each line of a runtime.yaml that newer rows call for; none outside of a project."""
    new = {day for source in result.sources for day in source.new if day is not None}
    changed = new | {day for source in result.sources for day in source.replaced if day is not None}
    if not result.published or not changed or request.timestamp_field is None:
        return ()
    try:
        root = find_root(result.directory)
        views = _views_of(root, result.directory)
    except UserError:
        # A project that cannot be read is told by the commands that need it.
        return ()
    files = partition_files(result.directory)
    if not views or not files:
        return ()
    with connect(AllowedPaths.of([result.directory])) as connection:
        until = last_row_of_a_part(connection, files, request.timestamp_field, request.timestamp_unit)
    ends = _Ends(max(files), until, max(files) in changed, max(new, default=None))
    documents = [(path, load_document(path, root, Mistakes())) for path in runtime_files(root)]
    return tuple(
        sentence
        for path, document in documents
        if document is not None
        for view in views
        for sentence in _sentences(document, path, root, view, ends)
    )


def _views_of(root: Path, directory: Path) -> list[str]:
    """The views that read a directory."""
    found = []
    for path in runtime_files(root):
        document = load_document(path, root, Mistakes())
        data_root = below(str(root), str(document.data.get("data_root", "."))) if document is not None else str(root)
        found += [
            name
            for name, view in load_views(root / "feature_views", root).items()
            if isinstance(view.source, FileSource) and Path(below(data_root, view.source.path)).absolute() == directory
        ]
    return list(dict.fromkeys(found))


def _sentences(document: Document, runtime: Path, root: Path, view: str, ends: _Ends) -> Iterator[str]:
    last, until = ends.last, ends.until
    whole = last if until is None else last - dt.timedelta(days=1)
    end = _day(document.data.get("feed_end"))
    if (
        end is not None
        and ends.new is not None
        and end < min(ends.new, whole)
        and _spine_of(root, document.data.get("service")) == view
    ):
        yield (
            f"{document.where(('feed_end',))}: feed_end is {end}, and {view} has whole days up to {whole}: `daeda "
            f"train --end {whole}` builds those behind it as far as their labels are known; or write a later feed_end"
        )
    # No instant is behind the last day that there is.
    reach = until or (dt.datetime.combine(last, dt.time()) + dt.timedelta(days=1) if last < dt.date.max else None)
    said = _said(document, view)
    if said is not None and reach is not None and said < reach:
        rest = f"write data_until: {{{view}: {reach.isoformat()}}}"
        yield (
            f"{document.where(('data_until',))}: data_until lets labels count on the rows of {view} before "
            f"{shown_instant(said)} alone, and there are later ones now: {rest}{'' if until else ', or remove it'}"
        )
    elif said is None and until is not None and ends.changed and _has_labels(runtime, root):
        yield (
            f"{last} has rows of {view} up to {shown_instant(until)} only: while it is not whole, write data_until: "
            f"{{{view}: {until.isoformat()}}} in {document.shown}, for labels count on all of a last partition"
        )


def _day(value: Any) -> dt.date | None:
    try:
        return value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value))
    except ValueError:
        return None


def _said(document: Document, view: str) -> dt.datetime | None:
    try:
        instants = parse_data_until(document.data["data_until"])
    except (KeyError, ValueError):
        return None
    said = instants.get(view, instants.get(""))
    try:
        return _EPOCH + dt.timedelta(microseconds=said // 1000) if said is not None else None
    except OverflowError:
        return None


def _spine_of(root: Path, service: Any) -> str | None:
    """The view whose rows a service has."""
    for path in sorted([*(root / "feature_services").glob("*.yaml"), *(root / "feature_services").glob("*.yml")]):
        document = load_document(path, root, Mistakes())
        if document is not None and document.data.get("name") == service:
            spine = document.data.get("spine")
            return spine.get("view") if isinstance(spine, dict) else spine if isinstance(spine, str) else None
    return None


def _has_labels(runtime: Path, root: Path) -> bool:
    beside = runtime.with_name("aggregations.yaml")
    path = beside if beside.exists() else root / "config/training/aggregations.yaml"
    document = load_document(path, root, Mistakes()) if path.exists() else None
    return document is not None and bool(document.data.get("label_specs"))
