"""`python -m beam_pipeline.pool`: starts workers of the skeleton on this host, for the engines that ask for them."""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Sequence

from beam_pipeline.runners.logging import quiet_logging
from daeda.errors import UsageError, first_line
from daeda.flags.parser import StrictParser
from daeda.process import interrupts
from daeda.process.extras import require
from daeda.process.messages import run_command, say

_LARGEST_PORT = 65_535
# How late a signal may be noticed.
_LOOK_SECONDS = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal ends the pool, and its workers with it; returns the exit code."""
    return run_command(_command, sys.argv[1:] if arguments is None else arguments)


def build_parser() -> StrictParser:
    """The flags of the pool."""
    parser = StrictParser(
        prog="python -m beam_pipeline.pool",
        description="Start workers of the skeleton on this host, for an engine that asks for them (EXTERNAL).",
    )
    parser.add_argument(
        "--host", default="localhost", help="address to listen at; whoever reaches it can have code run here"
    )
    parser.add_argument("--port", type=_port, default=50_000, help="port to listen at")
    return parser


def _port(word: str) -> int:
    if word.isascii() and word.isdecimal() and 0 < int(word) <= _LARGEST_PORT:
        return int(word)
    raise argparse.ArgumentTypeError(f"'{word}' is not a port: give a whole number up to {_LARGEST_PORT}")


def _command(words: Sequence[str]) -> int:
    given = build_parser().parse_strictly(words)
    require("skeleton")
    _check_free(given.host, given.port)
    quiet_logging()
    from beam_pipeline.runners.worker_pool import serve

    try:
        pool = serve(given.host, given.port)
    except RuntimeError as error:
        raise _refused(given.host, given.port, first_line(error)) from None
    say(f"a pool of workers listens at {given.host}:{given.port}: --environment_config {given.host}:{given.port}")
    try:
        # A signal is how a pool is ended.
        signals: list[int] = []
        with interrupts.handled(lambda number, _: signals.append(number)):
            while not signals:
                time.sleep(_LOOK_SECONDS)
    finally:
        pool.stop()
    return 0


def _check_free(host: str, port: int) -> None:
    """Raise UsageError where nobody can listen; gRPC would say so in lines of its own, too."""
    try:
        for family, _kind, _protocol, _name, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                # What has been closed a moment ago is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = error.strerror or "no answer" if isinstance(error, OSError) else "no host has such a name"
        raise _refused(host, port, reason) from None


def _refused(host: str, port: int, reason: str) -> UsageError:
    return UsageError(f"nobody can listen at {host}:{port} ({reason}): choose another --port or --host")


if __name__ == "__main__":
    raise SystemExit(main())
