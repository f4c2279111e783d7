"""daeda's own pool: a worker is known by who has asked for it, and ends with its pool."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc, endpoints_pb2

from tests.beam_pipeline.runners.conftest import REPOSITORY, free_port, run_skeleton, started, wait_for_port
from tests.projects import TinyProject

WORDS = [sys.executable, "-m", "beam_pipeline.pool"]


@contextlib.contextmanager
def own_pool() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A pool, and its port."""
    port = free_port()
    with started([*WORDS, "--port", str(port)], cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        wait_for_port(process, port)
        yield process, port


class Engine:
    """Who asks for workers, by a connection of its own."""

    def __init__(self, port: int) -> None:
        self._channel = grpc.insecure_channel(f"localhost:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        self._pool = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(self._channel)

    def start(self, worker: str) -> None:
        # Nobody answers there: the worker tries for a minute.
        control = endpoints_pb2.ApiServiceDescriptor(url=f"localhost:{free_port()}")
        request = beam_fn_api_pb2.StartWorkerRequest(worker_id=worker, control_endpoint=control)
        assert self._pool.StartWorker(request).error == ""

    def stop(self, worker: str) -> None:
        self._pool.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id=worker))

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_error: object) -> None:
        self._channel.close()


def workers(pool: int) -> list[int]:
    """The workers of a pool that live, in the order in which they began."""
    live = [child for child in psutil.Process(pool).children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child.pid for child in sorted(live, key=lambda child: (child.create_time(), child.pid))]


def wait_until(what: Callable[[], object]) -> None:
    until = time.monotonic() + 240
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_who_lets_a_worker_go_ends_no_other_of_the_same_id() -> None:
    """Each job of a cluster of Flink, and each of its TaskManagers, has a worker 1-1."""
    with own_pool() as (pool, port), Engine(port) as first, Engine(port) as second, Engine(port) as stranger:
        first.start("1-1")
        second.start("1-1")
        of_first, of_second = workers(pool.pid)
        stranger.stop("1-1")
        assert workers(pool.pid) == [of_first, of_second]
        first.stop("1-1")
        assert workers(pool.pid) == [of_second]
        # Once more, for one that is gone.
        first.stop("1-1")
        assert workers(pool.pid) == [of_second]
        second.stop("1-1")
        assert workers(pool.pid) == []


@pytest.mark.parametrize("killed", [False, True])
def test_workers_end_with_their_pool(killed: bool) -> None:
    with own_pool() as (pool, port), Engine(port) as engine:
        engine.start("1-1")
        (worker,) = workers(pool.pid)
        # Killed in the middle of its imports, it has not yet begun to watch.
        wait_until(lambda: len(psutil.Process(worker).threads()) > 1)
        (pool.kill if killed else pool.terminate)()
        assert pool.wait(60) == (-9 if killed else 0)
        wait_until(lambda: not psutil.pid_exists(worker))


def test_a_port_that_is_taken_is_wrong_usage() -> None:
    with own_pool() as (_pool, port):
        done = subprocess.run(
            [*WORDS, "--port", str(port)], cwd=REPOSITORY, capture_output=True, text=True, timeout=300
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: nobody can listen at localhost:{port} (Address already in use): choose another --port or --host\n"
    )


@pytest.mark.cases
def test_a_job_has_its_days_built_by_the_workers_of_the_pool(job_service: str, tmp_path: Path) -> None:
    project = TinyProject(tmp_path).write().write_data()
    with own_pool() as (pool, port):
        runner = ("--runner", "PortableRunner", "--job_endpoint", job_service)
        done = run_skeleton(
            project.runtime_path, *runner, "--environment_type", "EXTERNAL", "--environment_config", f"localhost:{port}"
        )
        assert done.returncode == 0, done.stderr
        # Beam's job service lets its workers go behind the job.
        wait_until(lambda: workers(pool.pid) == [])
    assert len(list((tmp_path / "output" / "ranking" / "skeleton").glob("dt=*"))) == 2
