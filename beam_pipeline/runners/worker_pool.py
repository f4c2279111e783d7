"""A pool of workers for engines (EXTERNAL): one process of this Python for each worker that is asked for.

Beam has such a pool, and knows workers by the ids that engines give them. Flink counts those from one in each
TaskManager, and on a cluster again in each job: whoever asked first for a worker 1-1, and lets it go, would end that of
whoever asked last. Here a worker is known by the connection that has asked for it, too, which Beam's Java keeps for as
long as it has the worker. One that is let go through another connection ends by itself, as the engine has closed its
side by then.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

from daeda.process.messages import say

# A worker ends with its pool, whose end of the pipe the kernel closes however the pool ends.
_WORKER = """
import os, signal, sys, threading
def end_with_pool():
    os.read(int(sys.argv[1]), 1)
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=end_with_pool, daemon=True).start()
from apache_beam.runners.worker.sdk_worker import SdkHarness
SdkHarness(sys.argv[2], worker_id=sys.argv[3], data_buffer_time_limit_ms=-1).run()
"""
# How long a worker may take to end by itself.
_END_SECONDS = 10.0
# Requests are short, but for those that wait for the end of a worker.
_THREADS = 32


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):  # type: ignore[misc]
    """The workers that live, by the connection and the id that they were asked for by."""

    def __init__(self) -> None:
        self._workers: dict[tuple[str, str], subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._pipe, self._held = os.pipe()
        self._server: grpc.Server | None = None

    def listen(self, host: str, port: int) -> None:
        """Begin to serve; raises RuntimeError where that is refused."""
        # Two pools at one port would share what comes.
        options = [("grpc.so_reuseport", 0), ("grpc.http2.max_ping_strikes", 0)]
        server = grpc.server(ThreadPoolExecutor(_THREADS), options=options)
        beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(self, server)
        server.add_insecure_port(f"{host}:{port}")
        server.start()
        self._server = server

    def stop(self) -> None:
        """Serve no longer, and end all workers."""
        if self._server is not None:
            self._server.stop(None)
        with self._lock:
            left = list(self._workers.values())
        for process in left:
            process.terminate()
        for process in left:
            _end(process)

    def StartWorker(self, request: Any, context: Any) -> Any:
        """Start a worker, which reports to the engine by itself."""
        words = [sys.executable, "-c", _WORKER, str(self._pipe), request.control_endpoint.url, request.worker_id]
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), pass_fds=(self._pipe,)
            )
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=f"the pool cannot start a worker: {error}")
        key = context.peer(), request.worker_id
        with self._lock:
            self._workers[key] = process
        threading.Thread(target=self._wait_for_end, args=(key, process), daemon=True).start()
        say(f"worker {request.worker_id} of {request.control_endpoint.url}: process {process.pid}")
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:
        """End the worker that this connection has asked for."""
        with self._lock:
            process = self._workers.get((context.peer(), request.worker_id))
        if process is not None:
            process.terminate()
            _end(process)
        return beam_fn_api_pb2.StopWorkerResponse()

    def _wait_for_end(self, key: tuple[str, str], process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with self._lock:
            if self._workers.get(key) is process:
                del self._workers[key]
        say(f"worker {key[1]}: process {process.pid} ended with code {code}")


def serve(host: str, port: int) -> WorkerPool:
    """A pool that listens; raises RuntimeError where that is refused."""
    pool = WorkerPool()
    pool.listen(host, port)
    return pool


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
        return
    process.kill()
    process.wait()
