"""`dataset(...)`: the published days of a service, found, chosen, and looked at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from daeda.process.interrupts import kept

if TYPE_CHECKING:
    from daeda_data.choosing import Days
    from daeda_data.training_data import TrainingData

Half = Literal["skeleton", "enriched"]


def dataset(
    root: str | os.PathLike[str],
    service: str,
    version: int | None = None,
    split: str | None = None,
    days: Days | None = None,
    verify: bool = False,
    *,
    columns: Sequence[str] | None = None,
    half: Half | None = None,
    day_column: str | None = "dt",
    tag: str | None = None,
) -> TrainingData:
    """The published days of a service, as training data that every library reads in the order of the rows.

    >>> data = dataset(root, "ranking", days=("2024-01-01", "2024-01-02"))
    >>> len(data.days), data.rows, data.schema.names[-1]
    (2, 6, 'dt')
    >>> data.polars().select("row", "dt").last().collect().rows()
    [(2, datetime.date(2024, 1, 2))]
    >>> data.duckdb().filter("row = 0").select("dt").fetchall()
    [(datetime.date(2024, 1, 1),), (datetime.date(2024, 1, 2),)]
    >>> dataset(root, "ranking", columns=["row"], day_column=None).pandas()["row"].tolist()
    [0, 1, 2, 0, 1, 2, 0, 1, 2]
    >>> dataset(root, "rankin")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    daeda.errors.UsageError: no days of 'rankin' in ...: did you mean 'ranking'? Known: ranking

    `root` is the output root, local or `s3://bucket/path`, or the directory of a project, whose runtime.yaml says where
    that is, or another runtime file of it. `version` is that of the contract: the project's, or the only one that is
    there. `split` is a split of the service, whose YAML is found in the project, or in the one that a local output root
    lies in.

    `tag` is a name that `daeda tag` gave to published days: those, as they were then, in place of a version's.

    `days` is a day, a list of days, a range as a tuple of two or as `"2025-01-01..2025-01-14"`, both days in it, or a
    slice, whose open ends reach to the first and to the last day that is there; days are `datetime.date` or text. Each
    day that is asked for has to be published; without `split` and `days` it is all that are.

    `columns` are the columns to read, in this order; all of them without it. `half` is `"enriched"` or `"skeleton"`:
    without it the enriched days where there are some, else those of the skeleton. `day_column` is the column of type
    date that says of each row of which day it is; None for no such column. `verify` compares the digest of each part
    with its manifest, which reads all bytes once.

    Raises UsageError for arguments that fit nothing, days that are not published among them; InputError where a
    manifest and the parts beside it disagree, and where days have columns of other types or names than others.
    """
    from daeda_data.arguments import truth_of
    from daeda_data.finding import find
    from daeda_data.looking import verify as verify_parts
    from daeda_data.training_data import TrainingData

    with kept():
        found = find(root, service, version, half, tag)
        chosen = found.choose(split, days)
        if truth_of("verify", verify):
            verify_parts(chosen)
        return TrainingData(found.layout, found.half, chosen, columns=columns, day_column=day_column, split=split)
