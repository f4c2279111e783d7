"""What is compared: the days of a service, a version or a tag, or those below a directory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daeda.dataset.holding import days_below
from daeda.dataset.layout import DATASETS, Dataset, Layout, day_name
from daeda.dataset.published import Published, look_at_directory
from daeda.errors import InputError, UsageError, shortened
from daeda.sources.files import PARTITION, parse_day
from daeda.storage.location import Location, ObjectPath, is_object, object_path
from daeda.storage.objects import client


@dataclass(frozen=True)
class Side:
    """One side: where the days of each of its datasets lie. `day` is set where a single day was named."""

    title: str
    datasets: Mapping[Dataset, Location]
    day: dt.date | None = None

    def days(self, dataset: Dataset) -> list[dt.date]:
        """The days that are there."""
        if dataset not in self.datasets:
            return []
        there = days_below(self.datasets[dataset])
        return there if self.day is None else [day for day in there if day == self.day]

    def directory(self, dataset: Dataset, day: dt.date) -> Location:
        """Where a day is."""
        return self.datasets[dataset] / day_name(day)

    def look(self, dataset: Dataset, day: dt.date) -> Published | None:
        """A day as it is there, compared with its manifest at the cost of a stat of each part."""
        return None if dataset not in self.datasets else look_at_directory(self.directory(dataset, day))


def side_of_layout(layout: Layout) -> Side:
    """The days of a version or a tag."""
    return Side(layout.title, {dataset: layout.dataset_dir(dataset) for dataset in DATASETS})


def is_directory(word: str) -> bool:
    """Whether a word is a directory and not the name of a service: it has a slash, or begins with a dot.

    >>> is_directory("out/ranking"), is_directory("."), is_directory("s3://lake/out"), is_directory("ranking@v2")
    (True, True, True, False)
    """
    return "/" in word or word.startswith(".")


def side_of_directory(word: str) -> Side:
    """What a directory holds: the days of a service, of a version or a tag, those of a dataset, or one day."""
    location: Location = object_path(word) if is_object(word) else Path(word).absolute()
    names = _names(location)
    if names is None:
        raise InputError(f"{word} is no directory: name one that holds published days")
    day = parse_day(location.name.removeprefix(PARTITION)) if location.name.startswith(PARTITION) else None
    if day is not None:
        return Side(word, {_dataset_of(location): location.parent}, day)
    if any(name in DATASETS for name in names):
        return Side(word, {dataset: location / dataset for dataset in DATASETS if dataset in names})
    days = [name for name in names if name.startswith(PARTITION) and parse_day(name.removeprefix(PARTITION))]
    if not days:
        held = f"it holds {shortened(sorted(names), 4)}" if names else "it is empty"
        raise InputError(
            f"{word} holds no published days ({held}): name the directory of a service, of skeleton or enriched in it, "
            "or of one day"
        )
    return Side(word, {_dataset_of(location / sorted(days)[0]): location})


def _names(location: Location) -> list[str] | None:
    if isinstance(location, ObjectPath):
        names = client().folders(location)
        # What lies directly there are the files of a day.
        return names or (["a day"] if client().peek(location, 1) else None)
    return [path.name for path in location.iterdir() if path.is_dir()] if location.is_dir() else None


def _dataset_of(directory: Location) -> Dataset:
    """Which dataset a day is of, by its manifest."""
    published = look_at_directory(directory)
    if published is None or published.manifest is None:
        clause = "; ".join(published.damage) if published is not None and published.damage else "it has no manifest"
        raise InputError(f"{directory} is no published day: {clause}")
    return published.manifest.dataset


def dataset_to_compare(here: Side, there: Side, wanted: Dataset | None) -> Dataset:
    """The dataset that is compared: the one that was asked for, otherwise the final one that both have."""
    if wanted is not None:
        for side in (here, there):
            if not side.days(wanted):
                raise InputError(
                    f"{side.title} has no days of the {wanted}: leave out --dataset, or choose the other one"
                )
        return wanted
    for dataset in reversed(DATASETS):
        if here.days(dataset) and there.days(dataset):
            return dataset
    for side in (here, there):
        if not any(side.days(dataset) for dataset in DATASETS):
            raise InputError(f"{side.title} has no published day: train it, or name another")
    raise UsageError(
        f"{here.title} has days of the {_only(here)} alone, and {there.title} of the {_only(there)}: name two that "
        "have days of one"
    )


def _only(side: Side) -> str:
    return next(dataset for dataset in DATASETS if side.days(dataset))
