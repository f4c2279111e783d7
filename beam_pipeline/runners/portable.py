"""A job on a portable runner: submitted, watched, and ended together with the days that it was building.

Whoever waits for such a job can wait for ever: a pool that cannot start its workers, a worker that was killed and a
job service that lost its job all look like a job that runs. So the driver watches the day slots. While days are left,
some day is at work, and none for longer than it may be; where none has been for `worker_timeout` seconds, the job is
given up. A job that is known to have ended is asked for by then, whoever forgot to tell.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.runners.runner import PipelineRunner

from beam_pipeline.runners.choice import BeamRunner
from beam_pipeline.runners.embedded_flink import embedded_flink
from beam_pipeline.runners.job_errors import JobErrors
from beam_pipeline.runners.job_log import log
from beam_pipeline.runners.loopback_pool import tell_of_workers
from beam_pipeline.runners.stand_in import StandIn
from beam_pipeline.runners.submitted_job import Asked, JobService, NoAnswer, end, flink_at
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
_ENDED_WELL = ("DONE", "FINISHED")
# How long a job that has no day at work any more may take to end by itself, and then to be cancelled.
_END_SECONDS = 10.0


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
        self._name = name
        self._flink = flink_at(runner.flink_master, name)
        self._errors = JobErrors(runner, slots, self._flink, staging)
        self._limits = limits
        self._ended = threading.Event()
        self._lost = False
        # Job servers that Beam has started for this run end with it, and what is inside of them.
        self._servers: list[int] = []
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
        servers = self._servers = list(getattr(runner, "started_processes", ()))
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
        raise self._errors.raised(self._error, stopped)

    def _submit(self, pipeline: beam.Pipeline) -> None:
        try:
            self._result = self._errors.result = pipeline.run()
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
                    self._slots.stop(self._errors.no_sight(error, self._limits.worker_timeout))
                    return
                continue
            if idle > self._limits.worker_timeout:
                if not are_published():
                    self._lost = True
                    self._slots.stop(self._errors.no_sign_of_life(self._limits.worker_timeout))
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

    def _is_hidden_in_flink(self, places: list[Asked]) -> bool:
        """Whether Flink may go on with the job, and begin it again, where the job service calls it cancelled, and
        nobody has told where Flink is.
        """
        if self._runner.name != "FlinkRunner" or self._flink is not None or self._servers:
            return False
        with suppress(NoAnswer):
            return not any(place.has_ended() for place in places)
        return True

    def _end_job(self, seconds: float) -> None:
        """See that the job is over, and cancel what has not ended by itself; a sentence where that is not known."""
        places = self._places()
        is_hidden = self._is_hidden_in_flink(places)
        embedded = embedded_flink(str(self._runner.portable.job_endpoint), self._name) if is_hidden else None
        left = end(places if embedded is None else [*places, embedded], seconds)
        if is_hidden and embedded is None and (self._lost or self._result is not None):
            left.append(
                "Flink itself was not asked, for --flink_master does not name its REST, and no job server of this "
                "host has the job inside of it"
            )
        # One that is just being submitted is not known by anybody yet.
        self._is_over = not left and (self._result is not None or self._ended.is_set())
        if left:
            warn(
                f"it is not known that the job '{self._name}' has ended: {'; '.join(left)}: its workers build nothing "
                "any more; see there, and cancel it where it still runs"
            )
