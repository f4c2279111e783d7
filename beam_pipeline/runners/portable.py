"""A job on a portable runner: submitted, watched, and ended together with the days that it was building.

Whoever waits for such a job can wait for ever: a pool that cannot start its workers, a worker that was killed and a
job service that lost its job all look like a job that runs. So the driver watches the day slots. While days are left,
some day is at work, and none for longer than it may be; where none has been for `worker_timeout` seconds, the job is
given up. A job that is known to have ended is asked for by then, whoever forgot to tell.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.runners.runner import PipelineRunner

from beam_pipeline.runners.choice import BeamRunner
from beam_pipeline.runners.job_log import log
from beam_pipeline.runners.loopback_pool import tell_of_workers
from beam_pipeline.runners.sayings import JOB_MANAGER_GONE, meaning_of, says_refused
from beam_pipeline.runners.stand_in import StandIn
from beam_pipeline.runners.submitted_job import Asked, JobService, NoAnswer, end, flink_at
from beam_pipeline.workers.faults import ToldFaults, faults_of
from beam_pipeline.workers.limits import root_cause, stop_seconds
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from beam_pipeline.workers.stop_cause import Unforeseen
from beam_pipeline.workers.time_limits import TimeOfOthers
from daeda.dataset.publish.staging import RunStaging
from daeda.errors import (
    ERROR_CLASSES,
    DaedaError,
    DayError,
    Late,
    Stopped,
    UsageError,
    WorkerUnfit,
    cut,
    first_line,
    refusal,
)
from daeda.process.messages import warn

_LOOK_SECONDS = 0.25
# A look that takes longer says nothing of the time that it took: the storage, or this process, stood still.
_MOST_LOOK_SECONDS = 2.0
# How long no day is at work before it is asked whether the job has ended, and again; who has said so twice is believed.
_ASK_SECONDS = 5.0
_ENDED_WELL = ("DONE", "FINISHED")
# How long a job that has no day at work any more may take to end by itself, and then to be cancelled.
_END_SECONDS = 10.0
_PAGE = "docs/runners.md says what workers need"

# The last line of a traceback of a worker: "daeda.errors.DayError: day 2024-01-02, … [while running 'Skeleton/scan']".
_LAST_LINE = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*(?P<kind>\w+): (?P<message>.*?)(?: \[while running '.*'\])?\s*$", re.MULTILINE
)
# What Beam says where the Python or the Beam of a worker is another than that of the driver.
_VERSION = r"beam_python([\d.]+)_sdk:([\w.]+)\."
_OTHER_BEAM = re.compile(f"environment are not compatible.*{_VERSION} Runtime environment: .*{_VERSION}")
_MISSING = re.compile(r"ModuleNotFoundError: No module named '(?P<module>[\w.]+)'")


@dataclass(frozen=True)
class TimeLimits:
    """How many seconds no day may be at work while some are left, and how many minutes a day may be."""

    worker_timeout: float
    day_minutes: float


class PortableJob:
    """One job: `run` returns when every day has been built, and raises what stopped it.

    `name` tells the job from all others; `staging` has the faults of its days, and its log.
    """

    def __init__(
        self, runner: BeamRunner, slots: SharedDaySlots, limits: TimeLimits, name: str, staging: RunStaging
    ) -> None:
        self._runner = runner
        self._slots = slots
        self._faults = staging.faults
        self._log = staging.job_log
        self._name = name
        self._flink = flink_at(runner.flink_master, name)
        self._limits = limits
        self._ended = threading.Event()
        self._lost = False
        self._is_over = False
        # Those who say that the job has ended.
        self._ended_at: set[str] = set()
        self._tell: Callable[..., None] = lambda **_: None
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self, pipeline: beam.Pipeline, are_published: Callable[[], bool]) -> None:
        """Submit the pipeline and wait; raises the root cause of a failure. `are_published` says whether no day is left
        to be built.
        """
        with self._stood_in_for(pipeline.runner):
            self._run(pipeline, are_published)

    @contextmanager
    def _stood_in_for(self, runner: PipelineRunner) -> Iterator[None]:
        """Where the job needs this process, or a job server of its own, another process is there for its end."""
        servers = list(getattr(runner, "started_processes", ()))
        if not servers and self._runner.portable.environment_type != "LOOPBACK":
            yield
            return
        stand_in = StandIn()
        self._tell = stand_in.tell
        self._tell(name=self._name, flink=self._runner.flink_master, servers=servers)
        tell_of_workers(runner, lambda address: stand_in.tell(pool=address))
        try:
            yield
        finally:
            stand_in.leave(self._is_over)

    def _run(self, pipeline: beam.Pipeline, are_published: Callable[[], bool]) -> None:
        # Waiting is done in a thread, because a job service that does not answer is waited for without an end.
        waiting = threading.Thread(target=self._submit, args=(pipeline,), daemon=True, name="job")
        waiting.start()
        self._wait_for_end(are_published)
        if self._error is not None:
            self._slots.stop(self._error)
        if self._slots.cause is None:
            if self._ended.is_set():
                self._is_over = True
            else:
                # Every day is there, and nobody has told that the job has ended.
                self._end_job(_END_SECONDS)
            return
        seconds = stop_seconds(self._slots.cause)
        stopped = self._slots.wait_until_empty(seconds)
        if not self._lost:
            # Its days end without an error, so it does so by itself.
            waiting.join(min(seconds, _END_SECONDS) / 2)
        self._end_job(min(seconds, _END_SECONDS))
        raise self._error_to_raise(stopped)

    def _submit(self, pipeline: beam.Pipeline) -> None:
        try:
            self._result = pipeline.run()
            self._tell(job=self._result._job_id, endpoint=self._runner.portable.job_endpoint)
            self._result.wait_until_finish()
        except BaseException as error:  # noqa: BLE001 - `run` raises its root cause
            log.info("the job has ended", exc_info=error)
            self._error = error
        finally:
            self._ended.set()

    def _wait_for_end(self, are_published: Callable[[], bool]) -> None:
        """Return when the job has ended, when something stopped it, or when nothing has happened for too long."""
        time_of_others = TimeOfOthers(self._slots, self._limits.day_minutes)
        told = ToldFaults(self._faults)
        idle = blind = asked = 0.0
        before = time.monotonic()
        while not self._ended.wait(_LOOK_SECONDS):
            now = time.monotonic()
            passed, before = min(now - before, _MOST_LOOK_SECONDS), now
            try:
                if self._slots.cause is not None:
                    return
                late = time_of_others.late()
                if late is not None:
                    self._slots.stop(Late(late))
                    return
                told.look()
                idle, blind = 0.0 if self._slots.any_occupied else idle + passed, 0.0
            except OSError as error:
                # A storage that does not answer says nothing about the run, for a while.
                blind += passed
                if blind > self._limits.worker_timeout:
                    self._lost = True
                    self._slots.stop(self._no_sight(error))
                    return
                continue
            if idle > self._limits.worker_timeout:
                if not are_published():
                    self._lost = True
                    self._slots.stop(self._no_sign_of_life())
                return
            asked = min(asked, idle)
            if idle - asked > _ASK_SECONDS:
                asked = idle
                if self._has_ended_unheard():
                    return

    def _has_ended_unheard(self) -> bool:
        """Whether the job is known to have ended, for some time, and nobody has told this process."""
        for place in self._places():
            with suppress(NoAnswer):
                state = place.ended_as()
                if state is None:
                    continue
                if place.name in self._ended_at:
                    # What a job has left that ended well is seen by who looks for its days.
                    self._error = None if state in _ENDED_WELL else RuntimeError(f"{place.name} says {state}")
                    return True
                self._ended_at.add(place.name)
        return False

    def _places(self) -> list[Asked]:
        """Who knows the job."""
        places: list[Asked] = [] if self._flink is None else [self._flink]
        if self._result is not None:
            where = self._runner.portable.job_endpoint or "of this run"
            service = JobService(f"the job service {where}", self._result._job_service, self._result._job_id)
            places.insert(0, service)
        return places

    def _end_job(self, seconds: float) -> None:
        """See that the job is over, and cancel what has not ended by itself; a sentence where that is not known."""
        left = end(self._places(), seconds)
        # One that is just being submitted is not known by anybody yet.
        self._is_over = not left and (self._result is not None or self._ended.is_set())
        if left:
            warn(
                f"it is not known that the job '{self._name}' has ended: {'; '.join(left)}: its workers build nothing "
                "any more; see there, and cancel it where it still runs"
            )

    def _no_sight(self, error: OSError) -> DaedaError:
        return DayError(
            f"{refusal(error)}; the run's directory has not answered for {self._limits.worker_timeout:g} s: days that "
            "were published stay, run again to go on"
        )

    def _no_sign_of_life(self) -> DaedaError:
        wait = f"within {self._limits.worker_timeout:g} s (--worker-timeout)"
        if self._slots.began:
            return DayError(
                f"no worker has had a day at work {wait}, and days are left: a worker was lost, or the runner gives "
                f"them no work; see the log of {self._workers}, and run again to go on"
            )
        return UsageError(f"no worker has begun a day {wait}: see the log of {self._workers}; {_PAGE}")

    def _error_to_raise(self, stopped: bool) -> BaseException:
        """What to raise: the first cause that a day or the driver gave, else what the runner's error says."""
        cause = self._slots.cause
        assert cause is not None
        if isinstance(cause, WorkerUnfit):
            return self._unfit(str(cause))
        foreseen = root_cause(cause, stopped)
        if foreseen is not None:
            return foreseen
        error = self._error if self._error is not None else cause
        return self._fault_of_a_day(error) or self._translated(error) or self._not_foreseen(error)

    def _not_foreseen(self, error: BaseException) -> BaseException:
        if self._error is None:
            return error  # of a worker: shown whole
        return DayError(f"the job failed on the runner ({cut(first_line(error), 200)}): {self._advice}")

    @property
    def _advice(self) -> str:
        return f"{self._log} has what the runner said; run again to go on"

    def _fault_of_a_day(self, error: BaseException) -> BaseException | None:
        """The fault by which a job ended that its runner did not try again, None where the runner tells of another."""
        text = str(error)
        try:
            faults = faults_of(self._faults)
        except OSError:
            return None  # the error itself is told
        for fault in reversed(faults):
            if first_line(Exception(fault.sentence)) in text:
                return fault.error or Unforeseen(fault.message)
        return None

    def _translated(self, error: BaseException) -> DaedaError | None:
        """The sentence inside of the runner's error, None where there is none."""
        text = str(error)
        if isinstance(error, grpc.RpcError):
            return DayError(f"the job service does not answer any more ({_details(error)}): run again to go on")
        other = _OTHER_BEAM.search(f"{self._messages}\n{text}\n")
        if other is not None:
            python, version, other_python, other_version = other.groups()
            return self._unfit(
                f"the workers have Python {other_python} and Beam {other_version} instead of {python} and {version}: "
                "install the same there"
            )
        missing = _MISSING.search(text)
        if missing is not None:
            return self._unfit(
                f"the workers have no module '{missing['module']}': install daeda's wheel where they run"
            )
        for line in reversed(list(_LAST_LINE.finditer(text))):
            kind = ERROR_CLASSES.get(line["kind"])
            if kind is WorkerUnfit:
                return self._unfit(line["message"])
            if kind is not None and kind is not Stopped:
                return kind(line["message"])
        meaning = None if says_refused(text, self._pool) else meaning_of(text)
        if meaning == JOB_MANAGER_GONE:
            return self._without_job_manager()
        if meaning is not None:
            return DayError(f"{meaning}: {self._advice}")
        return self._refused(text) if says_refused(text) else None

    @property
    def _messages(self) -> str:
        """All that the job service has told of the job: of what its workers say it may repeat nothing in its error."""
        told = getattr(self._result, "_messages", ())
        return "\n".join(one.message_response.message_text for one in told if one.HasField("message_response"))

    def _without_job_manager(self) -> DaedaError:
        """Wrong usage, unless days were built before: the address may be that of nobody."""
        if self._slots.began:
            return DayError(f"{JOB_MANAGER_GONE}: {self._advice}")
        return UsageError(
            "the job server cannot reach Flink's JobManager: start Flink, or start the job server with Flink's address "
            f"as its --flink-master; {self._log} has what the runner said"
        )

    def _refused(self, text: str) -> DaedaError:
        """A connection of the job service was refused, by workers or by Flink's JobManager: it rarely says by whom."""
        if not says_refused(text, self._pool):
            if self._flink is not None and self._flink.silence() is not None:
                return self._without_job_manager()
            if self._slots.began:
                return DayError(
                    f"the job service cannot reach the engine any more, or {self._who_works}: {self._advice}"
                )
            if self._runner.name == "FlinkRunner":
                return UsageError(
                    f"the job server cannot reach Flink's JobManager, or {self._who_works}: see that both are there, "
                    f"and that it was started with Flink's address as its --flink-master; {self._log} has what it said"
                )
        return self._unfit(f"the job service cannot reach {self._who_works}")

    def _unfit(self, sentence: str) -> DaedaError:
        """Wrong usage, unless days were built before."""
        return DayError(sentence) if self._slots.began else UsageError(f"{sentence}; {_PAGE}")

    @property
    def _pool(self) -> str:
        """Where the pool is that starts workers; empty where there is none."""
        return self._runner.pool

    @property
    def _who_works(self) -> str:
        kind = self._runner.portable.environment_type
        return {"LOOPBACK": "the workers in this process", "EXTERNAL": f"the worker pool {self._pool}"}.get(
            kind, "the workers"
        )

    @property
    def _workers(self) -> str:
        """Who has a log that says why workers do not work."""
        if self._runner.portable.environment_type == "LOOPBACK":
            return "the job service, which must reach the workers in this process"
        return self._who_works


def _details(error: grpc.RpcError) -> str:
    details = getattr(error, "details", lambda: "")()
    return first_line(Exception(details) if details else error)
