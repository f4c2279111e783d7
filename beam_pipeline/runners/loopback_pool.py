"""Workers in this process for a job that looks for them at an address of its driver, also where that is gone."""

from __future__ import annotations

import time
from typing import Any

import grpc
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.runner import PipelineRunner
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

# How long the address of a process that has just been killed may still be taken.
_FREE_SECONDS = 10.0


class LoopbackPool:
    """A pool of workers that are threads of this process, and when it was asked for one last."""

    def __init__(self, server: grpc.Server, asked: list[float]) -> None:
        self._server = server
        self._asked = asked

    def quiet_for(self, seconds: float) -> bool:
        """Whether nobody has asked for a worker for so long."""
        return time.monotonic() - self._asked[-1] > seconds

    def stop(self) -> None:
        """Serve no longer."""
        self._server.stop(1).wait()


def serve_again(address: str) -> LoopbackPool:
    """Serve at an address at which another process has; raises RuntimeError where that cannot be had."""
    asked = [time.monotonic()]

    class Pool(BeamFnExternalWorkerPoolServicer):  # type: ignore[misc]
        def StartWorker(self, request: Any, context: Any) -> Any:
            asked.append(time.monotonic())
            return super().StartWorker(request, context)

    until = time.monotonic() + _FREE_SECONDS
    while True:
        try:
            _, server = Pool.start(port=int(address.rpartition(":")[2]))
        except RuntimeError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return LoopbackPool(server, asked)


def address_of(pipeline: beam_runner_api_pb2.Pipeline) -> str | None:
    """Where a pipeline looks for workers, None where none is told."""
    for environment in pipeline.components.environments.values():
        if environment.urn == common_urns.environments.EXTERNAL.urn:
            payload = beam_runner_api_pb2.ExternalPayload.FromString(environment.payload)
            return str(payload.endpoint.url)
    return None


def tell_of_workers(runner: PipelineRunner, tell: Any) -> None:
    """Have `tell` called with the address at which a LOOPBACK job will look for its workers, before it is submitted."""
    start = runner.start_and_replace_loopback_environments

    def start_and_tell(pipeline: Any, options: Any) -> Any:
        stops = start(pipeline, options)
        address = address_of(pipeline)
        if stops and address is not None:
            tell(address)
        return stops

    runner.start_and_replace_loopback_environments = start_and_tell
