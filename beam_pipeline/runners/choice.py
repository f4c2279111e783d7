"""Which Beam runner runs the days, chosen from Beam's flags and checked before anything is written.

DirectRunner means the in-process FnApiRunner, and nothing that is downloaded. The portable runners hand the job to a
job service; what is started for them is a file that the user names.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc, beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.runner import PipelineRunner, create_runner

from daeda.errors import UsageError, did_you_mean
from daeda.flags.parser import StrictParser

_IN_PROCESS = ("DirectRunner", "FnApiRunner")
# The flag that names the file of the job server which Beam otherwise downloads; PortableRunner starts none.
_JOB_SERVER_FILES = {
    "PortableRunner": None,
    "FlinkRunner": "flink_job_server_jar",
    "SparkRunner": "spark_job_server_jar",
    "PrismRunner": "prism_location",
}
_ENVIRONMENTS = ("LOOPBACK", "EXTERNAL", "DOCKER", "PROCESS")
_PORTS = 65_536
_ANSWER_SECONDS = 30
# Beam ends the streams of a job that runs for longer than --job_server_timeout, whatever the job does.
_NO_DEADLINE_SECONDS = 365 * 86_400


@dataclass(frozen=True)
class BeamRunner:
    """The runner of a run and the words of Beam's flags behind it."""

    name: str
    words: tuple[str, ...]

    @property
    def in_process(self) -> bool:
        """Whether days are built by threads of this process, without a job service."""
        return self.name in _IN_PROCESS

    @property
    def portable(self) -> PortableOptions:
        """Where the job service is, and where workers come from."""
        return PipelineOptions(list(self.words)).view_as(PortableOptions)

    @property
    def workers_are_elsewhere(self) -> bool:
        """Whether days are built by processes that this one did not start."""
        return not self.in_process and self.portable.environment_type != "LOOPBACK"

    @property
    def flink_master(self) -> str | None:
        """The address of Flink's REST, where a flag gives it."""
        master: str | None = PipelineOptions(list(self.words)).view_as(FlinkRunnerOptions).flink_master
        return master

    def options(self, bundles: int, job_name: str = "") -> PipelineOptions:
        """Beam's options; `bundles` is how many threads hold days where that is for us to decide.

        A job on a job service gets the name `job_name`.
        """
        options = PipelineOptions(list(self.words), save_main_session=False)
        options.view_as(StandardOptions).runner = self.name
        if self.in_process:
            direct = options.view_as(DirectOptions)
            direct.direct_running_mode = "in_memory"
            direct.direct_num_workers = bundles
        else:
            if job_name:
                options.view_as(GoogleCloudOptions).job_name = job_name
            options.view_as(PortableOptions).job_server_timeout = _NO_DEADLINE_SECONDS
            # It would run pip and send the list of everything that is installed here.
            options.view_as(DebugOptions).add_experiment("disable_logging_submission_environment")
        return options

    def start(self, options: PipelineOptions) -> PipelineRunner:
        """The runner object; for a portable one the job service is connected, or started, too.

        To be called in the main thread, where Beam sets the signal handler of a job server that it starts. Raises
        UsageError when it does not start.
        """
        if self.in_process:
            return _in_process_runner(options)
        runner = create_runner(self.name)
        try:
            service = runner.create_job_service(options)
        except (RuntimeError, ValueError, OSError, grpc.FutureTimeoutError, grpc.RpcError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise UsageError(
                f"--runner {self.name}: its job server did not start ({reason}): start it by hand to see what it says, "
                "and give its address with --job_endpoint"
            ) from None
        runner.create_job_service = lambda _: service
        return runner


def choose_runner(words: Sequence[str]) -> BeamRunner:
    """The runner that Beam's flags ask for; raises UsageError for one that is not offered or lacks a flag."""
    asked = PipelineOptions(list(words)).view_as(StandardOptions).runner or "DirectRunner"
    offered = (*_IN_PROCESS, *_JOB_SERVER_FILES)
    names = {spelling.lower(): name for name in offered for spelling in (name.removesuffix("Runner"), name)}
    name = names.get(asked.lower())
    if name is None:
        raise UsageError(f"--runner {asked} is not offered: {did_you_mean(asked, offered)}")
    runner = BeamRunner(name, tuple(words))
    if not runner.in_process:
        _check_job_server(runner)
        _check_environment(runner)
        mistakes = PipelineOptionsValidator(runner.options(1), None).validate()
        if mistakes:
            raise UsageError(*(f"--runner {name}: {mistake}" for mistake in mistakes))
    return runner


def _check_job_server(runner: BeamRunner) -> None:
    endpoint = runner.portable.job_endpoint
    if endpoint is not None:
        host, colon, port = endpoint.rpartition(":")
        if not (host and colon and port.isdigit() and int(port) < _PORTS):
            raise UsageError(f"--job_endpoint {endpoint} is not HOST:PORT: write it like localhost:8099")
        return
    flag = _JOB_SERVER_FILES[runner.name]
    if flag is None:
        raise UsageError(
            f"--runner {runner.name} needs --job_endpoint HOST:PORT, the job service to hand the days to: "
            "docs/runners.md shows how to start the one that comes with Beam"
        )
    path = PipelineOptions(list(runner.words)).get_all_options()[flag]
    if path is None:
        raise UsageError(
            f"--runner {runner.name} would download its job server: give its file with --{flag}, or a job server that "
            "runs with --job_endpoint HOST:PORT"
        )
    if not Path(path).is_file():
        raise UsageError(f"--{flag} {path}: no such file: give the file of the job server")


def _check_environment(runner: BeamRunner) -> None:
    kind = runner.portable.environment_type
    if kind is None:
        raise UsageError(
            f"--runner {runner.name} needs --environment_type: LOOPBACK (workers in this process) or EXTERNAL (a pool "
            "of worker processes, its address in --environment_config)"
        )
    if kind not in _ENVIRONMENTS:
        raise UsageError(f"--environment_type {kind}: {did_you_mean(kind, _ENVIRONMENTS)}")
    given = runner.portable.environment_config or runner.portable.environment_options
    if kind == "DOCKER" and not given:
        raise UsageError(
            "--environment_type DOCKER would use Beam's own image, which lacks daeda: name an image that has it with "
            "--environment_config"
        )
    if kind == "EXTERNAL" and not given:
        raise UsageError(
            "--environment_type EXTERNAL needs --environment_config HOST:PORT, the pool that starts workers: "
            "docs/runners.md shows how to start one"
        )


def check_job_service(runner: BeamRunner) -> None:
    """Raise UsageError unless a Beam job service answers at the job endpoint, where one is given."""
    endpoint = None if runner.in_process else runner.portable.job_endpoint
    if endpoint is None:
        return
    seconds = min(_ANSWER_SECONDS, runner.portable.job_server_timeout)
    what = f"--job_endpoint {endpoint}"
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
    except OSError as error:
        raise UsageError(
            f"{what}: nobody listens there ({error}): start a job service, or correct the address; docs/runners.md "
            "shows how"
        ) from None
    with grpc.insecure_channel(endpoint) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=seconds)
            service = beam_job_api_pb2_grpc.JobServiceStub(channel)
            service.DescribePipelineOptions(beam_job_api_pb2.DescribePipelineOptionsRequest(), timeout=seconds)
        except (grpc.FutureTimeoutError, grpc.RpcError) as error:
            reason = f"no answer within {seconds} s" if isinstance(error, grpc.FutureTimeoutError) else error.details()
            raise UsageError(
                f"{what}: what listens there is not a job service of Beam ({reason}): correct the address, or start "
                "one; docs/runners.md shows how"
            ) from None


def _in_process_runner(options: PipelineOptions) -> PipelineRunner:
    """The FnApiRunner, with the options that Beam's own switching runner would give it."""
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    info = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))


def unknown_to_beam(words: list[str]) -> tuple[list[str], list[str]]:
    """All flags that Beam knows, and those of `words` that it does not know."""
    parser = StrictParser(prog="beam", add_help=False)
    for options in (PipelineOptions, *_subclasses(PipelineOptions)):
        # Beam has no public way to ask; every class of options adds its own arguments.
        options._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(words)
    return parser.flags(), [word for word in unknown if word.startswith("-")] or unknown


def _subclasses(kind: Any) -> list[Any]:
    return [deeper for subclass in kind.__subclasses__() for deeper in (subclass, *_subclasses(subclass))]
