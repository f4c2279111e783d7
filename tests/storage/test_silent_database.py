"""A database that takes a connection and says nothing: told after its time, and left within seconds of a signal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daeda.compiler.compile import compile_runnable
from daeda.errors import InputError
from daeda.planning.exports import exported
from tests.faults.scene import alive
from tests.faults.warm import TAG
from tests.projects import TinyProject
from tests.storage.postgres import Postgres


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[threading.Event]:
    """A server that accepts and is silent, as the Postgres of the environment; set once somebody has come."""
    come, taken = threading.Event(), []

    def accept() -> None:
        while True:
            try:
                taken.append(listening.accept()[0])
            except OSError:
                return
            come.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        for name, value in {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(listening.getsockname()[1]),
            "HOME": str(tmp_path),
        }.items():
            monkeypatch.setenv(name, value)
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield come
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for accepted in taken:
        accepted.close()


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    made = TinyProject(tmp_path / "project").without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    return made.write().write_data()


def in_postgres(project: TinyProject, seconds: int) -> TinyProject:
    project.views["prices"]["source"] = {
        "timestamp_field": "event_timestamp", "postgres": "environment", "table": "shop.prices",
    }  # fmt: skip
    project.runtime["timeouts"] = {"database_seconds": seconds}
    return project.write()


def refused(project: TinyProject) -> str:
    loaded = project.load()
    with pytest.raises(InputError) as told, exported(loaded, compile_runnable(loaded).skeleton()):
        pass
    assert [path.name for path in (project.root / "output/ranking/_staging").iterdir()] == ["staging.lock"]
    return str(told.value)


SILENT = (
    "view 'prices': postgres://environment has answered nothing for 2 s: see whether it works, or raise "
    "timeouts.database_seconds"
)


def test_a_server_that_never_answers_has_its_time(project: TinyProject, silent: threading.Event) -> None:
    assert refused(in_postgres(project, 2)) == SILENT
    assert silent.is_set()


def test_a_server_that_stops_answering_in_the_middle_has_its_time(project: TinyProject, database: Postgres) -> None:
    holder = threading.Thread(
        target=database.run,
        args=("BEGIN; LOCK TABLE shop.prices IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(12); COMMIT",),
    )
    holder.start()
    time.sleep(1)
    assert refused(in_postgres(project, 2)) == SILENT
    holder.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_whoever_waits_for_it_is_interrupted_at_once(
    project: TinyProject, silent: threading.Event, tmp_path: Path, number: signal.Signals
) -> None:
    in_postgres(project, 100)
    words = [sys.executable, "-m", "daeda", "pipeline", "plan", "ranking"]
    words += ["--runtime-config-path", str(project.runtime_path)]
    tag = str(tmp_path / "tag")
    process = subprocess.Popen(words, env={**os.environ, TAG: tag}, stderr=subprocess.PIPE, text=True)
    assert silent.wait(60)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=300)
    assert (process.returncode, stderr) == (130, f"error: interrupted by {number.name}\n")
    assert not alive(tag)
    assert [path.name for path in (project.root / "output/ranking/_staging").iterdir()] == ["staging.lock"]
