"""Which days can be built: those behind full windows whose labels are known already."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass

from daeda.durations import Duration
from daeda.init_project.data import ViewData
from daeda.init_project.proposal import Proposal

_DAY_SECONDS = 86_400
# Days that the first range has at most: enough to look at, and built within minutes.
MOST_DAYS = 28


@dataclass(frozen=True)
class Range:
    """The days of the range, the earliest that could be built, and whether windows are cut where the data begins."""

    first: dt.date
    last: dt.date
    earliest: dt.date
    cut: bool


def seconds(duration: str) -> float:
    """Seconds of a duration like 7d; none of an empty one.

    >>> seconds("1d"), seconds("")
    (86400.0, 0.0)
    """
    return (Duration.parse_delay(duration).nanoseconds or 0) / 1e9 if duration else 0.0


def range_of(proposal: Proposal, found: Mapping[str, ViewData]) -> Range:
    """The newest days that can be built, at most MOST_DAYS of them, of what each view has."""
    data = found[proposal.events.name]
    assert data.first is not None
    assert data.last is not None
    label = proposal.label
    ahead = seconds(label.window) + seconds(label.matures_after) if label is not None else 0.0
    reach = data.last + dt.timedelta(days=1)
    if data.newest is not None:
        # Without partitions the data is known to reach as far as its newest row.
        reach = dt.date(1970, 1, 1) + dt.timedelta(days=int(data.newest // _DAY_SECONDS))
    elif label is not None and proposal.events.created and ahead:
        # With rows that become known later, nothing says that the last of them are there.
        reach = data.last
    elif data.until is not None:
        # As data_until says then.
        reach = data.last
    last = data.whole if label is None or not ahead else reach - dt.timedelta(days=1 + math.ceil(ahead / _DAY_SECONDS))
    # A look-up without gaps has a row each day, and lacks those behind its end.
    dense = [found[view.name] for view in proposal.views if view.role == "look-up" and not found[view.name].gaps]
    last = min([last, *(one.whole for one in dense if one.partitioned and one.last is not None)])
    # Of days without a row nothing is built: the range ends with one that has some.
    last = max((day for day in data.days if day <= last), default=last)
    back = max((seconds(window) for window in proposal.windows.windows), default=0.0) if proposal.windows else 0.0
    earliest = data.first + dt.timedelta(days=math.ceil(back / _DAY_SECONDS))
    cut = earliest > last
    if cut:
        earliest = data.first
    last = max(last, data.first)
    return Range(max(earliest, last - dt.timedelta(days=MOST_DAYS - 1)), last, earliest, cut)
