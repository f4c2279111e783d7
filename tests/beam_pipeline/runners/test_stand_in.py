"""The process beside a driver: it goes with one whose job is over, and does what another has left to do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from beam_pipeline.runners.stand_in import StandIn
from tests.beam_pipeline.runners.conftest import free_port, listens

SECONDS = 120.0


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in._process.kill()
    stand_in._process.communicate()


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A job server that the driver has started."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def wait_until(what: Callable[[], object]) -> None:
    until = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_it_goes_with_a_driver_whose_job_is_over(stand_in: StandIn, server: subprocess.Popen[bytes]) -> None:
    stand_in.tell(name="job", flink="[auto]", servers=[server.pid], pool=f"localhost:{free_port()}")
    stand_in.leave(is_over=True)
    assert stand_in._process.returncode is not None
    # Who has started it ends it.
    assert server.poll() is None


def test_a_killed_driver_of_a_job_without_workers_here_leaves_nothing(
    stand_in: StandIn, server: subprocess.Popen[bytes]
) -> None:
    stand_in.tell(name="job", flink="[auto]", servers=[server.pid])
    stand_in.leave(is_over=False)
    wait_until(lambda: stand_in._process.poll() is not None)
    assert stand_in._process.returncode == 0
    wait_until(lambda: server.poll() is not None)


def test_it_gives_workers_to_the_job_of_a_killed_driver(stand_in: StandIn) -> None:
    port = free_port()
    stand_in.tell(name="job", flink="[auto]", servers=[])
    stand_in.tell(pool=f"localhost:{port}")
    assert not listens(port)
    # No job service answers here: the job may go on, and ask again.
    stand_in.tell(job="id", endpoint=f"localhost:{free_port()}")
    stand_in.leave(is_over=False)
    wait_until(lambda: listens(port))
    assert stand_in._process.poll() is None
