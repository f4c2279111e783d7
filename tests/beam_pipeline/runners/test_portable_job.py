"""The sentence by which a job on a portable runner ends, for what runners say and for what days have recorded."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2

from beam_pipeline.runners import portable
from beam_pipeline.runners.choice import BeamRunner
from beam_pipeline.runners.job_errors import JobErrors
from beam_pipeline.runners.portable import PortableJob, TimeLimits
from beam_pipeline.runners.submitted_job import Flink, flink_at
from beam_pipeline.workers import time_limits
from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.faults import is_tried_again
from beam_pipeline.workers.limits import DayLimits
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import RunStaging, open_staging
from daeda.errors import DayError, StorageUnavailable, UsageError, WorkerUnfit
from tests.beam_pipeline.runners.conftest import REPOSITORY, free_port
from tests.beam_pipeline.runners.test_embedded_flink import address_of
from tests.beam_pipeline.runners.test_submitted_job import Rest, rest

__all__ = ["rest"]

DAY = dt.date(2024, 1, 2)
# Above the greatest number that Linux gives a process.
NO_PROCESS = 2**22 + 1
REFUSED = "Pipeline job failed in state FAILED: java.net.ConnectException: Connection refused"


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[RunStaging]:
    with open_staging(Layout(tmp_path / "service")) as staging:
        yield staging


def told(
    staging: RunStaging,
    error: BaseException,
    *words: str,
    pool: str = "localhost:4711",
    began: bool = True,
    messages: Sequence[str] = (),
) -> BaseException:
    """What is raised when the runner ends a job by this error, days having begun or not, and messages of the job."""
    slots = SharedDaySlots(staging.directory, 1).open()
    if began:
        slots.enter(DAY, "a", lambda: None)
        slots.leave("a")
    flags = ("--environment_type", "EXTERNAL", "--environment_config", pool, "--job_endpoint", "localhost:1", *words)
    runner = BeamRunner("FlinkRunner", flags)
    responses = [beam_job_api_pb2.JobMessage(message_text=text) for text in messages]
    result = SimpleNamespace(
        _messages=[beam_job_api_pb2.JobMessagesResponse(message_response=response) for response in responses]
    )
    errors = JobErrors(runner, slots, flink_at(runner.flink_master, "daeda-job"), staging, result)
    slots.stop(error)
    return errors.raised(error, stopped=True)


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


def test_a_job_service_that_is_gone_ends_the_run(staging: RunStaging) -> None:
    """As gRPC says it of an address where nobody listens any more."""
    port = free_port()
    with grpc.insecure_channel(f"localhost:{port}") as channel, pytest.raises(grpc.RpcError) as said:
        channel.unary_unary("/service/method")(b"", timeout=60)
    raised = told(staging, said.value)
    assert type(raised) is DayError
    assert re.fullmatch(rf"the job service does not answer any more \(.*{port}.*\): run again to go on", str(raised)), (
        str(raised)
    )


def test_what_nobody_knows_is_a_sentence_with_the_log(staging: RunStaging) -> None:
    raised = told(staging, RuntimeError("something\nin many\nlines"))
    assert type(raised) is DayError
    assert str(raised) == f"the job failed on the runner (something): {log(staging)}"


def test_a_worker_that_is_unfit_is_wrong_usage_until_days_have_begun(staging: RunStaging) -> None:
    raised = told(staging, WorkerUnfit("the worker on a has duckdb 1"), began=False)
    assert type(raised) is UsageError
    assert str(raised) == "the worker on a has duckdb 1; docs/runners.md says what workers need"


OTHER_PYTHON = (
    "RuntimeError: Pipeline construction environment and pipeline runtime environment are not compatible. If you use a "
    "custom container image, check that the Python interpreter minor version and the Apache Beam version in your image "
    "match the versions used at pipeline construction time. Submission environment: "
    "beam:version:sdk_base:apache/beam_python3.11_sdk:2.77.0. Runtime environment: "
    "beam:version:sdk_base:apache/beam_python3.12_sdk:2.76.0rc1."
)


@pytest.mark.parametrize(
    ("error", "messages"), [(OTHER_PYTHON, []), ("Error running pipeline.", ["other", f"Traceback\n{OTHER_PYTHON}\n"])]
)
def test_workers_of_another_python_or_beam_are_wrong_usage(
    staging: RunStaging, error: str, messages: list[str]
) -> None:
    raised = told(staging, RuntimeError(error), began=False, messages=messages)
    assert type(raised) is UsageError
    assert str(raised) == (
        "the workers have Python 3.12 and Beam 2.76.0rc1 instead of 3.11 and 2.77.0: install the same there; "
        "docs/runners.md says what workers need"
    )


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


@contextlib.contextmanager
def worker(staging: RunStaging) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in another process, with the day at work."""
    words = [sys.executable, "-c", WORKER, str(staging.directory)]
    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        # A run that waits for it for ever fails by its end.
        end = threading.Timer(60, process.kill)
        end.start()
        try:
            yield process
        finally:
            end.cancel()
            process.kill()


