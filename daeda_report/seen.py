"""Something unusual on one day, and the words that it is told in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from daeda.errors import cut
from daeda.statistics.model import Summary
from daeda_report.series import Series

# Rows of a day, or days, below which little can be said.
FEWEST_ROWS, FEWEST_DAYS = 30, 3


@dataclass(frozen=True)
class Seen:
    """Something that stands out on one day. `{day}` in `told` is filled in; `about` is the value that it is about."""

    kind: str
    index: int
    told: str
    weight: float
    about: str = ""


def when(series: Series, index: int) -> str:
    """What a day is compared with: days behind the reference with those before, and a day among them with the rest."""
    return "before" if index > max(series.compared, default=-1) else "on other days"


def part_of_day(series: Series, share: float) -> str:
    """What a share of a day is, with its verb: `5.2% of {day} is`, `all items of {day} are`."""
    if not series.part:
        return f"{share_in_words(share)} of {{day}} is"
    return (
        f"all {series.part} of {{day}} are"
        if share == 1.0
        else f"{share_in_words(share)} of the {series.part} of {{day}} are"
    )


def verb(series: Series) -> str:
    """The verb behind a share of the other days."""
    return "were" if series.part else "was"


def share_in_words(share: float) -> str:
    """
    >>> [share_in_words(share) for share in (0.0, 0.0001, 0.052, 0.9999, 1.0)]
    ['none', 'less than 0.1%', '5.2%', 'more than 99.9%', 'all']
    """
    if share in (0.0, 1.0):
        return "all" if share else "none"
    if share < 0.0005:
        return "less than 0.1%"
    return "more than 99.9%" if share > 0.9995 else f"{share:.1%}"


def quoted(value: str) -> str:
    """A value of the data in a sentence that a day is still filled into."""
    return f"'{cut(value)}'".replace("{", "{{").replace("}", "}}")


def median_over(series: Series, told: Callable[[Summary], float | None]) -> float | None:
    """The median over the reference days, or, of fewer than three of them, over all days."""
    chosen: Sequence[int] = series.compared
    if len(chosen) < FEWEST_DAYS:
        chosen = range(len(series.summaries))
    values = [told(one) for index in chosen if (one := series.summaries[index]) is not None and one.rows]
    known = [value for value in values if value is not None]
    return median(known) if known else None


def deviation(values: Sequence[float]) -> float:
    """The median distance from the median."""
    middle = median(values)
    return median([abs(value - middle) for value in values])
