"""The lines of --log-json."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from daeda.answers.answer import Answer
from daeda.dataset.layout import Dataset


class LogLine(Answer):
    """`--log-json`: a line of stderr; keys that it is not about are left out.

    What libraries write there by themselves, past Python, stays as it is, and begins with no brace.
    """

    format: Literal["daeda.log/1"] = Field(default="daeda.log/1", description="Form and version.")
    time: dt.datetime = Field(description="When it was said, in UTC.")
    level: Literal["info", "hint", "warning", "error"] = Field(
        description="error is what keeps a command from being done."
    )
    message: str = Field(description="The line that is said without --log-json.")
    day: dt.date | None = Field(default=None, description="The day that it is about.")
    half: Dataset | None = Field(default=None, description="The half of a run.")
    rows: int | None = Field(default=None, description="Rows of that day, or of all days.")
    seconds: float | None = Field(default=None, description="Seconds that it took.")
    done: int | None = Field(default=None, description="Days that are done by now.")
    days: int | None = Field(default=None, description="Days in all.")
    error: str | None = Field(default=None, description="Of an error that was foreseen, its class in Python.")
    traceback: tuple[str, ...] | None = Field(default=None, description="Of what was not foreseen, as Python shows it.")
