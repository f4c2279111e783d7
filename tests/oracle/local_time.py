"""What a clock in a time zone shows at an instant, by the zone's rules as Python has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local(nanoseconds: int, zone: str) -> datetime:
    """The local time of an instant, rounded down to microseconds."""
    return (EPOCH + timedelta(microseconds=nanoseconds // 1_000)).astimezone(ZoneInfo(zone))


def hour_of(nanoseconds: int, zone: str) -> int:
    return local(nanoseconds, zone).hour


def day_of_week(nanoseconds: int, zone: str) -> int:
    """1 is Monday, 7 Sunday."""
    return local(nanoseconds, zone).isoweekday()


def changes(zone: str, first: int, last: int) -> list[int]:
    """The seconds at which clocks of the zone are put forward or back between two years."""
    found = []
    low = int((datetime(first, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
    end = int((datetime(last, 1, 1, tzinfo=UTC) - EPOCH).total_seconds())
    while low < end:
        high = low + 7 * 86_400
        if _offset(low, zone) != _offset(high, zone):
            before, after = low, high
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (middle, after) if _offset(middle, zone) == _offset(before, zone) else (before, middle)
            found.append(after)
        low = high
    return found


def _offset(seconds: int, zone: str) -> timedelta | None:
    return local(seconds * 10**9, zone).utcoffset()
