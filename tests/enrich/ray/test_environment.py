"""What the environment of the user may say to Ray."""

from __future__ import annotations

import pytest

from enrich.ray import environment
from enrich.ray.environment import clean


def test_what_the_environment_says_to_ray_is_taken_out_and_told() -> None:
    given = {"RAY_ADDRESS": "10.0.0.1:6379", "RAY_CLIENT_MODE": "0", "RAY_AUTH_TOKEN_PATH": "/x", "HOME": "/home/a"}
    own = dict(given)
    assert clean(own, None) == (
        "not passed on to Ray: RAY_ADDRESS, RAY_AUTH_TOKEN_PATH of the environment; "
        "a run joins a cluster by --ray-address alone"
    )
    assert own == {"HOME": "/home/a"}
    joined = dict(given)
    assert clean(joined, "10.0.0.2:6379") == (
        "not passed on to Ray: RAY_ADDRESS of the environment; the cluster is 10.0.0.2:6379"
    )
    assert joined == {"RAY_AUTH_TOKEN_PATH": "/x", "HOME": "/home/a"}
    assert clean({"HOME": "/home/a", "RAY_CLIENT_MODE": "0"}, None) is None


@pytest.mark.parametrize("address", [None, "10.0.0.2:6379"])
def test_a_process_that_a_run_starts_says_nothing_of_what_the_run_has_set(
    address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    inherited: dict[str, str] = {}
    monkeypatch.setattr(environment.os, "environ", inherited)
    environment.prepare(address)
    assert inherited["RAY_IGNORE_UNHANDLED_ERRORS"] == "1"
    assert clean(inherited, None) is None
