"""Published days compared with their manifests, byte by byte, and those of a tag with what was tagged."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from daeda.dataset.holding import days_there
from daeda.dataset.layout import DATASETS, Dataset, Layout
from daeda.dataset.published import look_at_days
from daeda.dataset.tagged_days import digest_of_manifest
from daeda.dataset.tags import Tag, TaggedDay
from daeda.errors import InputError

_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class VerifiedDay:
    """A day that was looked at; `problems` are clauses, none where it is what was published."""

    dataset: Dataset
    day: dt.date
    parts: int = 0
    rows: int = 0
    size: int = 0
    problems: tuple[str, ...] = ()


def verified_days(
    layout: Layout, tag: Tag | None = None, days: Collection[dt.date] | None = None
) -> Iterator[VerifiedDay]:
    """Each day that is there, or that the tag has, its parts digested; all of them, or those of `days`."""
    for dataset in DATASETS:
        listed = tag.days_of(dataset) if tag is not None else {}
        for day in sorted({*days_there(layout, dataset), *listed}):
            if days is None or day in days:
                yield _verified(layout, dataset, day, tag, listed.get(day))


def _verified(layout: Layout, dataset: Dataset, day: dt.date, tag: Tag | None, entry: TaggedDay | None) -> VerifiedDay:
    if tag is not None and entry is None:
        return VerifiedDay(dataset, day, problems=("it is no day of the tag: remove it",))
    looked = _looked(layout, dataset, day, entry)
    if looked.problems:
        # A day that is replaced meanwhile has parts and a manifest of two days, for a moment.
        time.sleep(_PAUSE_SECONDS)
        looked = _looked(layout, dataset, day, entry)
    return looked


def _looked(layout: Layout, dataset: Dataset, day: dt.date, entry: TaggedDay | None) -> VerifiedDay:
    published = look_at_days(layout, dataset, [day], verify=True).get(day)
    if published is None:
        return VerifiedDay(dataset, day, problems=("it is gone",))
    problems = [*published.damage, *published.obstacles]
    manifest = published.manifest
    if manifest is None:
        problems = problems or ["it has no manifest, so it is no published day, and readers may take it for one"]
        return VerifiedDay(dataset, day, problems=tuple(problems))
    if entry is not None:
        problems += _unlike_tag(layout, dataset, day, entry)
    size = sum(part.size for part in manifest.parts)
    return VerifiedDay(dataset, day, len(manifest.parts), manifest.rows, size, tuple(problems))


def _unlike_tag(layout: Layout, dataset: Dataset, day: dt.date, entry: TaggedDay) -> list[str]:
    try:
        digest = digest_of_manifest(layout, dataset, day)
    except InputError:
        digest = None
    return [] if digest == entry.manifest else ["its manifest is not the one that was tagged"]
