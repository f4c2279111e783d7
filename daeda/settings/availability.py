"""When the serving system can use a row: some time behind the moment at which it is known, or at a time of the day."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from daeda.dtypes import TimeUnit
from daeda.durations import Duration
from daeda.errors import cut
from daeda.settings.kinds import Delay, Strict

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
# So long that no batch is as late, and so short that nanoseconds reach behind it.
_LONGEST = Duration.parse("36500d")


def parse_clock(value: object) -> str:
    """An hour of the day in UTC, `03:00`; raises ValueError."""
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value
    raise ValueError(f"'{cut(value)}' is not a time of the day in UTC: write HH:MM in quotes, like \"03:00\"")


Clock = Annotated[str, BeforeValidator(parse_clock)]


class Available(Strict):
    """When a row can be used: `after` it is known, or `daily_at` an hour of the day behind that on which it is."""

    example: ClassVar[str] = '{after: 10m} or {daily_at: "03:00"}'

    after: Delay | None = Field(default=None, description="How long behind the moment at which it is known, like 10m.")
    daily_at: Clock | None = Field(
        default=None, description='When on the day behind that on which it is known, in UTC and in quotes: "03:00".'
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.after is None) == (self.daily_at is None):
            raise ValueError("available has either 'after', like 10m, or 'daily_at', like \"03:00\", and not both")
        if self.after is not None and (self.after.nanoseconds or 0) > (_LONGEST.nanoseconds or 0):
            raise ValueError(f"available after {self.after} is longer than {_LONGEST}: leave the view out")
        return self

    @property
    def unit(self) -> TimeUnit:
        """The coarsest resolution that says it exactly."""
        return TimeUnit.SECOND if self.after is None or not self.after.nanoseconds else self.after.unit

    @property
    def seconds_of_day(self) -> int | None:
        """`daily_at` in seconds; None without one."""
        if self.daily_at is None:
            return None
        hours, minutes = self.daily_at.split(":")
        return 3_600 * int(hours) + 60 * int(minutes)

    def told(self, known: str) -> str:
        """When a row can be used that is known at `known`.

        >>> Available(after="10m").told("created_at")
        'created_at + 10m'
        """
        return f"{known} + {self.after}" if self.after is not None else f"{self.daily_at} UTC of the day after {known}"
