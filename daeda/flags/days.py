"""Days that flags name: `2025-03-01`, or relative to the day that it is in UTC."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

_BACK = re.compile(r"-(\d{1,6})d", re.ASCII)
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
