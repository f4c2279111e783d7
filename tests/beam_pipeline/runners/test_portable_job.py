"""The sentence by which a job on a portable runner ends, for what runners say and for what days have recorded."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache_beam.portability.api import beam_job_api_pb2

from beam_pipeline.runners.choice import BeamRunner
from beam_pipeline.runners.portable import PortableJob
from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.faults import is_tried_again
from beam_pipeline.workers.limits import DayLimits
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import RunStaging, open_staging
from daeda.errors import DayError, StorageUnavailable, UsageError, WorkerUnfit
from tests.beam_pipeline.runners.conftest import REPOSITORY, free_port

DAY = dt.date(2024, 1, 2)
REFUSED = "Pipeline job failed in state FAILED: java.net.ConnectException: Connection refused"


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[RunStaging]:
    with open_staging(Layout(tmp_path / "service")) as staging:
        yield staging


def told(
    staging: RunStaging, error: BaseException, *words: str, pool: str = "localhost:4711", began: bool = True
) -> BaseException:
    """What is raised when the runner ends a job by this error, days having begun or not."""
    slots = SharedDaySlots(staging.directory, 1).open()
    if began:
        slots.enter(DAY, "a", lambda: None)
        slots.leave("a")
    flags = ("--environment_type", "EXTERNAL", "--environment_config", pool, "--job_endpoint", "localhost:1", *words)
    job = PortableJob(BeamRunner("FlinkRunner", flags), slots, 1.0, "daeda-job", staging)
    job._error = error
    slots.stop(error)
    return job._error_to_raise(stopped=True)


def log(staging: RunStaging) -> str:
    return f"{staging.job_log} has what the runner said; run again to go on"


def test_a_pool_that_refuses_is_named_by_its_port(staging: RunStaging) -> None:
    error = RuntimeError("UNAVAILABLE: finishConnect(..) failed: Connection refused: localhost/127.0.0.1:4711")
    raised = told(staging, error, began=False)
    assert type(raised) is UsageError
    assert str(raised) == (
        "the job service cannot reach the worker pool localhost:4711; docs/runners.md says what workers need"
    )


def test_a_job_manager_that_is_gone_is_not_the_pool(staging: RunStaging) -> None:
    raised = told(staging, RuntimeError(REFUSED), "--flink_master", f"localhost:{free_port()}")
    assert type(raised) is DayError
    assert str(raised) == f"Flink's JobManager does not answer any more: {log(staging)}"


@pytest.mark.parametrize(
    "said",
    [
        REFUSED,
        "org.apache.flink.client.program.rest.RestClusterClient: no answer",
        "Pipeline job failed in state FAILED: java.net.UnknownHostException: no.such.host",
    ],
)
def test_a_job_manager_that_was_never_there_is_wrong_usage(staging: RunStaging, said: str) -> None:
    raised = told(staging, RuntimeError(said), "--flink_master", f"localhost:{free_port()}", began=False)
    assert type(raised) is UsageError
    assert str(raised) == (
        "the job server cannot reach Flink's JobManager: start Flink, or start the job server with Flink's address as "
        f"its --flink-master; {staging.job_log} has what the runner said"
    )


def test_who_has_refused_may_not_be_known(staging: RunStaging) -> None:
    with socket.create_server(("localhost", 0)):
        raised = told(staging, RuntimeError(REFUSED))
    assert str(raised) == (
        f"the job service cannot reach the engine any more, or the worker pool localhost:4711: {log(staging)}"
    )


def test_who_was_never_there_may_not_be_known(staging: RunStaging) -> None:
    raised = told(staging, RuntimeError(REFUSED), began=False)
    assert type(raised) is UsageError
    assert str(raised) == (
        "the job server cannot reach Flink's JobManager, or the worker pool localhost:4711: see that both are there, "
        f"and that it was started with Flink's address as its --flink-master; {staging.job_log} has what it said"
    )


def test_what_nobody_knows_is_a_sentence_with_the_log(staging: RunStaging) -> None:
    raised = told(staging, RuntimeError("something\nin many\nlines"))
    assert type(raised) is DayError
    assert str(raised) == f"the job failed on the runner (something): {log(staging)}"


def test_a_worker_that_is_unfit_is_wrong_usage_until_days_have_begun(staging: RunStaging) -> None:
    raised = told(staging, WorkerUnfit("the worker on a has duckdb 1"), began=False)
    assert type(raised) is UsageError
    assert str(raised) == "the worker on a has duckdb 1; docs/runners.md says what workers need"


def fail_and_try_again(staging: RunStaging) -> None:
    """A day of a watched run fails by a fault that may pass."""
    limits = DayLimits(memory_bytes=1 << 30, threads=1, temp_directory="")
    service = str(staging.layout.service_dir)
    context = RunContext("service", "data", service, str(staging.directory), limits, 1, watched=True)
    assert is_tried_again(context, DAY, StorageUnavailable("day 2024-01-02: s3://lake/x did not answer 6 times"))


def test_the_fault_of_a_day_is_told_as_the_day_has_recorded_it(staging: RunStaging) -> None:
    fail_and_try_again(staging)
    said = "java.lang.RuntimeException: Error received from SDK harness: … day 2024-01-02: s3://lake/x did not answer"
    raised = told(staging, RuntimeError(f"{said} 6 times [while running 'Skeleton/scan']"))
    assert type(raised) is StorageUnavailable
    assert str(raised) == "day 2024-01-02: s3://lake/x did not answer 6 times"


def test_an_end_of_the_engine_counts_before_faults_that_it_has_tried_again(staging: RunStaging) -> None:
    fail_and_try_again(staging)
    raised = told(staging, RuntimeError("JobMasterException: TaskManager with id tm2 is no longer reachable."))
    assert str(raised) == f"Flink has lost the TaskManager tm2: {log(staging)}"


# A worker with a day at work; it says so, and waits to be killed.
WORKER = """
import datetime as dt, sys, time
from pathlib import Path
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
SharedDaySlots(Path(sys.argv[1]), 1).enter(dt.date(2024, 1, 2), "a", lambda: None)
print("at work", flush=True)
time.sleep(600)
"""


class NeverEnding:
    """A pipeline on a job service that waits for a worker that is gone; it ends when it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.runner = self._job_service = self
        self._job_id = "id"

    def run(self) -> NeverEnding:
        return self

    def wait_until_finish(self) -> None:
        self.cancelled.wait()

    def GetState(self, _request: object, timeout: float) -> beam_job_api_pb2.JobStateEvent:
        states = beam_job_api_pb2.JobState
        return beam_job_api_pb2.JobStateEvent(state=states.CANCELLED if self.cancelled.is_set() else states.RUNNING)

    def Cancel(self, _request: object, timeout: float) -> None:
        self.cancelled.set()


