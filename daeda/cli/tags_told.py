"""Tags, days and sizes as commands tell them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from daeda.answers.published import DescribedTag
from daeda.dataset.layout import Layout
from daeda.dataset.tags import Tag
from daeda.errors import counted

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def described_tag(layout: Layout, there: Tag) -> DescribedTag:
    """A tag as answers have it."""
    return DescribedTag(
        name=there.name,
        version=there.version,
        made=dt.datetime.fromisoformat(there.made),
        days=tuple(there.days),
        datasets=tuple(there.datasets),
        rows=there.rows,
        size=there.size,
        location=str(layout.of_tag(there.name).version_dir),
    )


def days_told(days: Sequence[dt.date]) -> str:
    """`2025-01-01 to 2025-01-31`, and how many where some between them are missing.

    >>> days_told([dt.date(2025, 1, 1), dt.date(2025, 1, 3)]), days_told([dt.date(2025, 1, 1)]), days_told([])
    ('2025-01-01 to 2025-01-03 (2 of 3 days)', '2025-01-01', 'none')
    """
    if not days:
        return "none"
    whole = (days[-1] - days[0]).days + 1
    if whole == 1:
        return str(days[0])
    gaps = f" ({len(days)} of {whole} days)" if len(days) < whole else ""
    return f"{days[0]} to {days[-1]}{gaps}"


def size_told(size: int) -> str:
    """A number of bytes for people.

    >>> size_told(0), size_told(1), size_told(2048), size_told(5 * 2**40)
    ('0 bytes', '1 byte', '2.0 KiB', '5.0 TiB')
    """
    if size < 1024:
        return counted(size, "byte")
    number, unit = float(size), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.1f} {_UNITS[unit]}"
