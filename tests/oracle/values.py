"""The order of values: NULL < -inf < numbers < +inf < NaN; text by bytes; lists by elements."""

import math


def order_key(value):
    """A key that puts the values of one column in order; values are the same if their keys are equal.

    sorted([nan, 1.0, None, -inf], key=order_key) == [None, -inf, 1.0, nan]
    """
    if value is None:
        return (0,)
    if isinstance(value, float) and math.isnan(value):
        return (2,)
    if isinstance(value, str):
        return (1, value.encode("utf-8"))
    if isinstance(value, list | tuple):
        return (1, tuple(order_key(element) for element in value))
    if isinstance(value, dict):
        return (1, tuple((name, order_key(element)) for name, element in value.items()))
    return (1, value)


def without_negative_zero(value):
    """-0.0 becomes 0.0, in lists too."""
    if isinstance(value, float) and value == 0.0:
        return 0.0
    if isinstance(value, list):
        return [without_negative_zero(element) for element in value]
    return value


def scan(rows):
    """Copies of the rows, as an operator sees them."""
    return [{name: without_negative_zero(value) for name, value in row.items()} for row in rows]


def by_key(rows, keys):
    """A dict from key to the rows that have it; a row with a NULL in its key is in none."""
    groups = {}
    for row in rows:
        if all(row[key] is not None for key in keys):
            groups.setdefault(key_of(row, keys), []).append(row)
    return groups


def key_of(row, keys):
    """What is compared when rows are matched, column by column."""
    return tuple(order_key(row[key]) for key in keys)


def newest_first(rows, time, created, rest):
    """The total order: time, then created, then the remaining columns as declared; the greatest first."""
    columns = [time] + ([created] if created is not None else []) + rest
    return sorted(rows, key=lambda row: [order_key(row[column]) for column in columns], reverse=True)


def remaining(declared, keys, time, created):
    """The declared columns that are neither key nor time nor created, in declared order."""
    return [name for name in declared if name not in keys and name != time and name != created]
