"""Partitions that a day was built from and that are not there any more: recomputed, they would be empty days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from daeda.errors import InputError
from daeda.sources.models.source import DatabaseSource
from daeda_audit.raw.view import RawView


def refuse_gone_partitions(day: dt.date, raws: Iterable[RawView], gone: Sequence[str]) -> None:
    """Raise InputError where a view that may lack no partition lacks one that the day read. `gone` are its files."""
    for raw in raws:
        source = raw.view.source
        if isinstance(source, DatabaseSource) or source.timestamp_field is None or source.missing_partitions == "empty":
            continue
        for path in gone:
            partition = path.rpartition("/")[0]
            above, _, name = partition.rpartition("/")
            if above == raw.path.rstrip("/") and name.startswith("dt=") and not _is_there(raw, name):
                raise InputError(
                    f"view '{raw.view.name}': {partition}, which {day} was built from, is not there any more: bring "
                    "it back; or, where it is to be an empty day, say source.missing_partitions: empty, and build the "
                    "day again"
                )


def _is_there(raw: RawView, name: str) -> bool:
    """A partition without rows is one too."""
    return any(f"dt={there}" == name for there in raw.partitions)
