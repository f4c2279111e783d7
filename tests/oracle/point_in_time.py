"""The as-of join: for each left row, the newest right row that was known before it."""

from .available import usable_from
from .values import by_key, key_of, newest_first, remaining, scan


def point_in_time(
    left_rows,
    right_rows,
    keys,
    left_time,
    right_time,
    created=None,
    ttl=None,
    allow_exact=False,
    columns=(),
    declared=(),
    available=None,
):
    """For each left row, in order, a dict of `columns`: those of the right row that is chosen, or all None.

    `declared` are all columns of the right view in declared order. Times are datetimes or integers; `ttl` is what
    their difference is (timedelta or integer), or None; `available` is what `usable_from` takes.
    """
    rest = remaining(declared, keys, right_time, created)
    groups = {
        key: newest_first(rows, right_time, created, rest) for key, rows in by_key(scan(right_rows), keys).items()
    }
    found = []
    for left in scan(left_rows):
        chosen = dict.fromkeys(columns)
        for right in groups.get(key_of(left, keys), []):
            if is_seen(left[left_time], right, right_time, created, ttl, allow_exact, available):
                chosen = {column: right[column] for column in columns}
                break
        found.append(chosen)
    return found


def is_seen(now, right, right_time, created, ttl, allow_exact, available=None):
    """Whether a row at `now` may use this right row."""
    then = right[right_time]
    if now is None or then is None:
        return False
    if not (then < now or (allow_exact and then == now)):
        return False
    if ttl is not None and now - then > ttl:
        return False
    usable = usable_from(right[created or right_time], available)
    return usable is not None and (usable < now or (allow_exact and usable == now))