class NeverEnding:
    """A pipeline whose end nobody tells; it ends when it is cancelled, and its job service says this `state` before."""

    def __init__(self, state: int = beam_job_api_pb2.JobState.RUNNING) -> None:
        self.state = state
        self.cancelled = threading.Event()
        self.runner = self._job_service = self
        self.options = PipelineOptions([])
        self.names: list[str] = []
        self.started_processes: list[int] = []
        self._job_id = "id"

    def run(self) -> NeverEnding:
        self.names.append(self.options.view_as(GoogleCloudOptions).job_name)
        return self

    def start_and_replace_loopback_environments(self, _pipeline: object, _options: object) -> None:
        raise AssertionError("nothing is submitted here")

    def wait_until_finish(self) -> None:
        self.cancelled.wait()

    def GetState(self, _request: object, timeout: float) -> beam_job_api_pb2.JobStateEvent:
        state = beam_job_api_pb2.JobState.CANCELLED if self.cancelled.is_set() else self.state
        return beam_job_api_pb2.JobStateEvent(state=state)

    def Cancel(self, _request: object, timeout: float) -> None:
        self.cancelled.set()


def job_of(
    staging: RunStaging,
    worker_timeout: float = 0.3,
    day_minutes: float = 60.0,
    *words: str,
    left: Callable[[], Sequence[dt.date]] = lambda: [DAY],
) -> PortableJob:
    """A job with these limits and flags, and so many days left; its slots are open."""
    slots = SharedDaySlots(staging.directory, 1).open()
    pool = ("--environment_type", "EXTERNAL", "--environment_config", "localhost:4711")
    flags = (*pool, "--job_endpoint", "localhost:1", *words)
    limits = TimeLimits(worker_timeout, day_minutes)
    return PortableJob(BeamRunner("FlinkRunner", flags), slots, limits, "daeda-job", staging, left)


def ended_by(job: PortableJob, pipeline: NeverEnding) -> str:
    """The sentence by which a run ends that has days left."""
    with pytest.raises((DayError, UsageError)) as failure:
        job.run(pipeline)  # type: ignore[arg-type]
    return str(failure.value)


class Renewed(NeverEnding):
    """Whose job is cancelled alone: one that is submitted anew runs again."""

    def run(self) -> Renewed:
        self.cancelled = threading.Event()
        super().run()
        return self


def at_work_once(staging: RunStaging) -> None:
    """A day gets a slot and gives it back."""
    slots = SharedDaySlots(staging.directory, 1)
    slots.enter(DAY, "a", lambda: None)
    slots.leave("a")


def job_on(rest: Rest, staging: RunStaging, left: Callable[[], Sequence[dt.date]] = lambda: [DAY]) -> PortableJob:
    """One whose Flink can be asked."""
    return job_of(staging, 0.3, 60.0, "--flink_master", rest.address, left=left)


def going_on(old: str, new: str) -> str:
    return (
        "warning: no worker has had a day at work within 0.3 s (--worker-timeout), and days are left: the job "
        f"'{old}' was cancelled, and '{new}' goes on\n"
    )


