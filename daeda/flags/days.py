"""Days that flags name: `2025-03-01`, or relative to the day that it is in UTC."""

from __future__ import annotations

import argparse
import datetime as dt
import re
from collections.abc import Iterable, Sequence

from daeda.errors import UsageError

_BACK = re.compile(r"-(\d{1,6})d", re.ASCII)
# A range beyond these is a slip of the pen.
_MOST_DAYS = 36_525
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_day_flag(text: str, today: dt.date | None = None) -> str:
    """A day as YYYY-MM-DD; raises ValueError with what can be written.

    >>> parse_day_flag("-7d", dt.date(2025, 3, 10)), parse_day_flag("yesterday", dt.date(2025, 3, 1))
    ('2025-03-03', '2025-02-28')
    """
    now = today or dt.datetime.now(dt.UTC).date()
    if text in ("today", "yesterday"):
        return str(now - dt.timedelta(days=text == "yesterday"))
    if back := _BACK.fullmatch(text):
        days = int(back[1])
        if days >= now.toordinal():
            raise ValueError(f"'{text}' is before the first day that there is")
        return str(now - dt.timedelta(days=days))
    if _DAY.fullmatch(text):
        try:
            return str(dt.date.fromisoformat(text))
        except ValueError as error:
            raise ValueError(f"'{text}' is not a day: {error}") from error
    raise ValueError(f"'{text}' is not a day: write YYYY-MM-DD, today, yesterday, or days back like -7d (UTC)")


def refuse_two_ranges(arguments: argparse.Namespace) -> None:
    """Raise UsageError where --target-date stands beside --start or --end."""
    if arguments.target_date is not None and (arguments.start is not None or arguments.end is not None):
        raise UsageError(
            "--target-date is one day of the range, and --start and --end are the range: give one or the other"
        )


def days_of_words(words: Iterable[str], flag: str = "--days") -> list[dt.date]:
    """The days of words like `2025-03-01`, `-1d` and `2025-03-01..2025-03-07`, sorted, each once; UsageError for none.

    >>> [str(day) for day in days_of_words(["2025-03-02", "2025-03-01..2025-03-02"])]
    ['2025-03-01', '2025-03-02']
    """
    days: set[dt.date] = set()
    for word in words:
        first, dots, last = word.partition("..")
        try:
            start = dt.date.fromisoformat(parse_day_flag(first))
            end = dt.date.fromisoformat(parse_day_flag(last)) if dots else start
        except ValueError as error:
            raise UsageError(f"{flag} '{word}': {error}; a range is YYYY-MM-DD..YYYY-MM-DD") from error
        if end < start:
            raise UsageError(f"{flag} '{word}' ends before it begins: swap its ends")
        number = (end - start).days + 1
        if number > _MOST_DAYS:
            raise UsageError(f"{flag} '{word}' has {number:,} days, and a range at most {_MOST_DAYS:,}")
        days.update(start + dt.timedelta(days=offset) for offset in range(number))
    return sorted(days)


def joined(words: Sequence[str], flags: Sequence[str]) -> list[str]:
    """The words with `--start -7d` as `--start=-7d`: a word that begins with a dash would be taken for a flag.

    >>> joined(["plan", "--start", "-7d"], ["--start"])
    ['plan', '--start=-7d']
    """
    result: list[str] = []
    for word in words:
        if result and result[-1] in flags and _BACK.fullmatch(word):
            result[-1] = f"{result[-1]}={word}"
        else:
            result.append(word)
    return result
