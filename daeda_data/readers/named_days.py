"""Whether a library may read the day of a part off the name of its directory."""

from __future__ import annotations

from pathlib import PurePath

from daeda_data.published_data import PublishedData


def days_are_named(data: PublishedData) -> bool:
    """Whether `dt=2025-01-01` is all that the paths of the parts say of columns, and the one that is wanted.

    Every other name of that form in a path, such as `region=NO` above the output root, would become a column, and take
    the place of one of that name in the files.
    """
    return data.day_column == "dt" and not any("=" in name for name in PurePath(data.path).parts)
