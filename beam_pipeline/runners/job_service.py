"""A job service before a job: whether it is one, which flags it knows beside those of Beam, how long it may start."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from daeda.errors import UsageError
from daeda.flags.parser import StrictParser
from daeda.process.supervision import children

_ANSWER_SECONDS = 30
# A host that is there takes a connection at once, however busy it is: the kernel does.
_CONNECT_SECONDS = 10
# How long a job server that Beam starts may take to come up: a busy machine takes its time for Java.
START_SECONDS = 180.0
_LOOK_SECONDS = 0.25
_TYPES = beam_job_api_pb2.PipelineOptionType


def described_at(endpoint: str, seconds: float = _ANSWER_SECONDS) -> Sequence[Any]:
    """The options that the job service at an address knows; raises UsageError unless one answers there."""
    if seconds <= 0:
        raise UsageError(f"--job_server_timeout {seconds:g} is not a number of seconds above 0: write it like 30")
    seconds = min(_ANSWER_SECONDS, seconds)
    what = f"--job_endpoint {endpoint}"
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=min(_CONNECT_SECONDS, seconds)).close()
    except (OSError, UnicodeError) as error:
        # A name with an empty or a long part is not even looked up.
        reason = "no host has such a name" if isinstance(error, UnicodeError) else error
        raise UsageError(
            f"{what}: nobody listens there ({reason}): start a job service, or correct the address; docs/runners.md "
            "shows how"
        ) from None
    with grpc.insecure_channel(endpoint) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=seconds)
            return described_by(beam_job_api_pb2_grpc.JobServiceStub(channel), seconds)
        except (grpc.FutureTimeoutError, grpc.RpcError) as error:
            reason = f"no answer within {seconds} s" if isinstance(error, grpc.FutureTimeoutError) else error.details()
            raise UsageError(
                f"{what}: what listens there is not a job service of Beam ({reason}): correct the address, or start "
                "one; docs/runners.md shows how"
            ) from None


@contextlib.contextmanager
def ended_when_late(late: threading.Event) -> Iterator[None]:
    """Beam waits without an end for a job server that it has started, and starts it again when it ends. What has not
    come up in time is ended as often as it is started; `late` is set then.
    """
    is_up, before = threading.Event(), set(children())

    def watch() -> None:
        if is_up.wait(START_SECONDS):
            return
        late.set()
        while not is_up.wait(_LOOK_SECONDS):
            for process in set(children()) - before:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="start of the job server").start()
    try:
        yield
    finally:
        is_up.set()


def described_by(service: Any, seconds: float = _ANSWER_SECONDS) -> Sequence[Any]:
    """The options that a job service knows; raises grpc.RpcError where it does not answer."""
    request = beam_job_api_pb2.DescribePipelineOptionsRequest()
    options: Sequence[Any] = service.DescribePipelineOptions(request, timeout=seconds).options
    return options


def unknown_flags(words: Sequence[str], described: Sequence[Any] = ()) -> tuple[list[str], list[str]]:
    """All flags that Beam, and a job service that described its own, know, and those of `words` that neither knows.

    Raises UsageError for a flag whose word cannot be read.
    """
    parser = StrictParser(prog="beam", add_help=False)
    for options in (PipelineOptions, *_subclasses(PipelineOptions)):
        # Beam has no public way to ask; every class of options adds its own arguments.
        options._add_argparse_args(parser)
    known = set(parser.flags())
    for option in described:
        if f"--{option.name}" not in known:
            parser.add_argument(f"--{option.name}", **_read_as(option))
    parsed, unknown = parser.parse_known_args(list(words))
    del parsed
    return parser.flags(), [word for word in unknown if word.startswith("-")] or unknown


def endpoint_of(words: Sequence[str]) -> tuple[str | None, float]:
    """The address of the job service, where flags name one, and how many seconds it may take to answer."""
    portable = PipelineOptions(list(words)).view_as(PortableOptions)
    return portable.job_endpoint, portable.job_server_timeout


def _read_as(option: Any) -> dict[str, Any]:
    """How Beam reads the word of an option that a job service has described."""
    match option.type:
        case _TYPES.BOOLEAN:
            return {"action": "store_true" if option.default_value != "true" else "store_false"}
        case _TYPES.INTEGER:
            return {"type": int}
        case _TYPES.ARRAY:
            return {"action": "append"}
        case _:
            return {}


def _subclasses(kind: Any) -> list[Any]:
    return [deeper for subclass in kind.__subclasses__() for deeper in (subclass, *_subclasses(subclass))]
