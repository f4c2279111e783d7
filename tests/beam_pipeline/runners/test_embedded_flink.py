"""The Flink inside of a job server of this host, found by the ports of that process; here it is this process."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from beam_pipeline.runners.embedded_flink import EmbeddedFlink, embedded_flink
from beam_pipeline.runners.submitted_job import Flink, NoAnswer, end
from tests.beam_pipeline.runners.conftest import free_port
from tests.beam_pipeline.runners.test_submitted_job import Rest, rest

__all__ = ["rest"]


def address_of(server: socket.socket) -> str:
    """Where a socket listens."""
    return f"localhost:{server.getsockname()[1]}"


@pytest.fixture
def job_server() -> Iterator[str]:
    """The address of a job server whose process is this one."""
    with socket.create_server(("localhost", 0)) as server:
        yield address_of(server)


def test_the_flink_that_has_the_job_is_found_and_told(rest: Rest, job_server: str) -> None:
    rest.jobs = [
        {"jid": "a1", "name": "another", "state": "RUNNING"}, {"jid": "b2", "name": "daeda-job", "state": "RESTARTING"}
    ]  # fmt: skip
    found = embedded_flink(job_server, "daeda-job")
    assert found is not None
    assert (found.name, found.state()) == (f"the Flink of the job server at {found.address[7:]}", "RESTARTING")
    assert end([found], 30) == []
    assert rest.asked == ["/jobs/b2?mode=cancel"]


def test_a_flink_that_has_other_jobs_is_none(rest: Rest, job_server: str) -> None:
    rest.jobs = [{"jid": "a1", "name": "another", "state": "RUNNING"}]
    assert embedded_flink(job_server, "daeda-job") is None


@pytest.mark.parametrize("says", ["", "SSH-2.0-x\r\n", None], ids=["hangs up", "speaks otherwise", "says nothing"])
def test_other_ports_of_the_job_server_do_not_matter(rest: Rest, job_server: str, says: str | None) -> None:
    with socket.create_server(("localhost", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                if says is None:
                    connection.recv(4096)
                    connection.recv(4096)  # until who asks hangs up
                else:
                    connection.sendall(says.encode())

        asked = threading.Thread(target=answer, daemon=True)
        asked.start()
        # As long as none has the job, all are asked.
        assert embedded_flink(job_server, "daeda-job") is None
        asked.join(30)
        assert not asked.is_alive()
        rest.jobs = [{"jid": "b2", "name": "daeda-job", "state": "RUNNING"}]
        assert embedded_flink(job_server, "daeda-job") is not None


def test_what_another_process_has_is_not_asked(rest: Rest) -> None:
    """Only the process that listens at the address of the job server."""
    rest.jobs = [{"jid": "b2", "name": "daeda-job", "state": "RUNNING"}]
    source = (
        "import socket, sys\n"
        "server = socket.create_server(('localhost', 0))\n"
        "print(server.getsockname()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as another:
        assert another.stdout is not None
        port = int(another.stdout.readline())
        assert embedded_flink(f"localhost:{port}", "daeda-job") is None
        another.communicate()


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]", "a..b"])
def test_a_job_server_of_another_host_is_not_looked_into(rest: Rest, job_server: str, host: str) -> None:
    """A port of this host with the same number is somebody else's."""
    rest.jobs = [{"jid": "b2", "name": "daeda-job", "state": "RUNNING"}]
    assert embedded_flink(f"{host}:{job_server.rpartition(':')[2]}", "daeda-job") is None


def test_nobody_at_that_address_has_no_flink() -> None:
    assert embedded_flink(f"localhost:{free_port()}", "daeda-job") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "::"])
def test_it_is_asked_where_it_listens(host: str, job_server: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    body = b'{"jobs": [{"jid": "b2", "name": "daeda-job", "state": "RUNNING"}]}'
    try:
        # As Java does it: who listens at any address has both families.
        server = socket.create_server((host, 0), family=family, dualstack_ipv6=host == "::")
    except OSError as error:
        pytest.skip(f"this host has no {host}: {error}")
    with server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body)

        threading.Thread(target=answer, daemon=True).start()
        found = embedded_flink(job_server, "daeda-job")
        assert found is not None
        server.shutdown(socket.SHUT_RDWR)


def test_a_flink_that_is_gone_has_ended_with_its_job(rest: Rest) -> None:
    gone = EmbeddedFlink("it", f"http://localhost:{free_port()}", "daeda-job")
    assert gone.state() is None
    assert gone.has_ended()
    # Of one that lives on by itself this is not known.
    with pytest.raises(NoAnswer):
        Flink("it", gone.address, "daeda-job").has_ended()
    # One that is there and does not say is not gone.
    rest.status = 500
    with pytest.raises(NoAnswer):
        EmbeddedFlink("it", f"http://{rest.address}", "daeda-job").has_ended()
