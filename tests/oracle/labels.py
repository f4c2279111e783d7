"""The label: what the rows of an entity after t say, in (t + gap, t + gap + W]."""

from .rolling import LIST_KINDS, aggregate, sequence
from .values import by_key, key_of, newest_first, remaining, scan


def label(
    spine_rows,
    history_rows,
    entity,
    spine_time,
    history_time,
    kind,
    window,
    column=None,
    gap=0,
    matures_after=0,
    max_length=None,
    order="oldest_first",
    where=None,
    created=None,
    declared=(),
    unit=1,
    columns=(),
    age=None,
    apart=False,
    q=None,
):
    """For each spine row, in order, the value of the label. Arguments as those of `rolling`.

    `gap` and `matures_after` are of the kind of `window`. Lists keep what is nearest to the row, and begin with it.
    """
    history = [row for row in scan(history_rows) if where is None or where(row) is True]
    rest = remaining(declared, entity, history_time, created)
    groups = by_key(history, entity)
    answers = []
    for row in scan(spine_rows):
        now, key = row[spine_time], key_of(row, entity)
        seen = []
        for later in newest_first(groups.get(key, []) if key is not None else [], history_time, created, rest):
            if later[history_time] is None or not now + gap < later[history_time] <= now + gap + window:
                continue
            last = now + gap + window + matures_after
            if created is None or (later[created] is not None and later[created] <= last):
                seen.append(later)
        if kind == "sequence":
            nearest = seen[::-1]
            ages = [(now - later[history_time]) // unit for later in nearest]
            turned = "newest_first" if order == "oldest_first" else "oldest_first"
            answers.append(sequence(nearest, ages, columns, age, apart, max_length, turned))
        elif kind == "quantile":
            answers.append(aggregate(kind, seen, column, None, "newest_first", q=q))
        else:
            answers.append(of_window(kind, seen, column, max_length, order, now, history_time, unit))
    return answers


def of_window(kind, rows, column, max_length, order, now, history_time, unit):
    """The label of the rows of one window, which are newest first."""
    if kind == "until_first":
        times = [row[history_time] for row in rows if not column or row[column] is not None]
        return (min(times) - now) // unit if times else None
    if kind not in LIST_KINDS:
        return aggregate(kind, rows, column, None, "newest_first")
    # The mirror image: the nearest row comes first, and of its list the last element.
    mirrored = [dict(row) for row in reversed(rows)]
    if kind == "flatten_distinct":
        for row in mirrored:
            row[column] = None if row[column] is None else row[column][::-1]
    turned = "newest_first" if order == "oldest_first" else "oldest_first"
    return aggregate(kind, mirrored, column, max_length, turned)
