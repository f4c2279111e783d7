"""The rolling window: what the history of an entity says about [e - W, e), where e is mostly t."""

import datetime as dt
import functools
import math
from collections import Counter
from decimal import Decimal, localcontext
from fractions import Fraction

from .available import usable_from
from .values import by_key, key_of, newest_first, order_key, remaining, scan

EPOCH = dt.datetime(1970, 1, 1)
LIST_KINDS = ("list", "last_distinct", "flatten_distinct", "top_k", "sequence")


def rolling(
    spine_rows,
    history_rows,
    entity,
    spine_time,
    history_time,
    kind,
    column=None,
    window=None,
    max_length=None,
    order="newest_first",
    where=None,
    created=None,
    declared=(),
    unit=1,
    columns=(),
    age=None,
    apart=False,
    aligned_to=None,
    offset=None,
    available=None,
    q=None,
    half_life=None,
):
    """For each spine row, in order, the value of the aggregate.

    `entity` is the list of key columns; `declared` are all columns of the history view in declared order. Times are
    datetimes or integers, `window` a timedelta or an integer, None for unbounded. `where` takes a row.
    `unit` is that of the spine's time, as a timedelta or an integer, and so are `aligned_to` and `offset`. `available`
    is what `usable_from` takes; `q` is which quantile, as a decimal, and `half_life` is like `window`. A sequence
    has `columns` and the name of an `age`; with `apart` it has one of either, and is a list of that.
    """
    assert order in ("newest_first", "oldest_first")
    assert (kind in LIST_KINDS) == (max_length is not None)
    history = [row for row in scan(history_rows) if where is None or where(row) is True]
    rest = remaining(declared, entity, history_time, created)
    spine = scan(spine_rows)
    wanted = {key_of(row, entity) for row in spine}
    groups = {
        key: newest_first(rows, history_time, created, rest)
        for key, rows in by_key(history, entity).items()
        if key in wanted
    }
    answers = {}  # many spine rows share entity and time
    for row in spine:
        place = (key_of(row, entity), row[spine_time])
        if place not in answers:
            seen = [
                past
                for past in groups.get(place[0], [])
                if is_inside(row[spine_time], past, history_time, window, created, aligned_to, offset, available)
            ]
            spans = [row[spine_time] - past[history_time] for past in seen]
            ages = [span // unit for span in spans]
            halvings = None if half_life is None else [ratio(span, half_life) for span in spans]
            if kind == "sequence":
                answers[place] = sequence(seen, ages, columns, age, apart, max_length, order)
            else:
                answers[place] = aggregate(kind, seen, column, max_length, order, ages, q, halvings)
    return [answers[key_of(row, entity), row[spine_time]] for row in spine]


def is_inside(now, past, history_time, window, created, aligned_to=None, offset=None, available=None):
    """Whether a history row is in the window of a row at `now`, and known by then."""
    then = past[history_time]
    if now is None or then is None:
        return False
    end = end_of(now, aligned_to, offset)
    if not then < end:
        return False
    if window is not None and then < end - window:
        return False
    usable = usable_from(past[created or history_time], available)
    return usable is not None and usable < now


def end_of(now, aligned_to, offset):
    """Where the window of a row at `now` ends: first aligned, then moved."""
    if aligned_to is not None:
        since = now - EPOCH if isinstance(now, dt.datetime) else now
        now = now - since % aligned_to
    return now if offset is None else now - offset


def ratio(span, half_life):
    """How many half-lives a span has, as a fraction."""
    if isinstance(span, dt.timedelta):
        span, half_life = (one // dt.timedelta(microseconds=1) for one in (span, half_life))
    return Fraction(span) / Fraction(half_life)


def aggregate(kind, rows, column, max_length, order, ages=None, q=None, halvings=None):
    """The aggregate of the rows of one window, which are newest first; `ages` and half-lives passed are theirs."""
    if kind in ("decayed_count", "decayed_sum"):
        return faded(kind, [(row[column] if column else 1, x) for row, x in zip(rows, halvings or [], strict=True)])
    if kind == "since_last":
        return newest_age(
            age for row, age in zip(rows, ages or [], strict=True) if not column or row[column] is not None
        )
    if kind == "sequence":
        return sequence(rows, ages, [column], None, False, max_length, order)
    if column is None:
        return {"any": bool(rows), "count": len(rows)}[kind]
    values = [row[column] for row in rows if row[column] is not None]  # no kind collects NULLs
    if kind in LIST_KINDS:
        finished = collect(kind, values)[:max_length]
        return finished if order == "newest_first" else finished[::-1]
    if kind == "any":
        return True in values
    if kind == "count":
        return len(values)
    if kind == "quantile":
        return sorted(values, key=order_key)[math.ceil(Fraction(str(q)) * len(values)) - 1] if values else None
    if kind == "count_distinct":
        return len(first_of_each(values))
    return single(kind, values)


def sequence(rows, ages, columns, age, apart, max_length, order):
    """The newest rows as structs, or as what the one field of them holds; NULLs are kept."""
    items = [{name: row[name] for name in columns} for row in rows[:max_length]]
    if age:
        if any(one >= 2**63 for one in ages[:max_length]):
            raise OverflowError("the age does not fit BIGINT")
        items = [{**item, age: old} for item, old in zip(items, ages[:max_length], strict=True)]
    if apart:
        items = [value for item in items for value in item.values()]
    return items if order == "newest_first" else items[::-1]


def newest_age(ages):
    """The least age; NULL if there is none."""
    least = min(ages, default=None)
    if least is not None and least >= 2**63:
        raise OverflowError("the age does not fit BIGINT")
    return least


class Faded(float):
    """The sum of terms that fade, and between which doubles the contract lets a result lie."""

    least = most = math.nan


def faded(kind, pairs):
    """The sum of values times 2^-halvings, by decimals of 60 digits; NULL values are left out."""
    present = [(1 if kind == "decayed_count" else value, halvings) for value, halvings in pairs if value is not None]
    if not present:
        return 0.0 if kind == "decayed_count" else None
    special = special_sum([value for value, _ in present])
    if special is not None:
        return special
    with localcontext(prec=60, Emax=10**6, Emin=-(10**6)):
        terms = [Decimal(value) * weight(halvings) for value, halvings in present]
        least_normal = Decimal(2) ** -1022
        slack = sum(abs(term) for term in terms) * Decimal("1e-12")
        slack += sum(abs(term) for term in terms if abs(term) < least_normal)
        exact = sum(terms)
        result = Faded(exact)
        # A bound that no double has lies between two of them.
        result.least, result.most = math.nextafter(exact - slack, -math.inf), math.nextafter(exact + slack, math.inf)
    return result


@functools.lru_cache(maxsize=100_000)
def weight(halvings):
    """2^-halvings to 60 digits, or 0 where no double is left."""
    if halvings > 10**5:
        return Decimal(0)
    with localcontext(prec=60, Emax=10**6, Emin=-(10**6)):
        return Decimal(2) ** (Decimal(-halvings.numerator) / halvings.denominator)


def collect(kind, values):
    """The whole list of a list kind, before it is cut."""
    if kind == "list":
        return values
    if kind == "last_distinct":
        return first_of_each(values)
    if kind == "flatten_distinct":
        return first_of_each([element for items in values for element in items if element is not None])
    assert kind == "top_k"
    times = Counter(order_key(value) for value in values)
    # The sort is stable: among equally frequent values the one seen first, the newest, stays first.
    return sorted(first_of_each(values), key=lambda value: -times[order_key(value)])


def first_of_each(values):
    """Each value once, where it comes first."""
    seen = set()
    kept = []
    for value in values:
        if order_key(value) not in seen:
            seen.add(order_key(value))
            kept.append(value)
    return kept


def single(kind, values):
    """One value of the non-NULL values, which are newest first; NULL if there is none."""
    if not values:
        return None
    if kind == "last":
        return values[0]
    if kind == "first":
        return values[-1]
    if kind == "min":
        return min(values, key=order_key)
    if kind == "max":
        return max(values, key=order_key)
    if kind == "sum":
        return total(values)
    if kind == "mean":
        return mean(values)
    assert kind == "std", kind
    return sample_deviation(values)


def special_sum(values):
    """The sum by IEEE 754 if a value is NaN or infinite, else None."""
    special = [value for value in values if isinstance(value, float) and not math.isfinite(value)]
    if not special:
        return None
    if any(math.isnan(value) for value in special) or len(set(special)) == 2:
        return math.nan
    return special[0]


def total(values):
    """Integers and decimals exactly; doubles exactly, then rounded once."""
    if isinstance(values[0], int):
        if not -(2**63) <= sum(values) < 2**63:
            raise OverflowError("the sum does not fit BIGINT")
        return sum(values)
    if isinstance(values[0], Decimal):
        with localcontext(prec=100):
            return sum(values, Decimal(0))
    special = special_sum(values)
    return special if special is not None else rounded(sum(Fraction(value) for value in values))


def mean(values):
    """The exact mean, rounded once."""
    special = special_sum(values)
    return special if special is not None else rounded(sum(Fraction(value) for value in values) / len(values))


def sample_deviation(values):
    """The sample standard deviation; NULL below two values, NaN if a value is NaN or infinite."""
    if len(values) < 2:
        return None
    if special_sum(values) is not None:
        return math.nan
    exact = [Fraction(value) for value in values]
    middle = sum(exact) / len(exact)
    variance = sum((value - middle) ** 2 for value in exact) / (len(exact) - 1)
    with localcontext(prec=60):
        return float((Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt())


def rounded(exact):
    """The nearest double; infinity where there is none."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf
