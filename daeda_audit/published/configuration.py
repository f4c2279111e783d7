"""Whether a day was built from the configuration of now: the driver, which can compile, says what that is.

So are the partitions that it was built from and that are not there any more: recomputed, they would be empty days.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from daeda.dataset.layout import Dataset
from daeda.dataset.manifest import Fingerprint
from daeda.errors import InputError
from daeda.sources.models.source import DatabaseSource
from daeda_audit.published.days import PublishedDay
from daeda_audit.published.stores import VERSION
from daeda_audit.raw.view import RawView

Configuration = Mapping[Dataset, Fingerprint]


def read_configuration(path: str | None) -> Configuration:
    """What the driver wrote; empty where it gave nothing."""
    if path is None:
        return {}
    text = Path(path).read_text(encoding="utf-8")
    return TypeAdapter(dict[Dataset, Fingerprint]).validate_json(text)


def changed_configuration(configuration: Configuration, datasets: Sequence[PublishedDay]) -> list[str]:
    """What differs between the configuration that a day was built from and the one of now, in words."""
    changes: list[str] = []
    for published in datasets:
        recorded, now = published.manifest.fingerprint, configuration.get(published.dataset)
        # A day whose labels were not mature is built by fewer operators, of which the driver does not tell.
        if now is not None and not any(name.startswith("label ") for name in recorded.settings):
            # Input and stores are told by their own names.
            stores = {name: value for name, value in recorded.settings.items() if name.startswith(VERSION)}
            changes += recorded.differences(replace(now, inputs=recorded.inputs, settings=now.settings | stores))
    return list(dict.fromkeys(changes))


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
