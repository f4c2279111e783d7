"""An actor that is lost: the servers of Ray may have taken it along, which is seen a little later."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import ray.exceptions

from daeda.errors import DayError
from enrich.ray import cluster, stream
from enrich.ray.endings import ActorsLost, actors_lost


@pytest.fixture
def raylet(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """What stands for the process of the cluster on this host."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        descriptor = os.pidfd_open(process.pid)
        monkeypatch.setattr(cluster, "_raylet", [descriptor])
        yield process
        process.kill()
    os.close(descriptor)


def told(error: Exception) -> str:
    with pytest.raises(DayError) as caught, stream._explained():
        raise error
    return str(caught.value)


@pytest.mark.parametrize(
    "error",
    [ray.exceptions.ActorDiedError(), ActorsLost(actors_lost("8 deaths without a part done in between"))],
    ids=["by Ray", "by the watch"],
)
def test_an_actor_that_went_with_the_node_of_this_host(raylet: subprocess.Popen[bytes], error: Exception) -> None:
    ending = threading.Timer(0.3, raylet.kill)
    ending.start()
    assert told(error) == "Ray's raylet on this host ended: days that were published stay, run again to go on"
    ending.join()


def test_an_actor_that_is_lost_alone(raylet: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LOSS_SECONDS", 0.2)
    assert told(ray.exceptions.ActorDiedError()).startswith(
        "an actor was lost or ran out of memory (ActorDiedError); lower enrich_batch_rows"
    )
    # What a part says itself is not held up.
    with contextlib.suppress(OSError):
        raylet.kill()
    assert told(DayError("the vector of id 3 is none")) == "the vector of id 3 is none"
