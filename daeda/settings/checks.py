"""Checks of a service: what must hold of the rows of each day, as YAML writes it."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from daeda.errors import cut, in_yaml, shortened
from daeda.settings.kinds import Name, Names, Strict
from daeda.settings.scalars import written_decimal
from daeda.settings.splits import DayRange, parse_day_range

Severity = Literal["warn", "fail"]
# Stands for the columns of the grain and the time, which name a row.
GRAIN = "grain"
_MOST_DAYS = 366
_BOUND = re.compile(r"(<=|>=|<|>|=)\s*(\d+(?:\.\d+)?)\s*(%?)", re.ASCII)
_WITHIN = re.compile(r"within\s+(\d+(?:\.\d+)?)\s*%\s+of\s+(?:the\s+)?last\s+(\d{1,4})\s+days?", re.ASCII)
_LAST = re.compile(r"(?:the\s+)?last\s+(\d{1,4})\s+days?", re.ASCII)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)


@dataclass(frozen=True)
class Bound:
    """A comparison with a number, such as `< 1%`."""

    sign: str
    value: Decimal
    percent: bool = False

    def __str__(self) -> str:
        return f"{self.sign} {_told(self.value, percent=self.percent)}"

    def holds(self, found: Fraction | int) -> bool:
        """Whether a number is within it, exactly."""
        limit = Fraction(self.value)
        match self.sign:
            case "<":
                return found < limit
            case "<=":
                return found <= limit
            case ">":
                return found > limit
            case ">=":
                return found >= limit
            case _:
                return found == limit


@dataclass(frozen=True)
class LastDays:
    """The days before a day, so many."""

    days: int

    def __str__(self) -> str:
        return f"last {self.days} days" if self.days > 1 else "last 1 day"

    def before(self, day: dt.date) -> tuple[dt.date, ...]:
        """The days, the earliest first."""
        back = min(self.days, (day - dt.date.min).days)
        return tuple(day - dt.timedelta(days=number) for number in range(back, 0, -1))


@dataclass(frozen=True)
class Within:
    """So near to the median of the days before."""

    share: Decimal
    last: LastDays

    def __str__(self) -> str:
        return f"within {_told(self.share, percent=True)} of {self.last}"


def _told(value: Decimal, *, percent: bool = False) -> str:
    if not percent:
        return f"{value:f}"
    text = f"{value * 100:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "%"


def _listed(value: object) -> str:
    """A value among others: a text is quoted where it would be taken for several of them, or for none."""
    if isinstance(value, str) and (not value or "," in value or value.startswith('"') or value != value.strip()):
        return json.dumps(value, ensure_ascii=False)
    return in_yaml(value)


def _parse_bound(value: object) -> Bound | None:
    matched = _BOUND.fullmatch(value.strip()) if isinstance(value, str) else None
    if matched is None:
        return None
    number = Decimal(matched[2])
    return Bound(matched[1], number / 100 if matched[3] else number, bool(matched[3]))


def _require_question(bound: Bound, what: str, *, least: int, greatest: int | None = None) -> None:
    """Raise ValueError for a bound that every number holds, or none does: such a check says nothing of any day."""
    at_least, at_most = bound.value == least, bound.value == greatest
    always = (bound.sign == ">=" and at_least) or (bound.sign == "<=" and at_most)
    never = (bound.sign == "<" and at_least) or (bound.sign == ">" and at_most)
    if always or never:
        which = "every" if always else "no"
        raise ValueError(f"'{bound}' holds of {which} {what}: write one that can fail and can pass")


def _parse_null_share(value: object) -> object:
    bound = value if isinstance(value, Bound) else _parse_bound(value)
    if bound is None:
        raise ValueError(f"'{cut(value)}' is no bound of a share: write one like '< 1%' or '= 0'")
    if not 0 <= bound.value <= 1:
        raise ValueError(f"'{cut(value)}' is beyond any share, which is from 0 to 100%")
    _require_question(bound, "share", least=0, greatest=1)
    return bound


def _parse_rows(value: object) -> object:
    if isinstance(value, Bound | Within):
        return value
    bound = _parse_bound(value)
    if bound is not None and not bound.percent and bound.value == int(bound.value):
        _require_question(bound, "number of rows", least=0)
        return bound
    matched = _WITHIN.fullmatch(value.strip()) if isinstance(value, str) else None
    if matched is None:
        raise ValueError(
            f"'{cut(value)}' is no bound of a number of rows: write one like '> 0', or 'within 30% of last 7 days'"
        )
    return Within(Decimal(matched[1]) / 100, _last_days(matched[2]))


def _last_days(digits: str) -> LastDays:
    if not 1 <= int(digits) <= _MOST_DAYS:
        raise ValueError(f"the last {int(digits)} days are not compared: write from 1 to {_MOST_DAYS}")
    return LastDays(int(digits))


def _parse_reference(value: object) -> object:
    if isinstance(value, LastDays | DayRange):
        return value
    matched = _LAST.fullmatch(value.strip()) if isinstance(value, str) else None
    if matched is not None:
        return _last_days(matched[1])
    try:
        return parse_day_range(value)
    except ValueError:
        raise ValueError(
            f"'{cut(value)}' is no reference: write 'last 7 days', or a range like 2025-01-01..2025-01-31"
        ) from None


def _parse_share(value: object) -> object:
    matched = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    share = Decimal(matched[1]) / 100 if matched is not None else written_decimal(value)
    if share is None or not 0 <= share <= 1:
        raise ValueError(f"'{cut(value)}' is no share: write one like 95% or 0.95")
    if not share:
        raise ValueError(f"'{cut(value)}' is the coverage of every day: write a share that it may fall below, like 95%")
    return share


def _parse_index(value: object) -> object:
    index = written_decimal(value)
    if index is None or index <= 0:
        raise ValueError(f"'{cut(value)}' is no bound of an index: write a number above 0, like 0.2")
    return index


def _parse_between(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 2 or None in value:
        raise ValueError(f"'{cut(value)}' is not what a value is between: write both ends, like [0, 500]")
    return tuple(value)


def _parse_values(value: object) -> object:
    if not isinstance(value, list | tuple) or not value or None in value:
        raise ValueError(f"'{cut(value)}' is no list of values: write some, like [de, fr]; NULL is in any")
    return tuple(value)


NullShare = Annotated[Bound, BeforeValidator(_parse_null_share), PlainSerializer(str)]
Rows = Annotated[Bound | Within, BeforeValidator(_parse_rows), PlainSerializer(str)]
Reference = Annotated[LastDays | DayRange, BeforeValidator(_parse_reference), PlainSerializer(str)]
ShareOfRows = Annotated[Decimal, BeforeValidator(_parse_share), PlainSerializer(str)]
Index = Annotated[Decimal, BeforeValidator(_parse_index), PlainSerializer(str)]
_QUESTIONS = ("null_share", "between", "in", "rows", "unique", "drift", "coverage")
_OF_A_COLUMN = ("null_share", "between", "in")
_DEFAULT_REFERENCE = LastDays(7)


class Check(Strict):
    """One thing that must hold of the rows of each day.

    Of a day with `severity: fail` that breaks it nothing is published. What is compared with other days, as `within`
    and `drift` are, is judged behind the run and holds nothing back.
    """

    example: ClassVar[str] = '{column: price, null_share: "< 1%", severity: fail}'

    column: Name | None = Field(
        default=None, description="Column that null_share, between and in are about; drift is about all without it."
    )
    null_share: NullShare | None = Field(
        default=None, description="Share of the rows that are NULL in the column: like '< 1%' or '= 0'."
    )
    between: Annotated[tuple[Any, Any], BeforeValidator(_parse_between)] | None = Field(
        default=None,
        description="Least and greatest value of the column, both allowed: numbers, days or times. NULL passes.",
    )
    among: Annotated[tuple[Any, ...], BeforeValidator(_parse_values)] | None = Field(
        default=None, alias="in", description="All values that the column may have. NULL passes."
    )
    rows: Rows | None = Field(
        default=None,
        description="Number of rows of the day: like '> 0', or 'within 30% of last 7 days', of the median of those of "
        "them that are published.",
    )
    unique: Names | None = Field(
        default=None,
        min_length=1,
        description="Columns that no two rows have alike, NULLs alike among them; grain stands for those of the grain "
        "and the time.",
    )
    drift: Literal["psi"] | None = Field(
        default=None,
        description="How far the day has moved away from the reference: psi, the population stability index, of each "
        "column but keys and times.",
    )
    below: Index | None = Field(default=None, description="What the index of drift stays below; 0.2 is usual.")
    reference: Reference | None = Field(
        default=None, description="Days that drift compares with: last 7 days (default), or a range of days."
    )
    coverage: Name | None = Field(
        default=None, description="Column that has a value in so many rows: a vector that was found, for one."
    )
    at_least: ShareOfRows | None = Field(default=None, description="The least share of coverage, like 95%.")
    severity: Severity = Field(
        default="warn",
        description="warn tells and records it; fail ends the run with exit code 1, before the day is published where "
        "the day alone tells it.",
    )

    @model_validator(mode="after")
    def _asks_one_question(self) -> Self:
        asked = self._asked
        if len(asked) != 1:
            what = f"found {' and '.join(asked)}" if asked else "and none is written"
            raise ValueError(f"a check asks one question, of {shortened(_QUESTIONS)}, {what}")
        (question,) = asked
        if question in _OF_A_COLUMN and self.column is None:
            raise ValueError(f"'{question}' is about a column: write which, as column: price")
        if question not in (*_OF_A_COLUMN, "drift") and self.column is not None:
            raise ValueError(f"'{question}' is not about 'column': remove it")
        for owner, name in (("drift", "below"), ("drift", "reference"), ("coverage", "at_least")):
            given = getattr(self, name) is not None
            if given and question != owner:
                raise ValueError(f"'{name}' belongs to '{owner}' and not to '{question}': remove it")
            if question == owner and not given and name != "reference":
                raise ValueError(f"'{owner}' needs '{name}': write {'0.2' if name == 'below' else '95%'}, for one")
        return self

    @property
    def _asked(self) -> list[str]:
        there = {name: getattr(self, "among" if name == "in" else name) for name in _QUESTIONS}
        return [name for name, value in there.items() if value is not None]

    @property
    def question(self) -> str:
        """The key that says what is asked."""
        return self._asked[0]

    @property
    def compares_days(self) -> bool:
        """Whether other days decide it."""
        return self.drift is not None or isinstance(self.rows, Within)

    @property
    def days_compared(self) -> LastDays | DayRange:
        """The days that a drift is away from."""
        return self.reference or _DEFAULT_REFERENCE

    @property
    def of_column(self) -> str | None:
        """The one column that it is about; None where it is about rows or several columns."""
        return self.coverage or self.column

    @property
    def text(self) -> str:
        """The check in words, by which its verdicts are told from those of others."""
        match self.question:
            case "null_share":
                return f"{self.column}: share of NULLs {self.null_share}"
            case "between":
                assert self.between is not None
                low, high = self.between
                return f"{self.column}: between {in_yaml(low)} and {in_yaml(high)}"
            case "in":
                return f"{self.column}: in {', '.join(map(_listed, self.among or ()))}"
            case "rows":
                return f"rows {self.rows}"
            case "unique":
                return f"unique: {', '.join(self.unique or ())}"
            case "coverage":
                assert self.at_least is not None
                return f"{self.coverage}: coverage at least {_told(self.at_least, percent=True)}"
            case _:
                of = f"{self.column}: " if self.column is not None else ""
                return f"{of}drift (psi) below {self.below} of {self.days_compared}"
