"""How far an audit is: on a terminal one live line with the time that is left; elsewhere the line of each day does."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from daeda.process.console import HarmlessConsole, plain

# The append probe starts the driver once more: about what some days of recomputation take.
_LATER_ROWS_DAYS = 3.0
_PER_SECOND = 4


class Progress:
    """Counts days that are recomputed, column by column, and the append probe behind them, while the block runs."""

    def __init__(self, days: Sequence[dt.date], *, append: bool) -> None:
        self._days = len(days)
        self._whole = self._days + (_LATER_ROWS_DAYS if append else 0.0)
        self._done = 0.0
        self._finished = 0
        self._at = "starting"
        self._started = time.monotonic()
        self._live = (
            Live(
                get_renderable=self._rendered,
                console=HarmlessConsole(stderr=True),
                transient=True,
                refresh_per_second=_PER_SECOND,
            )
            if sys.stderr.isatty()
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def column(self, day: dt.date, name: str, share: float) -> None:
        """A column of a day is looked at; `share` of the day is done."""
        self._at = f"{day} {name}"
        self._done = self._finished + share

    def day_done(self) -> None:
        """Everything of a day is done."""
        self._finished += 1
        self._done = float(self._finished)

    def append(self, what: str, share: float) -> None:
        """A step of the append probe begins; `share` of the probe is done."""
        self._at = f"append probe: {what}"
        self._done = self._finished + share * _LATER_ROWS_DAYS

    def line(self) -> str:
        """Days, what is at work, and the time left once there is something to judge by."""
        elapsed = max(0.0, time.monotonic() - self._started)
        left = ""
        if self._done > 0:
            seconds = elapsed / self._done * max(0.0, self._whole - self._done)
            left = f" · about {dt.timedelta(seconds=round(seconds))} left"
        return f"audit {self._finished}/{self._days} days{left} · {self._at}"

    def _rendered(self) -> Text:
        return plain(self.line())
