"""Progress of a run: read from status files and manifests, so that it works on any runner.

On a terminal one live line; elsewhere one plain line per day. All of it goes to stderr.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from rich.live import Live

from daeda.dataset.layout import MANIFEST_NAME, day_name
from daeda.dataset.manifest import read_manifest
from daeda.errors import InputError
from daeda.process.console import HarmlessConsole, plain
from daeda.process.messages import say
from daeda.storage.anew import look_anew
from daeda.storage.regular import read_regular

# Often enough to look alive, seldom enough to cost nothing against a day's work.
_POLL_SECONDS = 0.25


class DayProgress:
    """Watches the status directory and the published days of one dataset while the block runs."""

    def __init__(self, phase: str, days: Iterable[dt.date], status: Path, dataset: Path) -> None:
        self._phase = phase
        self._left = sorted(days)
        self._total = len(self._left)
        self._status = status
        self._dataset = dataset
        self._before = {day: _published(dataset, day) for day in self._left}
        self._rows = 0
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="progress")
        self._live = (
            Live(console=HarmlessConsole(stderr=True), transient=True, auto_refresh=False)
            if sys.stderr.isatty()
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()
        if self._live is not None:
            self._live.stop()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            self._look()
            if self._live is not None:
                self._live.update(plain(self._line()), refresh=True)

    def _look(self) -> None:
        look_anew(self._dataset)
        for day in list(self._left):
            stamp = _published(self._dataset, day)
            if stamp is None or stamp == self._before[day]:
                continue
            try:
                manifest = read_manifest(self._dataset / day_name(day))
            except InputError:
                manifest = None
            if manifest is None:
                continue  # being replaced at this moment, or not readable, which the run itself will tell
            self._left.remove(day)
            self._rows += manifest.rows
            if self._live is None:
                seconds = sum(manifest.seconds.values())
                done = self._total - len(self._left)
                say(
                    f"{self._phase} {day}: {manifest.rows:,} rows in {seconds:.2f} s ({done}/{self._total})",
                    day=day,
                    half=self._phase,
                    rows=manifest.rows,
                    seconds=round(seconds, 3),
                    done=done,
                    days=self._total,
                )

    def _line(self) -> str:
        done = self._total - len(self._left)
        elapsed = max(0.001, time.monotonic() - self._started)
        at_work = " · ".join(self._at_work()) or "starting"
        speed = f" · {self._rows / elapsed:,.0f} rows/s" if done else ""
        left = f" · {dt.timedelta(seconds=round(elapsed / done * len(self._left)))} left" if done else ""
        return f"{self._phase} {done}/{self._total} days{speed}{left} · {at_work}"

    def _at_work(self) -> list[str]:
        operators = []
        for path in sorted(self._status.glob("*.json")):
            try:
                status = json.loads(read_regular(path))
                operators.append(f"{status['day']} {status['operator']}")
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue  # the day has just ended, or somebody else wrote the file: progress decides nothing
        return operators


def _published(dataset: Path, day: dt.date) -> tuple[int, int] | None:
    """What tells one publication of a day from another."""
    try:
        stat = (dataset / day_name(day) / MANIFEST_NAME).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns
