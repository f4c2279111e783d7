"""Ray that does not start on a busy machine."""

from __future__ import annotations

from typing import Any

import pytest

from daeda.errors import DayError
from daeda.host import Host
from enrich import cluster
from enrich.envelope import Requested, clamp

LATE = "The current node timed out during startup. This could happen because some of the raylet failed to startup"


def starts(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[Any]:
    """Let Ray's start fail so often, and then go well; returns what is called."""
    called: list[Any] = []

    left = list(errors)

    def init(**options: Any) -> None:
        called.append(options["num_cpus"])
        if left:
            raise left.pop(0)

    monkeypatch.setattr(cluster, "_init", init)
    monkeypatch.setattr(cluster.ray, "shutdown", lambda: called.append("shutdown"))
    return called


ENVELOPE = clamp(Requested(), Host(2, 2**33, 2**30, isolation=False))


def test_ray_that_was_late_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    called = starts(monkeypatch, Exception(LATE))
    cluster._start(ENVELOPE)
    assert called == [ENVELOPE.cpus, "shutdown", ENVELOPE.cpus]


def test_ray_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "STARTS", 2)
    starts(monkeypatch, *[Exception(LATE)] * 2)
    with pytest.raises(DayError) as caught:
        cluster._start(ENVELOPE)
    assert str(caught.value) == (
        "Ray did not start within its time, 2 times: the machine is too busy for it now; run again"
    )


def test_what_nobody_foresaw_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    called = starts(monkeypatch, ValueError("no such thing"))
    with pytest.raises(ValueError, match=r"^no such thing$"):
        cluster._start(ENVELOPE)
    assert called == [ENVELOPE.cpus, "shutdown"]
