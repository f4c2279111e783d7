"""What a job that has failed is told by: the cause that a day gave, or what its runner has said, in one sentence."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import grpc

from beam_pipeline.runners.choice import BeamRunner
from beam_pipeline.runners.sayings import JOB_MANAGER_GONE, meaning_of, says_refused
from beam_pipeline.runners.submitted_job import Flink, NoAnswer
from beam_pipeline.workers.faults import faults_of
from beam_pipeline.workers.limits import root_cause
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from beam_pipeline.workers.stop_cause import Unforeseen
from daeda.dataset.publish.staging import RunStaging
from daeda.errors import (
    ERROR_CLASSES,
    DaedaError,
    DayError,
    Stopped,
    UsageError,
    WorkerUnfit,
    cut,
    first_line,
    refusal,
)

_PAGE = "docs/runners.md says what workers need"

# The last line of a traceback of a worker: "daeda.errors.DayError: day 2024-01-02, … [while running 'Skeleton/scan']".
_LAST_LINE = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*(?P<kind>\w+): (?P<message>.*?)(?: \[while running '.*'\])?\s*$", re.MULTILINE
)
# What Beam says where the Python or the Beam of a worker is another than that of the driver.
_VERSION = r"beam_python([\d.]+)_sdk:([\w.]+)\."
_OTHER_BEAM = re.compile(f"environment are not compatible.*{_VERSION} Runtime environment: .*{_VERSION}")
_MISSING = re.compile(r"ModuleNotFoundError: No module named '(?P<module>[\w.]+)'")


class JobErrors:
    """The errors of one job. `result` is what Beam has of it, None where it is not submitted."""

    def __init__(
        self, runner: BeamRunner, slots: SharedDaySlots, flink: Flink | None, staging: RunStaging, result: Any
    ) -> None:
        self._runner = runner
        self._slots = slots
        self._flink = flink
        self._faults = staging.faults
        self._log = staging.job_log
        self._result = result

    def no_sight(self, error: OSError, seconds: float) -> DaedaError:
        """The error of a driver that has not seen the run's directory for so long."""
        return DayError(
            f"{refusal(error)}; the run's directory has not answered for {seconds:g} s: days that "
            "were published stay, run again to go on"
        )

    def unfit_workers(self) -> DaedaError | None:
        """Why workers cannot build days, where Flink begins the job again and again for it; None where it does not."""
        return self._unfit_by(self._failure_in_flink)

    def no_sign_of_life(self, seconds: float) -> DaedaError:
        """The error of a run that has had no day at work for so long."""
        unfit = self.unfit_workers()
        if unfit is not None:
            return unfit
        wait = f"within {seconds:g} s (--worker-timeout)"
        if self._slots.began:
            return DayError(
                f"no worker has had a day at work {wait}, and days are left: a worker was lost, or the runner gives "
                f"them no work; see the log of {self._workers}, and run again to go on"
            )
        return UsageError(f"no worker has begun a day {wait}: see the log of {self._workers}; {_PAGE}")

    def raised(self, error: BaseException | None, stopped: bool) -> BaseException:
        """What to raise: the first cause that a day or the driver gave, else what the runner's `error` says, where it
        has given one. `stopped` says whether all days have stopped.
        """
        cause = self._slots.cause
        assert cause is not None
        if isinstance(cause, WorkerUnfit):
            return self._unfit(str(cause))
        foreseen = root_cause(cause, stopped)
        if foreseen is not None:
            return foreseen
        said = cause if error is None else error
        told = self._fault_of_a_day(said) or self._translated(said)
        if told is not None or error is None:
            return told or cause  # of a worker: shown whole
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
        unfit = self._unfit_by(text)
        if unfit is not None:
            return unfit
        for line in reversed(list(_LAST_LINE.finditer(text))):
            kind = ERROR_CLASSES.get(line["kind"])
            if kind is not None and kind is not Stopped:
                return kind(line["message"])
        meaning = None if says_refused(text, self._pool) else meaning_of(text)
        if meaning == JOB_MANAGER_GONE:
            return self._without_job_manager()
        if meaning is not None:
            return DayError(f"{meaning}: {self._advice}")
        return self._refused(text) if says_refused(text) else None

    def _unfit_by(self, text: str) -> DaedaError | None:
        """The sentence inside of a runner's error about workers that cannot build days, None where there is none."""
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
            if ERROR_CLASSES.get(line["kind"]) is WorkerUnfit:
                return self._unfit(line["message"])
        return None

    @property
    def _failure_in_flink(self) -> str:
        """Why Flink begins the job again and again, empty where that is not known."""
        with suppress(NoAnswer):
            return "" if self._flink is None else self._flink.failure()
        return ""

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
