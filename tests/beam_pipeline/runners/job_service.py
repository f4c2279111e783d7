"""Beam's local job service, which gives one bundle at a time to one worker, told to use several workers.

    python -m tests.beam_pipeline.runners.job_service WORKERS      prints its port, and serves until its stdin is closed

The stock service runs the FnApiRunner without looking at how many workers it may use; nothing else is changed here.
"""

from __future__ import annotations

import sys
from typing import Any

from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner import fn_runner


class BeamJob(local_job_service.BeamJob):  # type: ignore[misc]
    workers = 1

    def _invoke_runner(self) -> Any:
        self.set_state(beam_job_api_pb2.JobState.RUNNING)
        runner = fn_runner.FnApiRunner(provision_info=self._provision_info)
        runner._num_workers = self.workers
        return runner.run_via_runner_api(self._pipeline_proto, self.pipeline_options())


def main() -> None:
    BeamJob.workers = int(sys.argv[1])
    service = local_job_service.LocalJobServicer(beam_job_type=BeamJob)
    print(service.start_grpc_server(0), flush=True)
    sys.stdin.read()
    service.stop()


if __name__ == "__main__":
    main()
