"""A job on a portable runner: submitted, watched, and ended together with the days that it was building.

Whoever waits for such a job can wait for ever: a pool that cannot start its workers, a worker that was killed and a
job service that lost its job all look like a job that runs. So the driver watches the day slots. While days are left,
some day is at work, and none for longer than it may be; where none has been for `worker_timeout` seconds, the job is
given up. A job that is known to have ended is asked for by then, whoever forgot to tell.

What an engine has lost track of, a job of another name does not inherit: Beam's Flink runner may keep the environment
of a worker that is dead and fail each restart by it, or wait for a worker that a pool has promised and never started.
So a job that had days at work is submitted anew, a few times, before the run is given up.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import apache_beam as beam
from apache_beam.runners.runner import PipelineRunner

from beam_pipeline.runners.choice import BeamRunner
from beam_pipeline.runners.job_errors import JobErrors
from beam_pipeline.runners.loopback_pool import tell_of_workers
from beam_pipeline.runners.stand_in import StandIn
from beam_pipeline.runners.submission import Submission
from beam_pipeline.workers.faults import ToldFaults
from beam_pipeline.workers.limits import stop_seconds
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from beam_pipeline.workers.time_limits import TimeOfOthers
from daeda.dataset.publish.staging import RunStaging
from daeda.errors import Late
from daeda.process.messages import warn

_LOOK_SECONDS = 0.25
# A look that takes longer says nothing of the time that it took: the storage, or this process, stood still.
_MOST_LOOK_SECONDS = 2.0
# How long no day is at work before it is asked whether the job has ended, and again; who has said so twice is believed.
_ASK_SECONDS = 5.0
# How long a job that has no day at work any more may take to end by itself, and then to be cancelled.
_END_SECONDS = 10.0
# How often a job is submitted anew; each of them had days at work.
_MOST_RENEWALS = 3


@dataclass(frozen=True)
class TimeLimits:
    """How many seconds no day may be at work while some are left, and how many minutes a day may be."""

    worker_timeout: float
    day_minutes: float


class PortableJob:
    """The days of a run on a portable runner: `run` returns when every day has been built, and raises what stopped it.

    `name` tells the job from all others; `staging` has the faults of its days, and its log. `left` says which days are
    not published yet.
    """

    def __init__(
        self,
        runner: BeamRunner,
        slots: SharedDaySlots,
        limits: TimeLimits,
        name: str,
        staging: RunStaging,
        left: Callable[[], Sequence[dt.date]],
    ) -> None:
        self._runner = runner
        self._slots = slots
        self._limits = limits
        self._name = name
        self._staging = staging
        self._left = left
        self._time_of_others = TimeOfOthers(slots, limits.day_minutes)
        self._told = ToldFaults(staging.faults)
        self._lost = False
        # Job servers that Beam has started for this run end with it, and what is inside of them.
        self._servers: list[int] = []
        self._is_over = False
        self._tell: Callable[..., None] = lambda **_: None
        self._submission: Submission
        self._renewals = 0
        # Of the submission: how many days were left when it began, and whether any was seen at work.
        self._days_before = 0
        self._has_been_at_work = False

    def run(self, pipeline: beam.Pipeline) -> None:
        """Submit the pipeline and wait; raises the root cause of a failure."""
        with self._stood_in_for(pipeline.runner):
            self._run(pipeline)

    @contextmanager
    def _stood_in_for(self, runner: PipelineRunner) -> Iterator[None]:
        """Where the job needs this process, or a job server of its own, another process is there for its end."""
        servers = self._servers = list(getattr(runner, "started_processes", ()))
        if not servers and self._runner.portable.environment_type != "LOOPBACK":
            yield
            return
        stand_in = StandIn()
        self._tell = stand_in.tell
        self._tell(servers=servers)
        tell_of_workers(runner, lambda address: stand_in.tell(pool=address))
        try:
            yield
        finally:
            stand_in.leave(self._is_over)

    def _run(self, pipeline: beam.Pipeline) -> None:
        self._submit(pipeline, self._name)
        while days := self._days_that_nobody_builds():
            if not self._is_submitted_anew(pipeline, days):
                self._lost = True
                self._slots.stop(self._errors.no_sign_of_life(self._limits.worker_timeout))
                break
        submission = self._submission
        if submission.error is not None:
            self._slots.stop(submission.error)
        if self._slots.cause is None:
            if submission.ended.is_set():
                self._is_over = True
            else:
                # Every day is there, and nobody has told that the job has ended.
                self._end_job(_END_SECONDS)
            return
        seconds = stop_seconds(self._slots.cause)
        stopped = self._slots.wait_until_empty(seconds)
        if not self._lost:
            # Its days end without an error, so it does so by itself.
            submission.ended.wait(min(seconds, _END_SECONDS) / 2)
        self._end_job(min(seconds, _END_SECONDS))
        raise self._errors.raised(submission.error, stopped)

    def _submit(self, pipeline: beam.Pipeline, name: str) -> None:
        self._submission = Submission(self._runner, name, self._tell)
        self._submission.begin(pipeline)

    def _is_submitted_anew(self, pipeline: beam.Pipeline, days: int) -> bool:
        """Whether another job builds these `days` in the place of one that did so before, and is over now."""
        # Of the first one the slots know it, and a look may have missed a short day.
        has_worked = self._has_been_at_work or days < self._days_before or (not self._renewals and self._slots.began)
        if not has_worked or self._renewals == _MOST_RENEWALS or self._errors.unfit_workers() is not None:
            return False
        old = self._submission
        if old.end(_END_SECONDS, is_lost=True, ends_with_servers=False) or self._slots.cause is not None:
            return False
        self._renewals += 1
        self._days_before, self._has_been_at_work = days, False
        name = f"{self._name}-{self._renewals + 1}"
        warn(
            f"no worker has had a day at work within {self._limits.worker_timeout:g} s (--worker-timeout), and days "
            f"are left: the job '{old.name}' was cancelled, and '{name}' goes on"
        )
        self._submit(pipeline, name)
        return True

    @property
    def _errors(self) -> JobErrors:
        return JobErrors(self._runner, self._slots, self._submission.flink, self._staging, self._submission.result)

    def _days_that_nobody_builds(self) -> int:
        """Wait until the job has ended, something has stopped it, or no day has been at work for too long; how many are
        left then, and 0 in any other case.
        """
        idle = blind = asked = 0.0
        before = time.monotonic()
        while not self._submission.ended.wait(_LOOK_SECONDS):
            now = time.monotonic()
            passed, before = min(now - before, _MOST_LOOK_SECONDS), now
            try:
                if self._slots.cause is not None:
                    return 0
                late = self._time_of_others.late()
                if late is not None:
                    self._slots.stop(Late(late))
                    return 0
                self._told.look()
                if self._slots.any_occupied:
                    idle, self._has_been_at_work = 0.0, True
                else:
                    idle += passed
                if idle > self._limits.worker_timeout:
                    return len(self._left())
                blind = 0.0
            except OSError as error:
                # A storage that does not answer says nothing about the run, for a while.
                blind += passed
                if blind > self._limits.worker_timeout:
                    self._lost = True
                    self._slots.stop(self._errors.no_sight(error, self._limits.worker_timeout))
                    return 0
                continue
            asked = min(asked, idle)
            if idle - asked > _ASK_SECONDS:
                asked = idle
                if self._submission.has_ended_unheard():
                    return 0
        return 0

    def _end_job(self, seconds: float) -> None:
        """See that the job is over; a sentence where that is not known."""
        submission = self._submission
        left = submission.end(seconds, is_lost=self._lost, ends_with_servers=bool(self._servers))
        # One that is just being submitted is not known by anybody yet.
        self._is_over = not left and (submission.result is not None or submission.ended.is_set())
        if left:
            warn(
                f"it is not known that the job '{submission.name}' has ended: {'; '.join(left)}: its workers build "
                "nothing any more; see there, and cancel it where it still runs"
            )
