"""A job that Flink cannot go on with is cancelled, and one of another name builds the days that are left."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from apache_beam.portability.api import beam_fn_api_pb2

from beam_pipeline.runners.worker_pool import WorkerPool
from tests.beam_pipeline.runners.conftest import free_port, left_in_staging
from tests.beam_pipeline.runners.slow_runs import (
    DAY_WORKERS,
    DAYS,
    Attempts,
    Running,
    published,
    running,
    skeleton,
    slow,
    time_for_a_worker,
    wait_for,
    worker_processes,
)

__all__ = ["running", "skeleton", "slow"]

# Its time-out is waited for.
pytestmark = pytest.mark.cases


class ForgetfulPool(WorkerPool):
    """One that promises a worker and starts none, as a pool does that is killed in between; `forgets` so many."""

    def __init__(self) -> None:
        super().__init__()
        self.forgets = self.forgotten = 0

    def StartWorker(self, request: Any, context: Any) -> Any:
        if self.forgotten < self.forgets:
            self.forgotten += 1
            return beam_fn_api_pb2.StartWorkerResponse()
        return super().StartWorker(request, context)


@contextlib.contextmanager
def forgetful_pool() -> Iterator[tuple[ForgetfulPool, str]]:
    """The pool, and its address."""
    pool, port = ForgetfulPool(), free_port()
    pool.listen("localhost", port)
    try:
        yield pool, f"localhost:{port}"
    finally:
        pool.stop()


def test_a_worker_that_was_promised_and_never_started_costs_a_time_out(
    flink: tuple[str, ...], flink_log: Path, running: Running, skeleton: Path
) -> None:
    """Beam's Flink runner waits for it without an end."""
    with forgetful_pool() as (pool, address):
        workers = ("--environment_type", "EXTERNAL", "--environment_config", address)
        limit = time_for_a_worker()
        process = running(*flink, "--parallelism", str(DAY_WORKERS), *workers, "--worker-timeout", str(limit))
        attempts = Attempts(skeleton)
        # Between two days a worker holds no place: the one that was seen is killed.
        seen: list[psutil.Process] = []

        def is_at_work() -> bool:
            seen[:] = worker_processes(skeleton) if published(skeleton) else []
            return bool(seen)

        attempts.watch(process, is_at_work)
        pool.forgets = 1
        seen[0].kill()
        wait_for(process, lambda: pool.forgotten)
        attempts.watch_to_the_end(process, 240 + limit)
        _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    told = re.findall(r"^warning: .*$", stderr, re.MULTILINE)
    assert len(told) == 1, stderr
    name = re.fullmatch(
        rf"warning: no worker has had a day at work within {limit} s \(--worker-timeout\), and days are left: the job "
        r"'(daeda-ranking-\S+)' was cancelled, and '\1-2' goes on",
        told[0],
    )
    assert name is not None, told
    entered = re.findall(rf"Job ({name[1]}\S*) \(\w+\) switched from state \w+ to (CANCELED|FINISHED)", log(flink_log))
    assert entered == [(name[1], "CANCELED"), (f"{name[1]}-2", "FINISHED")]
    assert len(published(skeleton)) == DAYS
    assert sum(attempts.repeated.values()) <= DAY_WORKERS, attempts.repeated
    assert left_in_staging(skeleton) == []


def log(directory: Path) -> str:
    """What the embedded Flink has said."""
    return (directory / "job-server.log").read_text()
