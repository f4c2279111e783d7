"""Whether a job has ended, asked of those who know it, and what is said where they do not answer."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from beam_pipeline.runners.submitted_job import Flink, NoAnswer, end, flink_at
from tests.beam_pipeline.runners.conftest import free_port


@dataclass
class Place:
    """Somebody who knows a job that ends when it is cancelled, or never, or who says nothing."""

    name: str = "the job service"
    running: bool = True
    answers: bool = True
    heeds: bool = True
    cancelled: int = 0

    def state(self) -> str:
        return "RUNNING" if self.running else "DONE"

    def has_ended(self) -> bool:
        if not self.answers:
            raise NoAnswer("connection refused")
        return not self.running

    def cancel(self) -> None:
        self.cancelled += 1
        self.running = self.running and not self.heeds


def test_a_job_that_has_ended_is_not_cancelled() -> None:
    place = Place(running=False)
    assert end([place], 5) == []
    assert place.cancelled == 0


def test_a_job_that_runs_is_cancelled_once_everywhere() -> None:
    places = [Place("the job service"), Place("Flink at x")]
    assert end(list(places), 5) == []
    assert [place.cancelled for place in places] == [1, 1]


def test_what_says_that_the_job_goes_on_is_told() -> None:
    place = Place(heeds=False)
    assert end([place], 0.3) == ["the job service says RUNNING"]
    assert place.cancelled == 1


def test_who_does_not_answer_is_asked_for_a_shorter_time() -> None:
    began = time.monotonic()
    assert end([Place(answers=False), Place("Flink at x")], 60) == [
        "the job service does not answer (connection refused)"
    ]
    assert time.monotonic() - began < 30


def test_where_nobody_knows_the_job_there_is_nothing_to_say() -> None:
    assert end([], 5) == []


@dataclass
class Rest:
    """Flink's REST, with these jobs."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    body: bytes | None = None
    status: int = 200
    failure: str | None = None
    ends_what_is_cancelled: bool = True
    asked: list[str] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def rest() -> Iterator[Rest]:
    served = Rest()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {"root-exception": served.failure} if "exceptions" in self.path else {"jobs": served.jobs}
            self._answer(served.status, served.body or json.dumps(found).encode())

        def do_PATCH(self) -> None:
            served.asked.append(self.path)
            for job in served.jobs:
                if job["jid"] in self.path and served.ends_what_is_cancelled:
                    job["state"] = "CANCELED"
            self._answer(202, b"{}")

        def _answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            pass

    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served.address = f"localhost:{server.server_port}"
        yield served
        server.shutdown()


def flink(address: str) -> Flink:
    there = flink_at(address, "daeda-job")
    assert there is not None
    return there


@pytest.mark.parametrize("state", ["RUNNING", "RESTARTING", "SUSPENDED", "CANCELLING"])
def test_a_job_of_this_name_is_cancelled_in_flink_and_no_other(rest: Rest, state: str) -> None:
    rest.jobs = [
        {"jid": "a1", "name": "another", "state": "RUNNING"}, {"jid": "b2", "name": "daeda-job", "state": state}
    ]  # fmt: skip
    assert not flink(rest.address).has_ended()
    assert end([flink(f"http://{rest.address}")], 30) == []
    assert rest.asked == ["/jobs/b2?mode=cancel"]
    assert rest.jobs[0]["state"] == "RUNNING"


def test_flink_says_why_it_begins_a_job_again(rest: Rest) -> None:
    assert flink(rest.address).failure() == ""
    rest.jobs = [{"jid": "b2", "name": "daeda-job", "state": "RESTARTING"}]
    assert flink(rest.address).failure() == ""
    rest.failure = "java.lang.Exception: no"
    assert flink(rest.address).failure() == "java.lang.Exception: no"


def test_a_job_that_flink_does_not_know_was_not_begun(rest: Rest) -> None:
    assert flink(rest.address).state() is None
    assert end([flink(rest.address)], 5) == []
    assert rest.asked == []


@pytest.mark.parametrize("body", [b"no JSON", b"\xff", b"<html>", b"{}", b'{"jobs": null}', b'{"jobs": ["daeda-job"]}'])
def test_something_else_at_that_address_gives_no_answer(rest: Rest, body: bytes) -> None:
    rest.body = body
    with pytest.raises(NoAnswer):
        flink(rest.address).state()
    assert flink(rest.address).silence() is not None


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b""])
def test_what_speaks_otherwise_or_ends_in_the_middle_gives_no_answer(said: bytes) -> None:
    with socket.create_server(("localhost", 0)) as server:
        server.settimeout(60)

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(NoAnswer):
            flink(f"localhost:{server.getsockname()[1]}").has_ended()


@pytest.mark.parametrize("begins", [b"HTTP/1.1 200 OK\r\n\r\n{", b"HTTP/1.1 200 OK\r\nX: "], ids=["text", "headers"])
def test_what_drips_gives_no_answer(begins: bytes) -> None:
    """Each byte comes in time, and the last one never."""
    with socket.create_server(("localhost", 0)) as server:
        server.settimeout(60)

        def answer() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(begins)
                while True:
                    connection.sendall(b" ")
                    time.sleep(0.05)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(NoAnswer) as failure:
            flink(f"localhost:{server.getsockname()[1]}").has_ended()
    assert str(failure.value) == "no whole answer within 2 s"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_status_that_says_no_is_no_answer(rest: Rest, status: int) -> None:
    """Redirects lead elsewhere, and the job is here."""
    rest.status = status
    with pytest.raises(NoAnswer) as failure:
        flink(rest.address).has_ended()
    assert str(failure.value) == f"it answers with the status {status}"
    assert flink(rest.address).silence() == str(failure.value)


def test_an_address_that_is_none_gives_no_answer() -> None:
    for address in ("local host:8081", "localhost:port", "a..b:8081"):
        with pytest.raises(NoAnswer):
            flink(address).state()


def test_nobody_at_that_address_gives_no_answer() -> None:
    there = flink(f"localhost:{free_port()}")
    with pytest.raises(NoAnswer):
        there.has_ended()
    assert there.silence() is not None


@pytest.mark.parametrize("master", [None, "", "[auto]", "[local]"])
def test_an_embedded_flink_is_not_asked(master: str | None) -> None:
    assert flink_at(master, "daeda-job") is None
