"""From when on a row can be used, as SQL: a whole number of the unit of comparison."""

from __future__ import annotations

from sqlglot import exp

from daeda.dtypes import TimeUnit
from daeda.settings.availability import Available

_LAST = 2**63 - 1


def usable_from(known: exp.Expr, available: Available, unit: TimeUnit) -> exp.Expr:
    """The instant behind which a row can be used that is known at `known`; the end of int64 where that is beyond it.

    DuckDB's remainder has the sign of the instant: added to a day and taken once more, it has none.
    """
    if available.after is not None:
        later = available.after.in_unit(unit) or 0
        return _held(known, later, exp.Add(this=known.copy(), expression=_number(later)))
    per_day = unit.per_day
    later = per_day + (available.seconds_of_day or 0) * unit.value
    rest = exp.Mod(this=exp.Paren(this=known.copy()), expression=_number(per_day))
    rest = exp.Mod(this=exp.Paren(this=exp.Add(this=rest, expression=_number(per_day))), expression=_number(per_day))
    # What is added comes first, so that nothing falls below int64.
    moved = exp.Add(this=known.copy(), expression=_number(later))
    return _held(known, later, exp.Sub(this=exp.Paren(this=moved), expression=exp.Paren(this=rest)))


def _held(known: exp.Expr, later: int, value: exp.Expr) -> exp.Expr:
    if not later:
        return value
    beyond = exp.GT(this=known.copy(), expression=_number(_LAST - later))
    return exp.Case(ifs=[exp.If(this=beyond, true=_number(_LAST))], default=value)


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)
