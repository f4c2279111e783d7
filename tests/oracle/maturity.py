"""When a label is mature: the data of its history reaches the end of the day and all that the label waits for."""

DAY = 86_400 * 10**9
NEVER = -(2**80)


def reach(said=None, partitions=(), slack=0, times=(), created=None):
    """Up to when a view is complete, in nanoseconds.

    `said` is its data_until, `partitions` are numbers of days, `times` those of all rows, `created` likewise, or None
    where the view has no such field.
    """
    if said is not None:
        return said
    of_rows = (max(partitions) + 1 - slack) * DAY if partitions else newest(times)
    return of_rows if created is None else min(of_rows, newest(created))


def newest(times):
    return max((time for time in times if time is not None), default=NEVER)


def is_mature(day, reaches, window, gap=0, matures_after=0):
    """Whether a label of a day, a number, is mature; `reaches` are those of the views that count."""
    return min(reaches) >= (day + 1) * DAY + gap + window + matures_after
