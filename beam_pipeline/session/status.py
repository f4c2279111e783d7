"""The status file of a day at work, from which progress is read, on whichever host the day is."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path

_CALL_SECONDS = 1.0


class DayStatus:
    """One day's status file in a directory of the run. An attempt replaces the file of the one before it."""

    def __init__(self, directory: Path, day: dt.date, attempt: str) -> None:
        self._path = directory / f"{day.isoformat()}.json"
        self._day = day
        self._attempt = attempt
        self._rows, self._written, self._calling = 0, 0.0, False

    def report(self, operator: str, rows: int, **more: str | float) -> None:
        """Write the operator that runs. `rows` is 0 until the spine is known."""
        fresh = self._path.with_suffix(f".{self._attempt}")
        status = {"day": self._day.isoformat(), "attempt": self._attempt, "operator": operator, "rows": rows, **more}
        fresh.write_text(json.dumps(status), encoding="utf-8")
        fresh.replace(self._path)
        self._rows, self._written, self._calling = rows, time.monotonic(), False

    def report_call(self, operator: str, sentence: str, seconds: float) -> None:
        """Write that a function of the user is called, and the sentence for the case that it hangs.

        The driver of a run over processes has no other way to know. A file for every call would take longer than many
        a call.
        """
        if time.monotonic() - self._written > _CALL_SECONDS or not self._calling:
            self.report(operator, self._rows, late=sentence, seconds=seconds, call=time.monotonic())
            self._calling = True

    def remove(self) -> None:
        """The day is not at work any more."""
        self._path.unlink(missing_ok=True)
