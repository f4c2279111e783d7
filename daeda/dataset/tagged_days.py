"""Whether the days of a tag are those that it lists, by their manifests: what reads a tag whole asks it first."""

from __future__ import annotations

import datetime as dt
import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from daeda.dataset.holding import days_there
from daeda.dataset.layout import DATASETS, Dataset, Layout
from daeda.dataset.manifest import manifest_text
from daeda.dataset.tags import Tag
from daeda.errors import InputError, shortened
from daeda.storage.client import AT_ONCE


def require_tagged(layout: Layout, tag: Tag) -> None:
    """Raise InputError where a day of the tag is lost, another one came to it, or a manifest is not the tagged one."""
    wrong: list[str] = []
    for dataset in DATASETS:
        listed = tag.days_of(dataset)
        days = sorted({*days_there(layout, dataset), *listed})
        with ThreadPoolExecutor(AT_ONCE) as pool:
            digests = list(pool.map(partial(digest_of_manifest, layout, dataset), days))
        for day, digest in zip(days, digests, strict=True):
            if digest is None or day not in listed or digest != listed[day].manifest:
                wrong.append(f"{dataset} {day}")
    if wrong:
        raise InputError(
            f"{layout.title} is not as it was tagged: {shortened(wrong, 6)}: `daeda verify {layout.title}` says why"
        )


def digest_of_manifest(layout: Layout, dataset: Dataset, day: dt.date) -> str | None:
    """The digest that a tag has of a manifest; None where there is none."""
    text = manifest_text(layout.day_dir(dataset, day))
    return None if text is None else hashlib.sha256(text).hexdigest()
