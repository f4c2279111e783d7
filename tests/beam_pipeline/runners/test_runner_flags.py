"""Runners and their flags: what is refused, and that nothing is written by then."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from beam_pipeline.runners import choice
from beam_pipeline.runners.choice import BeamRunner, all_and_unknown_flags, check_addresses, choose_runner
from daeda.errors import UsageError
from tests.beam_pipeline.runners.conftest import REPOSITORY, free_port
from tests.projects import TinyProject

KNOWN = "Known: DirectRunner, FlinkRunner, FnApiRunner, PortableRunner, PrismRunner, SparkRunner"
PORTABLE = ("--runner", "PortableRunner", "--job_endpoint", "localhost:8099")
DOCS = "docs/runners.md shows how"
FLINK = (
    "start Flink, correct the address, or, where the job server alone reaches it, give it to the job server and leave "
    "the flag out"
)

REFUSED = {
    "misspelt": (("--runner", "Portabel"), f"--runner Portabel is not offered: did you mean 'PortableRunner'? {KNOWN}"),
    "not offered": (
        ("--runner", "DataflowRunner"),
        f"--runner DataflowRunner is not offered: did you mean 'PortableRunner'? {KNOWN}",
    ),
    "no endpoint": (
        ("--runner", "portable"),
        "--runner PortableRunner needs --job_endpoint HOST:PORT, the job service to hand the days to: "
        "docs/runners.md shows how to start the one that comes with Beam",
    ),
    "endpoint without a port": (
        ("--runner", "PortableRunner", "--job_endpoint", "localhost"),
        "--job_endpoint localhost is not HOST:PORT: write it like localhost:8099",
    ),
    "endpoint with no such port": (
        ("--runner", "PortableRunner", "--job_endpoint", "localhost:65536"),
        "--job_endpoint localhost:65536 is not HOST:PORT: write it like localhost:8099",
    ),
    "endpoint whose port is no number": (
        ("--runner", "PortableRunner", "--job_endpoint", "localhost:²"),
        "--job_endpoint localhost:² is not HOST:PORT: write it like localhost:8099",
    ),
    "endpoint at a host that has no name": (
        ("--runner", "PortableRunner", "--environment_type", "LOOPBACK", "--job_endpoint", "a..b:8099"),
        "--job_endpoint a..b:8099: nobody listens there (no host has such a name): start a job service, or correct "
        f"the address; {DOCS}",
    ),
    "no time to answer": (
        (*PORTABLE, "--environment_type", "LOOPBACK", "--job_server_timeout", "-1"),
        "--job_server_timeout -1 is not a number of seconds above 0: write it like 30",
    ),
    "a name of one's own for the job": (
        ("--job_name=mine",),
        "python -m beam_pipeline: --job_name is decided by the run, which finds its job again by a name of its own: "
        "leave it out; see python -m beam_pipeline --help",
    ),
    "would download": (
        ("--runner", "FlinkRunner"),
        "--runner FlinkRunner would download its job server: give its file with --flink_job_server_jar, or a job "
        "server that runs with --job_endpoint HOST:PORT",
    ),
    "no such jar": (
        ("--runner", "FlinkRunner", "--flink_job_server_jar", "no.jar"),
        "--flink_job_server_jar no.jar: no such file: give the file of the job server",
    ),
    "a master of Flink that is no address": (
        (*PORTABLE, "--environment_type", "LOOPBACK", "--flink_master", "local host:x"),
        "--flink_master local host:x is not HOST:PORT of Flink's REST: write it like localhost:8081, or leave it out "
        "where Flink is inside of the job server ([auto], [local], [collection])",
    ),
    "a master of Flink with no such port": (
        (*PORTABLE, "--environment_type", "LOOPBACK", "--flink_master", "localhost:65536"),
        "--flink_master localhost:65536 is not HOST:PORT of Flink's REST: write it like localhost:8081, or leave it "
        "out where Flink is inside of the job server ([auto], [local], [collection])",
    ),
    "a master of Flink behind a proxy's path": (
        (*PORTABLE, "--environment_type", "LOOPBACK", "--flink_master", "http://localhost:8081/some/proxy"),
        "--flink_master http://localhost:8081/some/proxy is not HOST:PORT of Flink's REST: write it like "
        "localhost:8081, or leave it out where Flink is inside of the job server ([auto], [local], [collection])",
    ),
    "a master of Flink with the slash of a path": (
        (*PORTABLE, "--environment_type", "LOOPBACK", "--flink_master", "https://localhost:8081/"),
        "--flink_master https://localhost:8081/ is not HOST:PORT of Flink's REST: write it like localhost:8081, or "
        "leave it out where Flink is inside of the job server ([auto], [local], [collection])",
    ),
    "a job endpoint and a Flink that nobody has": (
        ("--runner", "FlinkRunner", "--job_endpoint", "localhost:0", "--environment_type", "LOOPBACK",
         "--flink_master", "http://a..b:8081"),
        "--job_endpoint localhost:0: nobody listens there ([Errno 111] Connection refused): start a job service, or "
        f"correct the address; {DOCS}\nerror: --flink_master http://a..b:8081: Flink's REST does not answer there (no "
        f"host has such a name): {FLINK}",
    ),
    "no environment": (
        PORTABLE,
        "--runner PortableRunner needs --environment_type: LOOPBACK (workers in this process) or EXTERNAL (a pool of "
        "worker processes, its address in --environment_config)",
    ),
    "misspelt environment": (
        (*PORTABLE, "--environment_type", "LOPBACK"),
        "--environment_type LOPBACK: did you mean 'LOOPBACK'? Known: DOCKER, EXTERNAL, LOOPBACK, PROCESS",
    ),
    "no pool": (
        (*PORTABLE, "--environment_type", "EXTERNAL"),
        "--environment_type EXTERNAL needs --environment_config HOST:PORT, the pool that starts workers: "
        "docs/runners.md shows how to start one",
    ),
    "a pool without a port": (
        (*PORTABLE, "--environment_type", "EXTERNAL", "--environment_config", "localhost"),
        "--environment_type EXTERNAL: the pool of workers 'localhost' is not HOST:PORT: write --environment_config "
        "localhost:50000",
    ),
    "a pool that is an address of the web": (
        (*PORTABLE, "--environment_type", "EXTERNAL", "--environment_config", "http://localhost:50000/"),
        "--environment_type EXTERNAL: the pool of workers 'http://localhost:50000/' is not HOST:PORT: write "
        "--environment_config localhost:50000",
    ),
    "a pool in JSON without its address": (
        (*PORTABLE, "--environment_type", "EXTERNAL", "--environment_config", '{"params": {"a": "b"}}'),
        """--environment_type EXTERNAL: the pool of workers '{"params": {"a": "b"}}' is not HOST:PORT: write """
        "--environment_config localhost:50000",
    ),
    "a pool among the options without a port": (
        (*PORTABLE, "--environment_type", "EXTERNAL", "--environment_options", "external_service_address=pool"),
        "--environment_type EXTERNAL: the pool of workers 'pool' is not HOST:PORT: write --environment_config "
        "localhost:50000",
    ),
    "a pool for workers in this process": (
        (*PORTABLE, "--environment_type", "LOOPBACK", "--environment_config", "localhost:50000"),
        "--runner PortableRunner: Option environment_config is not compatible with environment type LOOPBACK.",
    ),
    "a process without a command": (
        (*PORTABLE, "--environment_type", "PROCESS", "--environment_config", "/opt/boot"),
        "--environment_type PROCESS: --environment_config /opt/boot does not say what to run: write it like "
        """{"command": "/opt/boot"}""",
    ),
    "no image": (
        (*PORTABLE, "--environment_type", "DOCKER"),
        "--environment_type DOCKER would use Beam's own image, which lacks daeda: name an image that has it with "
        "--environment_config",
    ),
    "a file to stage that is not there": (
        ("--files_to_stage", "no/such.txt"),
        "--files_to_stage no/such.txt: no such file: correct the path, or leave the flag out",
    ),
    "a directory to stage": (
        ("--files_to_stage", "/"),
        "--files_to_stage /: a directory, and Beam sends files alone: name each of them, or leave the flag out",
    ),
    "a package that is not there": (
        (*PORTABLE, "--environment_type", "LOOPBACK", "--extra_package", "no.tar.gz"),
        "--extra_packages no.tar.gz: no such file: correct the path, or leave the flag out",
    ),
    "two pools": (
        (*PORTABLE, "--environment_type", "EXTERNAL", "--environment_config", "a:1",
         "--environment_options", "external_service_address=b:2"),
        "--runner PortableRunner: Option environment_config is incompatible with option(s) external_service_address.",
    ),
    "time-out of a runner that waits for nobody": (
        ("--runner", "FnApiRunner", "--worker-timeout", "9"),
        "--worker-timeout belongs to portable runners, and the days of FnApiRunner are built by this process: remove "
        "it, or choose another --runner",
    ),
    "time-out": (
        ("--worker-timeout", "0"),
        "python -m beam_pipeline: argument --worker-timeout: '0' is not a number of seconds above 0; see python -m "
        "beam_pipeline --help",
    ),
}  # fmt: skip


# Runs the command once for each list of words, since Beam takes a second or two to import.
COMMANDS = """
import contextlib, io, json, sys
from beam_pipeline.command import main
told = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        code = main(words)
    told.append([code, errors.getvalue()])
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Exit code and stderr of each case."""
    project = TinyProject(tmp_path_factory.mktemp("project")).write().write_data()
    commands = [["--runtime-config-path", str(project.runtime_path), *words] for words, _ in REFUSED.values()]
    words = [sys.executable, "-c", COMMANDS, json.dumps(commands)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=True)
    assert not (project.root / "output").exists()
    return dict(zip(REFUSED, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", REFUSED)
def test_a_runner_that_cannot_run_is_refused(told: dict[str, tuple[int, str]], name: str) -> None:
    assert told[name] == [2, f"error: {REFUSED[name][1]}\n"]


@pytest.mark.parametrize(
    ("words", "pool"),
    [
        (("--environment_config", "host-b:50000"), "host-b:50000"),
        (("--environment_config", "[::1]:50000"), "[::1]:50000"),
        (("--environment_config", ' {"url": "host-b:50000", "params": {"a": "b"}}'), "host-b:50000"),
        (("--environment_options", "external_service_address=host-b:50000"), "host-b:50000"),
    ],
)
def test_a_pool_may_be_given_in_each_of_the_ways_of_beam(words: tuple[str, ...], pool: str) -> None:
    assert choose_runner((*PORTABLE, "--environment_type", "EXTERNAL", *words)).pool == pool


def test_a_job_service_that_has_gone_meanwhile_is_told() -> None:
    """The run may have waited for its days, or built others of them, since it was looked for."""
    port = free_port()
    runner = BeamRunner("FlinkRunner", ("--job_endpoint", f"localhost:{port}", "--environment_type", "LOOPBACK"))
    with pytest.raises(UsageError, match=f"^--job_endpoint localhost:{port}: nobody listens there "):
        runner.start(runner.options(1))


# The command, where a job server has half a second to come up.
HURRIED = """
import sys
from beam_pipeline.command import main, quiet_logging
quiet_logging()
from beam_pipeline.runners import job_service
job_service.START_SECONDS = 0.5
raise SystemExit(main(sys.argv[1:]))
"""


@pytest.mark.cases
def test_a_job_server_that_does_not_come_up_is_told_and_ended(tmp_path: Path) -> None:
    """Beam would wait for it without an end."""
    project = TinyProject(tmp_path / "project").write().write_data()
    launcher, jar = tmp_path / "java", tmp_path / "server.jar"
    launcher.write_text("#!/bin/sh\nsleep 600\n")
    launcher.chmod(0o755)
    jar.touch()
    words = ["--runner", "FlinkRunner", "--flink_job_server_jar", jar, "--job_server_java_launcher", launcher]
    run = [sys.executable, "-c", HURRIED, "--runtime-config-path", project.runtime_path, *words]
    done = subprocess.run(
        [*run, "--environment_type", "LOOPBACK"], cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (
        2,
        "error: --runner FlinkRunner: its job server did not start (it did not answer within 0.5 s): start it by hand "
        "to see what it says, and give its address with --job_endpoint\n",
    )


def test_a_job_endpoint_where_something_else_listens() -> None:
    with socket.create_server(("localhost", 0)) as server, ThreadPoolExecutor(1) as answering:
        # It takes connections and says nothing, like a service behind a wrong port.
        endpoint = f"localhost:{server.getsockname()[1]}"
        taken = answering.submit(server.accept)
        refusal = (
            f"--job_endpoint {endpoint}: what listens there is not a job service of Beam (no answer within 2 s): "
            f"correct the address, or start one; {DOCS}"
        )
        with pytest.raises(UsageError, match=f"^{re.escape(refusal)}$"):
            check_addresses(BeamRunner("FlinkRunner", ("--job_endpoint", endpoint, "--job_server_timeout", "2")))
        taken.result(60)[0].close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "[Errno 111] Connection refused"),
        (b"", "no whole answer within 0.2 s"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "it answers with the status 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "what answers there is not Flink"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"jobs": []}', None),
    ],
)
def test_a_master_of_flink_that_does_not_answer_is_refused_before_the_job(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, said: bytes | None, reason: str | None
) -> None:
    monkeypatch.setattr(choice, "_FLINK_ANSWERS_SECONDS", 0.2 if said == b"" else 60.0)
    with socket.create_server(("localhost", 0)) as server, ThreadPoolExecutor(1) as answering:
        master = f"localhost:{server.getsockname()[1]}"
        if said is None:
            server.close()
        elif said:
            answering.submit(_answer_once, server, said)
        words = ("--job_endpoint", endpoint, "--flink_master", master)
        with contextlib.ExitStack() as stack:
            if reason is not None:
                refusal = f"--flink_master {master}: Flink's REST does not answer there ({reason}): {FLINK}"
                stack.enter_context(pytest.raises(UsageError, match=f"^{re.escape(refusal)}$"))
            check_addresses(BeamRunner("FlinkRunner", words))


def _answer_once(server: socket.socket, said: bytes) -> None:
    server.settimeout(60)
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(said)


class Describes(beam_job_api_pb2_grpc.JobServiceServicer):  # type: ignore[misc]
    """A job service that knows flags of its own, as Flink's does."""

    def DescribePipelineOptions(self, _request: Any, _context: Any) -> Any:
        kinds = beam_job_api_pb2.PipelineOptionType
        described = {"number_of_execution_retries": kinds.INTEGER, "enable_metrics": kinds.BOOLEAN, "x": kinds.STRING}
        options = [beam_job_api_pb2.PipelineOptionDescriptor(name=name, type=kind) for name, kind in described.items()]
        return beam_job_api_pb2.DescribePipelineOptionsResponse(options=options)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(Describes(), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    yield f"localhost:{port}"
    server.stop(None).wait()


def flags(endpoint: str, *words: str) -> list[str]:
    """The flags that nobody knows."""
    return all_and_unknown_flags(["--runner", "FlinkRunner", "--job_endpoint", endpoint, *words])[1]


def test_flags_that_only_the_job_service_knows_are_flags(endpoint: str) -> None:
    assert flags(endpoint, "--number_of_execution_retries", "3", "--enable_metrics", "--parallelism=2") == []
    assert flags(endpoint, "--number_of_execution_retrys", "3") == ["--number_of_execution_retrys"]
    known, _ = all_and_unknown_flags(["--runner", "FlinkRunner", "--job_endpoint", endpoint, "--none"])
    assert {"--number_of_execution_retries", "--parallelism", "--environment_type"} <= set(known)


def test_a_word_that_the_job_service_could_not_read_is_refused(endpoint: str) -> None:
    with pytest.raises(UsageError) as failure:
        flags(endpoint, "--number_of_execution_retries=often")
    assert str(failure.value) == (
        "beam: argument --number_of_execution_retries: invalid int value: 'often'; see beam --help"
    )


def test_only_a_runner_with_a_job_service_is_asked(endpoint: str) -> None:
    words = ["--job_endpoint", endpoint, "--number_of_execution_retries=3"]
    assert all_and_unknown_flags(["--runner", "DirectRunner", *words])[1] == ["--number_of_execution_retries=3"]
    # One that Beam starts is asked when it runs.
    assert all_and_unknown_flags(["--runner", "FlinkRunner", "--flink_job_server_jar", "x", *words[2:]])[1] == []


def test_a_flag_that_a_job_server_of_its_own_does_not_know_is_refused_when_it_runs(endpoint: str) -> None:
    words = ("--runner", "FlinkRunner", "--job_endpoint", endpoint, "--environment_type", "LOOPBACK")
    for more, refused in ((("--number_of_execution_retries=3",), False), (("--no_such=1",), True)):
        runner = BeamRunner("FlinkRunner", (*words, *more))
        with contextlib.ExitStack() as stack:
            if refused:
                stack.enter_context(
                    pytest.raises(UsageError, match="neither Beam nor its job server knows '--no_such'")
                )
            runner.start(runner.options(1))
