"""One submission of a pipeline: a job of a name of its own, known to its job service and, by that name, to Flink."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions

from beam_pipeline.runners.choice import BeamRunner
from beam_pipeline.runners.embedded_flink import embedded_flink
from beam_pipeline.runners.job_log import log
from beam_pipeline.runners.submitted_job import Asked, JobService, NoAnswer, end, flink_at

_ENDED_WELL = ("DONE", "FINISHED")


class Submission:
    """The job `name` of a pipeline. Once `ended` is set, `error` is what its runner has said against it.

    `result` is what Beam has of it, None until it is submitted. `tell` is told what another process needs in order to
    find the job.
    """

    def __init__(self, runner: BeamRunner, name: str, tell: Callable[..., None]) -> None:
        self.name = name
        self.flink = flink_at(runner.flink_master, name)
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.result: Any = None
        self._runner = runner
        self._tell = tell
        # Those who say that the job has ended.
        self._ended_at: set[str] = set()

    def begin(self, pipeline: beam.Pipeline) -> None:
        """Submit the pipeline, and wait for its end in a thread: a job service that does not answer is waited for
        without an end.
        """
        self._tell(name=self.name, flink=self._runner.flink_master)
        pipeline.options.view_as(GoogleCloudOptions).job_name = self.name
        threading.Thread(target=self._run, args=(pipeline,), daemon=True, name="job").start()

    def has_ended_unheard(self) -> bool:
        """Whether the job is known to have ended, for some time, and nobody has told this process."""
        for place in self._places():
            with suppress(NoAnswer):
                state = place.ended_as()
                if state is None:
                    continue
                if place.name in self._ended_at:
                    # What a job has left that ended well is seen by who looks for its days.
                    self.error = None if state in _ENDED_WELL else RuntimeError(f"{place.name} says {state}")
                    return True
                self._ended_at.add(place.name)
        return False

    def end(self, seconds: float, *, is_lost: bool, ends_with_servers: bool) -> list[str]:
        """See that the job is over, and cancel what has not ended by itself; returns what is not known to have ended,
        in clauses.

        Who `is_lost` may go on in its engine as far as this process knows; who `ends_with_servers` ends with the job
        servers that Beam has started for the run, and what is inside of them.
        """
        places = self._places()
        is_hidden = not ends_with_servers and self._is_hidden_in_flink(places)
        embedded = embedded_flink(str(self._runner.portable.job_endpoint), self.name) if is_hidden else None
        left = end(places if embedded is None else [*places, embedded], seconds)
        if is_hidden and embedded is None and (is_lost or self.result is not None):
            left.append(
                "Flink itself was not asked, for --flink_master does not name its REST, and no job server of this "
                "host has the job inside of it"
            )
        return left

    def _run(self, pipeline: beam.Pipeline) -> None:
        try:
            self.result = pipeline.run()
            self._tell(job=self.result._job_id, endpoint=self._runner.portable.job_endpoint)
            self.result.wait_until_finish()
        except BaseException as error:  # noqa: BLE001 - who waits for the job raises its root cause
            log.info("the job %s has ended", self.name, exc_info=error)
            self.error = error
        finally:
            self.ended.set()

    def _places(self) -> list[Asked]:
        """Who knows the job."""
        places: list[Asked] = [] if self.flink is None else [self.flink]
        if self.result is not None:
            where = self._runner.portable.job_endpoint or "of this run"
            service = JobService(f"the job service {where}", self.result._job_service, self.result._job_id)
            places.insert(0, service)
        return places

    def _is_hidden_in_flink(self, places: list[Asked]) -> bool:
        """Whether Flink may go on with the job, and begin it again, where the job service calls it cancelled, and
        nobody has told where Flink is.
        """
        if self._runner.name != "FlinkRunner" or self.flink is not None:
            return False
        with suppress(NoAnswer):
            return not any(place.has_ended() for place in places)
        return True
