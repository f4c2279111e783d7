"""The versions of a service that stand side by side, and which published day of them another may be made from."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from pathlib import Path

from daeda.dataset.layout import Dataset, Layout, version_of
from daeda.dataset.published import Published, look_at_days
from daeda.storage.objects import client


def versions_there(layout: Layout) -> tuple[int, ...]:
    """The versions of which the service has a directory, in order; version 1 is the directory of the service itself.

    Of a version that is named no day need be published.
    """
    if isinstance(layout.service_dir, Path):
        try:
            with os.scandir(layout.service_dir) as entries:
                names = [entry.name for entry in entries if entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return ()
    else:
        names = client().folders(layout.service_dir)
    others = sorted(version for name in names if (version := version_of(name)) is not None)
    return (1, *others) if names else ()


def days_of_lower_versions(
    layout: Layout, dataset: Dataset, days: Iterable[dt.date]
) -> dict[dt.date, tuple[Layout, Published]]:
    """Which published day of a lower version each day may be extended from: that of the greatest one that has it.

    A day with its manifest is there, whatever became of its parts: whoever reads them compares their digests.
    """
    wanted = set(days)
    found: dict[dt.date, tuple[Layout, Published]] = {}
    for version in reversed(versions_there(layout)):
        if version >= layout.version or not wanted:
            continue
        lower = layout.of_version(version)
        for day, published in look_at_days(lower, dataset, sorted(wanted)).items():
            if published.manifest is not None:
                found[day] = (lower, published)
                wanted.discard(day)
    return found
