"""Who stands in for a driver that was killed, where its job has its workers in the driver's own process (LOOPBACK).

Such a job asks for workers at an address of the driver. When nobody listens there any more it fails, and an engine that
starts failed jobs again does so for ever. So the driver of such a job starts this process, tells it what the job is,
and ends it when the job is over. Where the pipe ends first, the driver was killed, or does not know that it is: then
this process cancels the job where that can be done, and gives it workers until it has ended. Their days see that the
run is over, and end without an error.

    {"name": "daeda-…", "flink": "localhost:8081", "servers": [4711]}
    {"pool": "localhost:4712"}
    {"job": "ID", "endpoint": "localhost:8099"}

Job servers that the driver has started itself end with it, and with them a Flink inside of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from daeda.process.supervised import report_survivor

if TYPE_CHECKING:
    from beam_pipeline.runners.submitted_job import Asked

# How long a job is stood in for, and for how long nobody may have asked for a worker where no state is told: engines
# wait for a minute between two starts of a job.
_MOST_SECONDS = 900.0
_QUIET_SECONDS = 90.0
_LOOK_SECONDS = 0.2


class StandIn:
    """The process beside a driver, seen from the driver."""

    def __init__(self) -> None:
        words = [sys.executable, "-m", "beam_pipeline.runners.stand_in"]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        # The supervisor of a driver that was killed ends what that left behind, and this is to stay for a while.
        report_survivor(self._process.pid)

    def tell(self, **message: Any) -> None:
        """Tell it what it has to know, at any time."""
        assert self._process.stdin is not None
        with suppress(OSError):  # somebody has ended it
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def leave(self, is_over: bool) -> None:
        """The driver ends; where its job `is_over`, there is nothing left to do."""
        if is_over:
            self._process.kill()
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        if is_over:
            self._process.wait()


def main() -> int:
    """Wait for the end of the driver, and stand in for it where it was killed."""
    told: dict[str, Any] = {}
    for line in sys.stdin.buffer:
        told |= json.loads(line)
    for server in told.get("servers", ()):
        with suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)
    if "pool" in told:
        _stand_in(told)
    return 0


def _stand_in(told: dict[str, Any]) -> None:
    # Beam is imported when it is needed: next to every such driver this process only waits.
    from beam_pipeline.runners.loopback_pool import serve_again
    from beam_pipeline.runners.submitted_job import NoAnswer, flink_at, job_service_at

    flink = flink_at(told.get("flink"), told.get("name", ""))
    job_service = job_service_at(told["endpoint"], told["job"]) if told.get("endpoint") and "job" in told else None
    pool = serve_again(told["pool"])
    until = time.monotonic() + _MOST_SECONDS
    if flink is not None:
        with suppress(NoAnswer):
            flink.cancel()
    while time.monotonic() < until and not (_has_ended(flink or job_service) or pool.quiet_for(_QUIET_SECONDS)):
        time.sleep(_LOOK_SECONDS)
    pool.stop()


def _has_ended(place: Asked | None) -> bool:
    """Whether the job is known to have ended; CANCELLED is only what the driver has asked for."""
    from beam_pipeline.runners.submitted_job import NoAnswer

    if place is None:
        return False
    try:
        return place.state() != "CANCELLED" and place.has_ended()
    except NoAnswer:
        return False


if __name__ == "__main__":
    raise SystemExit(main())
