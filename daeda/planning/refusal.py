"""What keeps days from being built: found by the checks before the first day, told together."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """A mistake in what days would read, and the days that it keeps from being built."""

    sentence: str
    days: frozenset[dt.date]
