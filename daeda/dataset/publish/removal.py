"""Removing published days: each is there whole until it is gone, and a kill leaves what the next run clears.

On a disk a day is renamed into the directory of the run and deleted there; in a bucket its manifest goes first.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from daeda.dataset.layout import MANIFEST_NAME, Dataset, Layout, day_name
from daeda.dataset.pruning import Unneeded, foreign_entries
from daeda.dataset.publish.claims import claim_days
from daeda.dataset.publish.objects import publication
from daeda.dataset.publish.staging import RunStaging, open_staging, repair, still_ours
from daeda.dataset.publish.tag_removal import delete_tag
from daeda.dataset.published import data_entries
from daeda.errors import DayError
from daeda.process.messages import say
from daeda.storage.location import ObjectPath
from daeda.storage.objects import client


def remove(unneeded: Sequence[Unneeded]) -> None:
    """Remove all of it; raises DayError where a run builds one of the days, or something came into its place."""
    days = [one for one in unneeded if one.kind == "day"]
    for layout, of_version in groupby(days, key=lambda one: one.layout):
        _remove_days(layout, list(of_version))
    for layout in dict.fromkeys(one.layout for one in unneeded if one.kind == "staging"):
        repair(layout)
    for one in unneeded:
        if one.kind == "tag":
            assert one.layout.tag is not None
            delete_tag(one.layout, one.layout.tag, unfinished=True)


def _remove_days(layout: Layout, days: Iterable[Unneeded]) -> None:
    with open_staging(layout) as staging:
        wanted = [(one.dataset, one.day) for one in days if one.dataset is not None and one.day is not None]
        claim_days(staging, wanted, "fail", tell=say)
        for dataset, day in wanted:
            location = layout.day_dir(dataset, day)
            foreign = foreign_entries(location)
            if foreign:
                raise DayError(f"{location / foreign[0]} was not written by daeda: move it elsewhere, and run again")
            if isinstance(location, ObjectPath):
                with publication(client(), layout, dataset, day) as lease:
                    names = data_entries(location)
                    client().delete(location / MANIFEST_NAME)
                    for name in names:
                        lease.renew()
                        client().delete(location / name)
                continue
            gone = staging.work / dataset / day_name(day)
            gone.parent.mkdir(exist_ok=True)
            _rename(staging, location, gone)
            shutil.rmtree(gone)
        for dataset, day in wanted:
            _remove_statistics(layout, dataset, day)
        for dataset in dict.fromkeys(dataset for dataset, _ in wanted):
            directory = layout.dataset_dir(dataset)
            if not isinstance(directory, ObjectPath):
                with contextlib.suppress(OSError):  # days are left in it
                    directory.rmdir()


def _remove_statistics(layout: Layout, dataset: Dataset, day: dt.date) -> None:
    """What `daeda.statistics` keeps of a day holds values of its rows."""
    path = layout.version_dir / "_statistics" / dataset / f"{day_name(day)}.json"
    if isinstance(path, ObjectPath):
        client().delete(path)
    elif not path.parent.is_symlink():
        path.unlink(missing_ok=True)


def _rename(staging: RunStaging, location: Path, gone: Path) -> None:
    with still_ours(staging) as ours:
        if not ours:
            raise DayError(f"{location}: not removed, because the run {staging.directory.name} has ended")
        location.rename(gone)