def test_a_job_that_has_lost_its_workers_is_submitted_anew(
    staging: RunStaging, rest: Rest, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = Renewed()
    # All days are there once the second job has run for as long as the first.
    job = job_on(rest, staging, lambda: [DAY] if len(pipeline.names) == 1 else [])
    at_work_once(staging)
    job.run(pipeline)  # type: ignore[arg-type]
    assert pipeline.names == ["daeda-job", "daeda-job-2"]
    assert pipeline.cancelled.is_set()
    assert capsys.readouterr().err == going_on("daeda-job", "daeda-job-2")


def test_a_job_that_was_submitted_anew_and_does_nothing_is_given_up(staging: RunStaging, rest: Rest) -> None:
    """Workers that are gone for good cost one time-out more."""
    job, pipeline = job_on(rest, staging), Renewed()
    at_work_once(staging)
    assert ended_by(job, pipeline) == NO_DAY
    assert pipeline.names == ["daeda-job", "daeda-job-2"]


def test_a_job_is_submitted_anew_a_few_times(staging: RunStaging, rest: Rest) -> None:
    """Each time another day was built."""
    pipeline = Renewed()
    job = job_on(rest, staging, lambda: [DAY] * (10 - len(pipeline.names)))
    at_work_once(staging)
    assert ended_by(job, pipeline) == NO_DAY
    assert pipeline.names == ["daeda-job", "daeda-job-2", "daeda-job-3", "daeda-job-4"]


def test_flink_is_asked_for_the_job_that_stands_in(staging: RunStaging, rest: Rest) -> None:
    job, pipeline = job_on(rest, staging), Renewed()
    rest.jobs = [{"jid": f"a{n}", "name": f"daeda-job{name}", "state": "RUNNING"} for n, name in enumerate(("", "-2"))]
    at_work_once(staging)
    assert ended_by(job, pipeline) == NO_DAY
    assert rest.asked == ["/jobs/a0?mode=cancel", "/jobs/a1?mode=cancel"]


def test_a_job_of_which_it_is_not_known_that_it_has_ended_has_no_other_beside_it(
    staging: RunStaging, rest: Rest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portable, "_END_SECONDS", 0.5)
    job, pipeline = job_on(rest, staging), Renewed()
    rest.jobs = [{"jid": "a1", "name": "daeda-job", "state": "RUNNING"}]
    rest.ends_what_is_cancelled = False
    at_work_once(staging)
    assert ended_by(job, pipeline) == NO_DAY
    assert pipeline.names == ["daeda-job"]
    assert "it is not known that the job 'daeda-job' has ended: Flink at" in capsys.readouterr().err


NO_DAY = (
    "no worker has had a day at work within 0.3 s (--worker-timeout), and days are left: a worker was lost, or the "
    "runner gives them no work; see the log of the worker pool localhost:4711, and run again to go on"
)


@pytest.mark.parametrize("begins", [True, False])
def test_a_job_in_which_nothing_happens_is_given_up_and_cancelled(staging: RunStaging, begins: bool) -> None:
    job, pipeline = job_of(staging), NeverEnding()
    with contextlib.ExitStack() as stack:
        if begins:
            # While a day is at work no time-out is over.
            threading.Timer(0.6, stack.enter_context(worker(staging)).kill).start()
        told = ended_by(job, pipeline)
    assert pipeline.cancelled.is_set()
    assert told == (
        NO_DAY
        if begins
        else "no worker has begun a day within 0.3 s (--worker-timeout): see the log of the worker pool "
        "localhost:4711; docs/runners.md says what workers need"
    )


def test_workers_that_cannot_build_days_are_told_where_flink_begins_the_job_again_for_ever(
    staging: RunStaging, rest: Rest
) -> None:
    """Such a job does not end by itself."""
    job, pipeline = job_of(staging, 0.3, 60.0, "--flink_master", rest.address), NeverEnding()
    rest.jobs = [{"jid": "a1", "name": "daeda-job", "state": "RESTARTING"}]
    rest.failure = (
        "java.lang.RuntimeException: Error received from SDK harness for instruction 4: Traceback (most recent call "
        'last):\n  File "registry.py", line 93\ndaeda.errors.WorkerUnfit: the worker on b does not see /output [while '
        "running 'Skeleton/scan']\n\n\tat java.base"
    )
    assert ended_by(job, pipeline) == "the worker on b does not see /output; docs/runners.md says what workers need"
    assert rest.asked == ["/jobs/a1?mode=cancel"]


def test_a_worker_that_was_stopped_does_not_hold_the_run_for_ever(
    staging: RunStaging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not look at the clock itself, and keeps its slot."""
    monkeypatch.setattr(time_limits, "_SLACK_SECONDS", 0.0)
    monkeypatch.setattr(time_limits, "_SELDOM_SECONDS", 0.1)
    job, pipeline = job_of(staging, day_minutes=0.01), NeverEnding()
    with worker(staging) as process:
        process.send_signal(signal.SIGSTOP)
        told = ended_by(job, pipeline)
    assert pipeline.cancelled.is_set()
    assert told == (
        "day 2024-01-02: not done after 0.01 minutes, and its worker does not end it: see there, raise "
        "timeouts.day_minutes, or give the run more memory and threads (a day did not stop within 3 s)"
    )


def test_a_job_that_goes_on_behind_its_last_day_is_ended_without_an_error(staging: RunStaging) -> None:
    job, pipeline = job_of(staging, left=list), NeverEnding()
    job.run(pipeline)  # type: ignore[arg-type]
    assert pipeline.cancelled.is_set()


@pytest.mark.parametrize(("state", "fails"), [("FAILED", True), ("DONE", False)])
def test_a_job_that_has_ended_is_asked_for_where_nobody_tells(
    staging: RunStaging, monkeypatch: pytest.MonkeyPatch, state: str, fails: bool
) -> None:
    """Long before the time-out is over."""
    monkeypatch.setattr(portable, "_ASK_SECONDS", 0.1)
    job, pipeline = job_of(staging, worker_timeout=3600.0), NeverEnding(beam_job_api_pb2.JobState.Enum.Value(state))
    if fails:
        told = ended_by(job, pipeline)
        assert told == f"the job failed on the runner (the job service localhost:1 says FAILED): {log(staging)}"
    else:
        job.run(pipeline)  # type: ignore[arg-type]
    assert not pipeline.cancelled.is_set()


@pytest.mark.parametrize("knows_flink", [True, False])
def test_a_job_that_was_given_up_is_said_to_go_on_where_flink_cannot_be_asked(
    staging: RunStaging, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, knows_flink: bool
) -> None:
    """The job service says that it is cancelled; Flink begins it again, and finds no workers."""
    monkeypatch.setattr(Flink, "_job", lambda _flink: {"jid": "a1", "state": "CANCELED"})
    monkeypatch.setattr(Flink, "failure", lambda _flink: "")
    job = job_of(staging, 0.3, 60.0, *(("--flink_master", "h:2") if knows_flink else ()))
    ended_by(job, NeverEnding())
    told = (
        "warning: it is not known that the job 'daeda-job' has ended: Flink itself was not asked, for --flink_master "
        "does not name its REST, and no job server of this host has the job inside of it: its workers build nothing "
        "any more; see there, and cancel it where it still runs\n"
    )
    assert capsys.readouterr().err == ("" if knows_flink else told)


def test_a_job_that_was_given_up_is_cancelled_in_the_flink_of_its_job_server(
    staging: RunStaging, capsys: pytest.CaptureFixture[str], rest: Rest
) -> None:
    """The job server does not tell Flink."""
    rest.jobs = [{"jid": "a1", "name": "daeda-job", "state": "RESTARTING"}]
    with socket.create_server(("localhost", 0)) as job_server:
        ended_by(job_of(staging, 0.3, 60.0, "--job_endpoint", address_of(job_server)), NeverEnding())
    assert rest.asked == ["/jobs/a1?mode=cancel"]
    assert capsys.readouterr().err == ""


def test_the_flink_of_a_job_server_that_ends_with_the_run_is_not_missed(
    staging: RunStaging, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beam has started it for this run."""
    pipeline = NeverEnding()
    pipeline.started_processes = [NO_PROCESS]
    ended_by(job_of(staging), pipeline)
    assert capsys.readouterr().err == ""


def test_a_storage_that_does_not_answer_for_a_while_says_nothing_about_the_run(
    staging: RunStaging, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, pipeline = job_of(staging, worker_timeout=1.0), NeverEnding()
    looks = [0]

    def stale(_slots: SharedDaySlots) -> bool:
        looks[0] += 1
        if looks[0] in (1, 3):
            raise OSError(errno.ESTALE, "Stale file handle", "slots/0")
        return False

    monkeypatch.setattr(SharedDaySlots, "any_occupied", property(stale))
    assert ended_by(job, pipeline).startswith("no worker has begun a day within 1 s")
    assert looks[0] > 3


def test_a_storage_that_does_not_answer_any_more_ends_the_run(
    staging: RunStaging, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, pipeline = job_of(staging), NeverEnding()

    def stale(_slots: SharedDaySlots) -> bool:
        raise OSError(errno.ESTALE, "Stale file handle", "slots/0")

    monkeypatch.setattr(SharedDaySlots, "any_occupied", property(stale))
    monkeypatch.setattr(portable, "stop_seconds", lambda _cause: 0.1)
    assert ended_by(job, pipeline) == (
        "slots/0: Stale file handle: see what is wrong with that file system; the run's directory has not answered for "
        "0.3 s: days that were published stay, run again to go on (a day did not stop within 60 s)"
    )
    assert pipeline.cancelled.is_set()


def test_a_look_that_takes_long_says_nothing_of_that_time(staging: RunStaging, monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage stood still: when it goes on, workers have not had the time in which no day was seen at work."""
    monkeypatch.setattr(portable, "_MOST_LOOK_SECONDS", 0.01)
    job, pipeline = job_of(staging, worker_timeout=0.1), NeverEnding()
    looks = [0]

    def slow(_slots: SharedDaySlots) -> bool:
        looks[0] += 1
        time.sleep(0.15)
        return False

    monkeypatch.setattr(SharedDaySlots, "any_occupied", property(slow))
    ended_by(job, pipeline)
    assert looks[0] > 5
