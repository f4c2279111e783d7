"""Two runs that publish one day on object storage: one at a time, and the lease of the dead is taken over."""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
from pathlib import Path

import pytest

from daeda.dataset.layout import Layout
from daeda.dataset.publish import objects as module
from daeda.dataset.publish.objects import check_conditions, lease_path, publication
from daeda.errors import DayError, InputError
from daeda.storage.client import S3Client
from tests.storage.conftest import BUCKET
from tests.storage.server import Proxy

DAY = dt.date(2024, 1, 2)
LAYOUT = Layout(BUCKET / "out/s", Path("scratch"))
PATH = lease_path(LAYOUT, "skeleton", DAY)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)


def held_by(client: S3Client, host: str, process: int) -> None:
    body = {"host": host, "process": process, "since": "2024-01-01T00:00:00+00:00"}
    client.put(PATH, json.dumps(body).encode())


def test_a_second_run_is_told_who_publishes(client: S3Client) -> None:
    with publication(client, LAYOUT, "skeleton", DAY):
        with pytest.raises(DayError) as raised, publication(client, LAYOUT, "skeleton", DAY):
            pass
        assert f"published by process {os.getpid()} on {socket.gethostname()} since 20" in str(raised.value)
        with publication(client, LAYOUT, "enriched", DAY):
            pass
    assert client.look(PATH) is None


def test_a_live_run_of_another_host_is_waited_for(client: S3Client) -> None:
    held_by(client, "elsewhere", 7)
    with pytest.raises(DayError) as raised, publication(client, LAYOUT, "skeleton", DAY):
        pass
    assert str(raised.value) == (
        f"{PATH}: published by process 7 on elsewhere since 2024-01-01T00:00:00+00:00: run again when it is done"
    )


def test_the_lease_of_the_dead_is_taken_over(client: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    held_by(client, socket.gethostname(), 2**22 + 1)
    with publication(client, LAYOUT, "skeleton", DAY):
        pass
    held_by(client, "elsewhere", 7)
    monkeypatch.setattr(module, "LEASE_SECONDS", -1)
    with publication(client, LAYOUT, "skeleton", DAY) as lease:
        held_by(client, "elsewhere", 8)
        with pytest.raises(DayError) as raised:
            lease.renew(now=True)
    assert str(raised.value) == f"{PATH}: another run has taken over the publication: run again"


def test_an_answer_that_was_lost_is_no_other_run(client: S3Client, proxy: Proxy) -> None:
    proxy.fail("lose the answer", 1, lambda method, path: method == "PUT")
    with publication(client, LAYOUT, "skeleton", DAY) as lease:
        lease.renew(now=True)
    assert client.look(PATH) is None


def test_a_server_that_ignores_conditions_is_refused(client: S3Client, monkeypatch: pytest.MonkeyPatch) -> None:
    put = S3Client.put
    monkeypatch.setattr(
        S3Client, "put", lambda self, path, body, sha256="", only_if=None: put(self, path, body, sha256)
    )
    with pytest.raises(InputError) as raised:
        check_conditions(client, BUCKET / "out/s")
    assert str(raised.value) == (
        "s3://lake/out/s: the server ignores conditions (If-None-Match), which keep two runs apart: use one that "
        "knows them, or an output_root on a file system"
    )
    assert client.listing(BUCKET / "out") == []
