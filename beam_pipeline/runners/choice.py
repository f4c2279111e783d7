"""Which Beam runner runs the days, chosen from Beam's flags and checked before anything is written.

DirectRunner means the in-process FnApiRunner, and nothing that is downloaded. The portable runners hand the job to a
job service; what is started for them is a file that the user names.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import grpc
from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    StandardOptions,
)
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.runner import PipelineRunner, create_runner

from beam_pipeline.runners import job_service
from beam_pipeline.runners.in_process import IN_PROCESS
from beam_pipeline.runners.job_service import (
    described_at,
    described_by,
    ended_when_late,
    endpoint_of,
    unknown_flags,
)
from beam_pipeline.runners.submitted_job import EMBEDDED, flink_at
from daeda.errors import UsageError, did_you_mean
from daeda.process.host import probe_host
from daeda.process.supervision import children

OptionsT = TypeVar("OptionsT", bound=PipelineOptions)

# The flag that names the file of the job server which Beam otherwise downloads; PortableRunner starts none.
_JOB_SERVER_FILES = {
    "PortableRunner": None,
    "FlinkRunner": "flink_job_server_jar",
    "SparkRunner": "spark_job_server_jar",
    "PrismRunner": "prism_location",
}
_ENVIRONMENTS = ("LOOPBACK", "EXTERNAL", "DOCKER", "PROCESS")
_PORTS = 65_536
# Longer than it may take for the state of a job: here nobody waits for an end, and a Flink that has just begun is slow.
_FLINK_ANSWERS_SECONDS = 10.0
# Flink's own client takes no path behind the port, not even the slash of one.
_FLINK_REST = re.compile(r"(?:https?://)?(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
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
        return self.name in IN_PROCESS

    @property
    def parallelism(self) -> int:
        """How many days the runner has at work at once by itself: on an engine --parallelism, or this host's cores."""
        if self.in_process:
            return 1
        asked: int = PipelineOptions(list(self.words)).view_as(FlinkRunnerOptions).parallelism
        return asked if asked > 0 else probe_host().cores

    @property
    def makes_one_bundle(self) -> bool:
        """Whether all days would come to one worker, one after another, unless each comes alone."""
        return self.name == "PrismRunner"

    @property
    def portable(self) -> PortableOptions:
        """Where the job service is, and where workers come from."""
        return PipelineOptions(list(self.words)).view_as(PortableOptions)

    @property
    def pool(self) -> str:
        """Where the pool is that starts workers (EXTERNAL), HOST:PORT; empty where there is none."""
        config = self.portable.environment_config
        if config is None:
            address = self.portable.lookup_environment_option("external_service_address")
        else:
            # Beam takes an object in JSON too, with the address as its `url`.
            address = _json_object(config).get("url", "") if config.lstrip().startswith("{") else config
        return str(address or "")

    @property
    def flink_master(self) -> str | None:
        """The address of Flink's REST, where a flag gives it."""
        master: str | None = PipelineOptions(list(self.words)).view_as(FlinkRunnerOptions).flink_master
        return master

    def options(self, bundles: int) -> PipelineOptions:
        """Beam's options; `bundles` is how many threads hold days where that is for us to decide."""
        options = _OptionsParsedOnce(list(self.words), save_main_session=False)
        options.view_as(StandardOptions).runner = self.name
        if self.in_process:
            direct = options.view_as(DirectOptions)
            direct.direct_running_mode = "in_memory"
            direct.direct_num_workers = bundles
        else:
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
        endpoint = self.portable.job_endpoint
        if endpoint is not None:
            # It may have gone while the run waited for its days, or built others of them; Beam would wait for a year.
            described_at(endpoint, self.portable.job_server_timeout)
        runner = create_runner(self.name)
        before = set(children())
        late = threading.Event()
        try:
            with ended_when_late(late):
                service = runner.create_job_service(options)
        except (RuntimeError, ValueError, OSError, grpc.FutureTimeoutError, grpc.RpcError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            if late.is_set():
                reason = f"it did not answer within {job_service.START_SECONDS:g} s"
            raise UsageError(
                f"--runner {self.name}: its job server did not start ({reason}): start it by hand to see what it says, "
                "and give its address with --job_endpoint"
            ) from None
        # Job servers that Beam has started for this run.
        runner.started_processes = sorted(set(children()) - before)
        self._check_flags(service.job_service)

        def submitting(given: PipelineOptions) -> JobServiceHandle:
            # Each job has a name of its own among the options that it is submitted with.
            service.options = given
            return service

        runner.create_job_service = submitting
        return runner

    def _check_flags(self, job_service: Any) -> None:
        """Raise UsageError for a flag that neither Beam nor this job service knows."""
        if not unknown_flags(self.words)[1]:
            return
        try:
            described = described_by(job_service)
        except grpc.RpcError as error:
            raise UsageError(
                f"--runner {self.name}: its job server does not say which flags it knows ({error.details()}): start it "
                "by hand to see what it says, and give its address with --job_endpoint"
            ) from None
        known, unknown = unknown_flags(self.words, described)
        if unknown:
            flag = unknown[0].partition("=")[0]
            raise UsageError(
                f"--runner {self.name}: neither Beam nor its job server knows '{flag}': {did_you_mean(flag, known)}"
            )


def check_addresses(runner: BeamRunner) -> None:
    """Raise UsageError unless a job service of Beam, and Flink, answer at the addresses that are given for them."""
    if runner.in_process:
        return
    endpoint = runner.portable.job_endpoint
    mistakes: list[str] = []
    if endpoint is not None:
        try:
            described_at(endpoint, runner.portable.job_server_timeout)
        except UsageError as error:
            mistakes += error.sentences
    flink = flink_at(runner.flink_master, "", _FLINK_ANSWERS_SECONDS)
    silence = None if flink is None else flink.silence()
    if silence is not None:
        mistakes.append(
            f"--flink_master {runner.flink_master}: Flink's REST does not answer there ({silence}): start Flink, "
            "correct the address, or, where the job server alone reaches it, give it to the job server and leave the "
            "flag out"
        )
    if mistakes:
        raise UsageError(*mistakes)


def all_and_unknown_flags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """All flags that may be given, and those of `words` that nobody knows: neither Beam nor the job service.

    A job service that runs already is asked. One that Beam starts is asked by `BeamRunner.start`: until then nothing
    is known that it may not know. Raises UsageError for a flag whose word cannot be read, or a job service that is
    none.
    """
    known, unknown = unknown_flags(words)
    if not unknown or _name(words) in IN_PROCESS:
        return known, unknown
    endpoint, seconds = endpoint_of(words)
    if endpoint is None:
        return known, [] if _JOB_SERVER_FILES[_name(words)] else unknown
    _check_endpoint(endpoint)
    return unknown_flags(words, described_at(endpoint, seconds))


def choose_runner(words: Sequence[str]) -> BeamRunner:
    """The runner that Beam's flags ask for; raises UsageError for one that is not offered or lacks a flag."""
    name = _name(words)
    _check_files(words)
    runner = BeamRunner(name, tuple(words))
    if not runner.in_process:
        _check_job_server(runner)
        _check_flink(runner.flink_master)
        _check_environment(runner)
        mistakes = PipelineOptionsValidator(runner.options(1), None).validate()
        if mistakes:
            raise UsageError(*(f"--runner {name}: {mistake}" for mistake in mistakes))
    return runner


def _name(words: Sequence[str]) -> str:
    asked = PipelineOptions(list(words)).view_as(StandardOptions).runner or "DirectRunner"
    offered = (*IN_PROCESS, *_JOB_SERVER_FILES)
    names = {spelling.lower(): name for name in offered for spelling in (name.removesuffix("Runner"), name)}
    name = names.get(asked.lower())
    if name is None:
        raise UsageError(f"--runner {asked} is not offered: {did_you_mean(asked, offered)}")
    return name


def _check_files(words: Sequence[str]) -> None:
    """Beam looks for what it sends to workers when the job is submitted, and says with a traceback what is missing."""
    given = PipelineOptions(list(words)).view_as(SetupOptions)
    files = {
        "files_to_stage": given.files_to_stage or (),
        "extra_packages": given.extra_packages or (),
        "requirements_file": [given.requirements_file] if given.requirements_file else (),
        "setup_file": [given.setup_file] if given.setup_file else (),
    }
    for flag, paths in files.items():
        for path in paths:
            # Beam also takes addresses of its file systems.
            if "://" not in path and not Path(path).is_file():
                reason = "no such file: correct the path"
                if Path(path).is_dir():
                    reason = "a directory, and Beam sends files alone: name each of them"
                raise UsageError(f"--{flag} {path}: {reason}, or leave the flag out")


def _check_job_server(runner: BeamRunner) -> None:
    endpoint = runner.portable.job_endpoint
    if endpoint is not None:
        _check_endpoint(endpoint)
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


def _check_endpoint(endpoint: str) -> None:
    if not _is_address(endpoint):
        raise UsageError(f"--job_endpoint {endpoint} is not HOST:PORT: write it like localhost:8099")


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdecimal() and int(port) < _PORTS


def _check_flink(master: str | None) -> None:
    """A Flink that cannot be asked would be found out by the job, which has begun by then."""
    if not master or master in EMBEDDED:
        return
    if not _FLINK_REST.fullmatch(master) or int(master.rpartition(":")[2]) >= _PORTS:
        raise UsageError(
            f"--flink_master {master} is not HOST:PORT of Flink's REST: write it like localhost:8081, or leave it out "
            f"where Flink is inside of the job server ({', '.join(EMBEDDED)})"
        )


def _check_environment(runner: BeamRunner) -> None:
    kind = runner.portable.environment_type
    if kind is None:
        raise UsageError(
            f"--runner {runner.name} needs --environment_type: LOOPBACK (workers in this process) or EXTERNAL (a pool "
            "of worker processes, its address in --environment_config)"
        )
    if kind not in _ENVIRONMENTS:
        raise UsageError(f"--environment_type {kind}: {did_you_mean(kind, _ENVIRONMENTS)}")
    config = runner.portable.environment_config
    given = config or runner.portable.environment_options
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
    if kind == "EXTERNAL" and not _is_address(runner.pool):
        raise UsageError(
            f"--environment_type EXTERNAL: the pool of workers '{runner.pool or given}' is not HOST:PORT: write "
            "--environment_config localhost:50000"
        )
    if kind == "PROCESS" and config and not str(_json_object(config).get("command", "")):
        raise UsageError(
            f"--environment_type PROCESS: --environment_config {config} does not say what to run: write it like "
            """{"command": "/opt/boot"}"""
        )


def _json_object(text: str) -> dict[str, Any]:
    """The object of a text in JSON, empty where it is none."""
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


class _OptionsParsedOnce(PipelineOptions):  # type: ignore[misc]
    """Options whose words are parsed once for each kind of options: Beam asks anew with every transform."""

    def view_as(self, cls: type[OptionsT]) -> OptionsT:
        """The options as a kind of options; all views share their values."""
        views: dict[type, PipelineOptions] = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return cast(OptionsT, views[cls])


def _in_process_runner(options: PipelineOptions) -> PipelineRunner:
    """The FnApiRunner, with the options that Beam's own switching runner would give it."""
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    info = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))
