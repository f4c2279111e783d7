"""The kinds of rolling aggregates while rows enter and leave.

`values` are those of one key in its total order, without NULL, which no kind collects. Sums are whole numbers of one
unit that all values share, so that they are exact and nothing is left behind when a row leaves.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, Literal, assert_never

from daeda.settings.aggregations import AggregationSpec
from daeda_audit.expression.arithmetic import Unfit
from daeda_audit.rules.fading import Fading
from daeda_audit.rules.sweep import Running
from daeda_audit.values import order_key


def running(
    spec: AggregationSpec,
    values: Sequence[Any],
    instants: Sequence[int],
    unit: int,
    *,
    field: str | None = None,
    q: Decimal | None = None,
) -> Running:
    """An empty aggregate over values that will enter by their number.

    `instants` are those of their rows, in nanoseconds, and `unit` is how many of them make one of the spine's unit.
    The values of a sequence are dicts of its columns; `field` is the one that it is a list of, where they stand apart;
    `q` is that of a quantile.
    """
    kind = spec.kind
    match kind:
        case "any":
            return Found(None if spec.column is None else values)
        case "count":
            return Count()
        case "count_distinct":
            return Distinct(values)
        case "sum" | "mean" | "std":
            return Totals(kind, values)
        case "min" | "max" | "quantile":
            return Extreme(values, greatest=kind == "max") if q is None else AtRank(values, Fraction(q))
        case "first" | "last" | "list":
            return InOrder(spec, kind, values)
        case "since_last" | "decayed_count" | "decayed_sum":
            return _by_age(spec, values, instants, unit)
        case "last_distinct":
            return NewestDistinct(spec, [[value] for value in values])
        case "flatten_distinct":
            return NewestDistinct(spec, [[item for item in items if item is not None] for items in values])
        case "top_k":
            return MostFrequent(spec, values)
        case "sequence":
            return Items(spec, field, values, instants, unit)
        case _:
            assert_never(kind)


def _by_age(spec: AggregationSpec, values: Sequence[Any], instants: Sequence[int], unit: int) -> Running:
    """A kind that reads the times of rows."""
    if spec.half_life is None:
        return Age(instants, unit)
    return Fading(None if spec.kind == "decayed_count" else values, instants, spec.half_life)


class Count:
    """How many rows."""

    def __init__(self) -> None:
        self._number = 0

    def enter(self, row: int) -> None:
        """One more."""
        self._number += 1

    def leave(self, row: int) -> None:
        """One less."""
        self._number -= 1

    def value(self, now: int) -> int:
        """The number."""
        return self._number


class Found:
    """Whether a row is inside; with values, one whose value is true."""

    def __init__(self, values: Sequence[bool] | None) -> None:
        self._values = values
        self._number = 0

    def enter(self, row: int) -> None:
        """One more, if it counts."""
        self._number += self._counts(row)

    def leave(self, row: int) -> None:
        """One less, if it counts."""
        self._number -= self._counts(row)

    def _counts(self, row: int) -> bool:
        return self._values is None or self._values[row]

    def value(self, now: int) -> bool:
        """Whether any counts."""
        return self._number > 0


class Distinct:
    """How many different values."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._keys = [order_key(value) for value in values]
        self._times: Counter[Any] = Counter()

    def enter(self, row: int) -> None:
        """One more of its value."""
        self._times[self._keys[row]] += 1

    def leave(self, row: int) -> None:
        """One less of its value, which goes with its last row."""
        key = self._keys[row]
        self._times[key] -= 1
        if not self._times[key]:
            del self._times[key]

    def value(self, now: int) -> int:
        """The number of values."""
        return len(self._times)


class Extreme:
    """The least or the greatest value: a heap of all that entered, whose top goes when it is not inside any more."""

    def __init__(self, values: Sequence[Any], *, greatest: bool) -> None:
        self._values = values
        ascending = sorted({order_key(value) for value in values})
        ranks = {key: -rank if greatest else rank for rank, key in enumerate(ascending)}
        self._ranks = [ranks[order_key(value)] for value in values]
        self._heap: list[tuple[int, int]] = []
        self._gone: set[int] = set()

    def enter(self, row: int) -> None:
        """Put the row among the others."""
        heapq.heappush(self._heap, (self._ranks[row], row))

    def leave(self, row: int) -> None:
        """Remember that it is gone."""
        self._gone.add(row)

    def value(self, now: int) -> Any:
        """The value of the top, NULL where nothing is inside."""
        while self._heap and self._heap[0][1] in self._gone:
            self._gone.remove(heapq.heappop(self._heap)[1])
        return self._values[self._heap[0][1]] if self._heap else None


