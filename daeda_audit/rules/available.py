"""From when on the serving system can use a row, in nanoseconds."""

from __future__ import annotations

from daeda.settings.availability import Available
from daeda_audit.instants import PER_DAY, PER_SECOND


def usable_from(available: Available | None, known: int) -> int:
    """The instant behind which a row counts that became known at `known`."""
    if available is None:
        return known
    if available.after is not None:
        return known + (available.after.nanoseconds or 0)
    hours, minutes = map(int, (available.daily_at or "").split(":"))
    following = (known // PER_DAY + 1) * PER_DAY
    return following + (hours * 60 + minutes) * 60 * PER_SECOND
