"""When the serving system can use a row that is known."""

import datetime as dt

EPOCH = dt.datetime(1970, 1, 1)


def usable_from(known, available):
    """The instant behind which a row can be used; None for one that is never known.

    `available` is None, ("after", span) or ("daily_at", span since midnight, length of a day); spans are timedeltas
    where `known` is a datetime, and integers where it is one.
    """
    if known is None or available is None:
        return known
    if available[0] == "after":
        return known + available[1]
    _, at, day = available
    since = known - EPOCH if isinstance(known, dt.datetime) else known
    return known - since % day + day + at
