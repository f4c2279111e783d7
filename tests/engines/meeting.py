"""A project whose days wait for each other: whether so many are at work at once is not a matter of how long they take.

The first days do not go on before so many have begun, and every day counts how many are inside with it.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from tests.daeda.functions.project import FunctionProject
from tests.projects import TinyProject

# How long the first days wait for the others, and how long all look whether there are more than that.
_SECONDS_TO_MEET = 240
_LOOK_SECONDS = 0.3
_SOURCE = '''
import time
import uuid
from pathlib import Path

MEETING = Path({meeting!r})


def meet(times):
    """The times as they are, after the others have come."""
    if not len(times):
        return times
    day = str(times[0].as_py().date())
    inside = MEETING / "inside" / f"{{day}}.{{uuid.uuid4().hex}}"
    inside.touch()
    (MEETING / "begun" / day).touch()
    until = time.monotonic() + {seconds}
    while len(list((MEETING / "begun").iterdir())) < {together}:
        if time.monotonic() > until:
            raise RuntimeError("the others have not come")
        time.sleep(0.02)
    until, most = time.monotonic() + {look}, 0
    while time.monotonic() < until:
        most = max(most, len(list((MEETING / "inside").iterdir())))
        time.sleep(0.01)
    (MEETING / "met" / f"{{inside.name}}.{{most}}").touch()
    inside.unlink()
    return times
'''


class Meeting:
    """`days` days, of which `together` have to be at work at once; each takes `seconds`."""

    def __init__(self, root: Path, days: int, together: int, seconds: float = _LOOK_SECONDS) -> None:
        self._directory = root / "meeting"
        for name in ("inside", "begun", "met"):
            (self._directory / name).mkdir(parents=True)
        source = _SOURCE.format(meeting=str(self._directory), together=together, seconds=_SECONDS_TO_MEET, look=seconds)
        project = FunctionProject(root / "project")
        project.calls(source, "meet", ["event_timestamp"], "timestamp[us]")
        first = dt.datetime(2024, 1, 2, 12)
        times = [first + dt.timedelta(days=number) for number in range(-1, days)]
        project.data["events"] = [(1, 10, time, 1.0) for time in times]
        project.views["prices"]["source"]["missing_partitions"] = "empty"
        project.runtime |= {"feed_start": "2024-01-02", "feed_end": str(times[-1].date())}
        self.project: TinyProject = project.write().write_data()

    def let_go(self) -> None:
        """Let days go on that wait for one more."""
        (self._directory / "begun" / "nobody").touch()

    @property
    def most_at_once(self) -> int:
        """How many days were at work at once, as the days themselves have seen."""
        return max(int(path.name.rpartition(".")[2]) for path in (self._directory / "met").iterdir())

    @property
    def attempts(self) -> int:
        """How many attempts have begun the meeting."""
        return len(
            {path.name.split(".")[1] for name in ("inside", "met") for path in (self._directory / name).iterdir()}
        )
