"""A cluster that does not take the run."""

from __future__ import annotations

from typing import Any

import pytest

from daeda.errors import InputError
from enrich.ray import cluster


def test_a_cluster_that_does_not_take_the_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: Any) -> None:
        raise RuntimeError("AuthenticationError: wrong token\nsee the documentation")

    monkeypatch.setattr(cluster, "initialize", init)
    monkeypatch.setattr(cluster, "probe_address", lambda address: None)
    monkeypatch.setattr(cluster, "_check_token", lambda address: None)
    with pytest.raises(InputError) as caught:
        cluster.join("head.example:6379", 60)
    assert str(caught.value) == (
        "no Ray cluster at ray.address head.example:6379 (AuthenticationError: wrong token): start its head with "
        "`ray start --head`, correct --ray-address, or leave it out, and the run starts a Ray of its own"
    )