class AtRank:
    """The value at rank ceil(share * n): the ranks of all that is inside, in order."""

    def __init__(self, values: Sequence[Any], share: Fraction) -> None:
        self._values = values
        self._keys = [order_key(value) for value in values]
        self._share = share
        self._inside: list[tuple[Any, int]] = []

    def enter(self, row: int) -> None:
        """Put the value among the others."""
        insort(self._inside, (self._keys[row], row))

    def leave(self, row: int) -> None:
        """Take it out."""
        del self._inside[bisect_left(self._inside, (self._keys[row], row))]

    def value(self, now: int) -> Any:
        """The value, NULL where nothing is inside."""
        if not self._inside:
            return None
        return self._values[self._inside[math.ceil(self._share * len(self._inside)) - 1][1]]


class Totals:
    """Sum, mean and deviation of exact totals, rounded once. NaN and infinities are counted apart."""

    def __init__(self, kind: Literal["sum", "mean", "std"], values: Sequence[Any]) -> None:
        self._kind = kind
        self._values = values
        ratios = [value.as_integer_ratio() if _finite(value) else None for value in values]
        self._unit = math.lcm(*{ratio[1] for ratio in ratios if ratio is not None})
        self._whole = [None if ratio is None else ratio[0] * (self._unit // ratio[1]) for ratio in ratios]
        self._number = self._total = self._squares = 0
        self._specials: Counter[str] = Counter()

    def enter(self, row: int) -> None:
        """Add what the row has."""
        self._count(row, 1)

    def leave(self, row: int) -> None:
        """Take away what the row has."""
        self._count(row, -1)

    def _count(self, row: int, sign: int) -> None:
        self._number += sign
        whole = self._whole[row]
        if whole is None:
            self._specials[str(float(self._values[row]))] += sign
            return
        self._total += sign * whole
        if self._kind == "std":
            self._squares += sign * whole * whole

    def value(self, now: int) -> Any:
        """The value, NULL where nothing is inside."""
        if not self._number or (self._kind == "std" and self._number < 2):
            return None
        special = +self._specials
        if special:
            return math.nan if self._kind == "std" or len(special) > 1 else float(next(iter(special)))
        if self._kind == "std":
            return self._deviation()
        if self._kind == "mean":
            return _divided(self._total, self._unit * self._number)
        return self._sum()

    def _sum(self) -> Any:
        if isinstance(self._values[0], Decimal):
            with localcontext(prec=100):
                places = Decimal((0, (1,), int(self._values[0].as_tuple().exponent)))
                return (Decimal(self._total) / self._unit).quantize(places)
        if isinstance(self._values[0], int):
            if not -(2**63) <= self._total < 2**63:
                raise Unfit(f"the sum {self._total} does not fit BIGINT")
            return self._total
        return _divided(self._total, self._unit)

    def _deviation(self) -> float:
        """The root of (n Σx² - (Σx)²) / (n (n - 1)), all of it whole numbers up to the root."""
        above = self._number * self._squares - self._total * self._total
        below = self._number * (self._number - 1) * self._unit * self._unit
        with localcontext(prec=80):
            return float((Decimal(above) / Decimal(below)).sqrt())


class InOrder:
    """The first or the last value, or the list of the newest."""

    def __init__(self, spec: AggregationSpec, kind: Literal["first", "last", "list"], values: Sequence[Any]) -> None:
        self._spec = spec
        self._kind = kind
        self._values = values
        self._inside: list[int] = []

    def enter(self, row: int) -> None:
        """Put the row where it belongs."""
        insort(self._inside, row)

    def leave(self, row: int) -> None:
        """Take the row out."""
        del self._inside[bisect_left(self._inside, row)]

    def value(self, now: int) -> Any:
        """The value, NULL where nothing is inside; or the list, newest first unless it is asked for the other way."""
        if self._kind == "list":
            most = self._spec.max_length or 0
            return _in_its_order(self._spec, [self._values[row] for row in self._inside[: -most - 1 : -1]])
        return self._values[self._inside[-1 if self._kind == "last" else 0]] if self._inside else None


class Age:
    """How long ago the newest row inside was; the newest to enter leaves last, but for what became known late."""

    def __init__(self, instants: Sequence[int], unit: int) -> None:
        self._instants = instants
        self._unit = unit
        self._inside: list[int] = []

    def enter(self, row: int) -> None:
        """Put the row where it belongs."""
        insort(self._inside, row)

    def leave(self, row: int) -> None:
        """Take the row out."""
        del self._inside[bisect_left(self._inside, row)]

    def value(self, now: int) -> int | None:
        """The age, rounded down; NULL where nothing is inside."""
        if not self._inside:
            return None
        return _age(now - self._instants[self._inside[-1]], self._unit)


class Items:
    """The newest rows, each with how long ago it was; NULLs are kept."""

    def __init__(
        self,
        spec: AggregationSpec,
        field: str | None,
        values: Sequence[dict[str, Any]],
        instants: Sequence[int],
        unit: int,
    ) -> None:
        self._spec = spec
        self._field = field
        self._values = values
        self._instants = instants
        self._unit = unit
        self._inside: list[int] = []

    def enter(self, row: int) -> None:
        """Put the row where it belongs."""
        insort(self._inside, row)

    def leave(self, row: int) -> None:
        """Take the row out."""
        del self._inside[bisect_left(self._inside, row)]

    def value(self, now: int) -> list[Any]:
        """The structs, or the values of the one column that stands apart."""
        most = self._spec.max_length or 0
        return _in_its_order(self._spec, [self._item(row, now) for row in self._inside[: -most - 1 : -1]])

    def _item(self, row: int, now: int) -> Any:
        item, age = dict(self._values[row]), self._spec.age
        if age is not None and self._field in (None, age):
            item[age] = _age(now - self._instants[row], self._unit)
        return item if self._field is None else item[self._field]


def _age(length: int, unit: int) -> int:
    """A length of time in whole units, rounded down."""
    age = length // unit
    if age >= 2**63:
        raise Unfit(f"the age {age} does not fit BIGINT")
    return age


class NewestDistinct:
    """Each item once, at its newest row; of the items of one row the first is the newest."""

    def __init__(self, spec: AggregationSpec, items: Sequence[list[Any]]) -> None:
        self._spec = spec
        self._keyed = [[(order_key(item), item) for item in of_row] for of_row in items]
        self._inside: list[int] = []
        self._times: Counter[Any] = Counter()

    def enter(self, row: int) -> None:
        """Put the row where it belongs, and count its items."""
        insort(self._inside, row)
        self._times.update(key for key, _ in self._keyed[row])

    def leave(self, row: int) -> None:
        """Take the row and its items out; an item goes with its last row."""
        del self._inside[bisect_left(self._inside, row)]
        for key, _ in self._keyed[row]:
            self._times[key] -= 1
            if not self._times[key]:
                del self._times[key]

    def value(self, now: int) -> list[Any]:
        """The items, looking no further back than there is something new."""
        kept: dict[Any, Any] = {}
        enough = min(self._spec.max_length or 0, len(self._times))
        for row in reversed(self._inside):
            for key, item in self._keyed[row]:
                if len(kept) == enough:
                    break
                kept.setdefault(key, item)
            if len(kept) == enough:
                break
        return _in_its_order(self._spec, list(kept.values()))


class MostFrequent:
    """The most frequent values, among equals the one whose newest row is newest."""

    def __init__(self, spec: AggregationSpec, values: Sequence[Any]) -> None:
        self._spec = spec
        self._values = values
        self._keys = [order_key(value) for value in values]
        self._rows: dict[Any, list[int]] = {}

    def enter(self, row: int) -> None:
        """Put the row among those of its value."""
        insort(self._rows.setdefault(self._keys[row], []), row)

    def leave(self, row: int) -> None:
        """Take it from them; a value goes with its last row."""
        rows = self._rows[self._keys[row]]
        del rows[bisect_left(rows, row)]
        if not rows:
            del self._rows[self._keys[row]]

    def value(self, now: int) -> list[Any]:
        """The values, the most frequent first unless it is asked for the other way."""
        most = self._spec.max_length or 0
        first = heapq.nsmallest(most, self._rows.values(), key=lambda rows: (-len(rows), -rows[-1]))
        return _in_its_order(self._spec, [self._values[rows[-1]] for rows in first])


def _in_its_order(spec: AggregationSpec, kept: list[Any]) -> list[Any]:
    return kept if spec.order == "newest_first" else kept[::-1]


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _divided(above: int, below: int) -> float:
    """The nearest double; infinity where there is none."""
    try:
        return above / below
    except OverflowError:
        return math.inf if above > 0 else -math.inf
