"""A cluster that does not take the run, and one that is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import ray
import ray._private.worker
from ray._private.utils import check_version_info, compute_version_info

from daeda.errors import InputError
from enrich.ray import cluster
from enrich.ray.initialize import stdout_closed


def told(monkeypatch: pytest.MonkeyPatch, init: Callable[..., None]) -> str:
    """What is told where Ray starts like this."""
    monkeypatch.setattr(cluster, "initialize", init)
    monkeypatch.setattr(cluster, "probe_address", lambda address: None)
    monkeypatch.setattr(cluster, "_check_token", lambda address: None)
    with pytest.raises(InputError) as caught:
        cluster.join("head.example:6379", 60)
    return str(caught.value)


def test_a_cluster_of_another_python_or_ray_is_told_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: Any) -> None:
        check_version_info({"ray_version": "2.59.0", "python_version": "3.12.1"}, "10.0.0.1:6379")

    ray, python = compute_version_info()
    assert told(monkeypatch, init) == (
        "the Ray cluster at ray.address head.example:6379 was started with Ray 2.59.0 and Python 3.12.1, and this "
        f"process has Ray {ray} and Python {python}: install the same versions on both sides"
    )


def test_a_cluster_that_does_not_take_the_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: Any) -> None:
        raise RuntimeError("AuthenticationError: wrong token\nsee the documentation")

    assert told(monkeypatch, init) == (
        "no Ray cluster at ray.address head.example:6379 (AuthenticationError: wrong token): start its head with "
        "`ray start --head`, correct --ray-address, or leave it out, and the run starts a Ray of its own"
    )


@pytest.mark.parametrize("lost", [True, False])
def test_what_ray_reports_of_a_lost_cluster_is_no_result(
    lost: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its thread goes on where nobody has taken leave of the cluster; a Ray that was ended leaves all as it was.

    Also behind one that was lost in this process.
    """
    worker: Any = ray._private.worker
    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)
    monkeypatch.setattr(ray, "is_initialized", lambda: lost)
    report = {"lines": ["Raylet is terminated."], "pid": "raylet", "is_err": False}
    with monkeypatch.context() as before:
        before.setattr(ray, "is_initialized", lambda: True)
        with stdout_closed():
            pass
    with stdout_closed():
        worker.print_to_stdstream(report, ignore_prefix=False)
    assert capsys.readouterr().out == ""
    worker.print_to_stdstream(report, ignore_prefix=False)
    assert ("Raylet is terminated." in capsys.readouterr().out) is not lost