@pytest.mark.parametrize("begins", [True, False])
def test_a_job_in_which_nothing_happens_is_given_up_and_cancelled(staging: RunStaging, begins: bool) -> None:
    slots = SharedDaySlots(staging.directory, 1).open()
    pipeline = NeverEnding()
    flags = (
        "--environment_type",
        "EXTERNAL",
        "--environment_config",
        "localhost:4711",
        "--job_endpoint",
        "localhost:1",
    )
    with contextlib.ExitStack() as stack:
        if begins:
            words = [sys.executable, "-c", WORKER, str(staging.directory)]
            worker = stack.enter_context(subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE))
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"at work\n"
            # While a day is at work no time-out is over.
            threading.Timer(0.6, worker.kill).start()
        job = PortableJob(BeamRunner("FlinkRunner", flags), slots, 0.3, "daeda-job", staging)
        with pytest.raises(DayError if begins else UsageError) as failure:
            job.run(pipeline)  # type: ignore[arg-type]
    assert pipeline.cancelled.is_set()
    assert str(failure.value) == (
        "no worker has had a day at work within 0.3 s (--worker-timeout), and days are left: a worker was lost, or the "
        "runner gives them no work; see the log of the worker pool localhost:4711, and run again to go on"
        if begins
        else "no worker has begun a day within 0.3 s (--worker-timeout): see the log of the worker pool "
        "localhost:4711; docs/runners.md says what workers need"
    )
