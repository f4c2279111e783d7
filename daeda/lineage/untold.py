"""Days that a destination is still to be told of: noted before a run, and no more when it has taken their events.

    <service dir>/_lineage/<digest of the destination>/<dataset>/dt=YYYY-MM-DD

What a run that was killed has published, and what a server did not take, the next run with the same destination tells.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable

from daeda.dataset.layout import Dataset, Layout, day_name
from daeda.dataset.publish.staging import refuse_stranger
from daeda.errors import InputError, refusal
from daeda.lineage.destination import Destination
from daeda.sources.files import PARTITION, parse_day

_DIRECTORY = "_lineage"


class Untold:
    """The days of one service and one destination."""

    def __init__(self, layout: Layout, destination: Destination) -> None:
        digest = hashlib.sha256(str(destination).encode()).hexdigest()
        self._directory = layout.scratch_dir / _DIRECTORY / digest[:16]

    def note(self, dataset: Dataset, days: Iterable[dt.date]) -> None:
        """Keep days in mind before they are built; raises InputError where that is not possible."""
        directory = self._directory / dataset
        names = [day_name(day) for day in days]
        if not names:
            return
        for one in (self._directory.parent, self._directory, directory):
            refuse_stranger(one)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for name in names:
                (directory / name).touch()
        except OSError as error:
            raise InputError(f"which days lineage is still to be told of cannot be noted: {refusal(error)}") from error

    def days(self, dataset: Dataset) -> frozenset[dt.date]:
        """The days that are noted."""
        directory = self._directory / dataset
        names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
        found = (parse_day(name.removeprefix(PARTITION)) for name in names if name.startswith(PARTITION))
        return frozenset(day for day in found if day is not None)

    def told(self, dataset: Dataset, days: Iterable[dt.date]) -> None:
        """The destination has taken the events of these days."""
        for day in days:
            (self._directory / dataset / day_name(day)).unlink(missing_ok=True)
