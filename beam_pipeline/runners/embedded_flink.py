"""A Flink inside of a job server, whose address nobody is told: looked for among the ports of that process.

Beam's job server cannot end what such a Flink does: told to cancel a job, it only stops waiting for it. A restart
strategy without an end then begins the job again for ever where no worker can be had, and each time the server has
more open ports. This Flink has a REST too, at a port that the kernel gave; where the job server runs on this host, and
this user may see its files, /proc says which ports are its own.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beam_pipeline.runners.submitted_job import Flink, NoAnswer

_PROC = Path("/proc")
_LISTENS = "0A"
_WORD = 8
# The kernel gives a page of its table at a time and goes on at the number of an entry: where a socket before it has
# been closed meanwhile, the next one is passed over.
_LOOKS = 4
# All ports are asked at once, and all others hang up on what is no question to them; a Flink that has just begun is
# slow. It has room in the time that a run has for its end.
_AT_ONCE = 32
_ANSWER_SECONDS = 3.0


@dataclass(frozen=True)
class EmbeddedFlink(Flink):
    """The job in a Flink that lives as long as the job, and no longer."""

    def _job(self) -> dict[str, Any] | None:
        try:
            return super()._job()
        except NoAnswer:
            if self._is_gone():
                return None
            raise

    def _is_gone(self) -> bool:
        host, _, port = self.address.partition("://")[2].rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=self.answer_seconds).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return False


def embedded_flink(endpoint: str, job_name: str) -> Flink | None:
    """The Flink that has a job of this name inside of the job server at an address; None where none is found."""
    host, _, port = endpoint.rpartition(":")
    if not _is_this_host(host.strip("[]")):
        return None
    listening = dict(found for _ in range(_LOOKS) for found in _listening())
    servers = {inode for inode, (_, at) in listening.items() if at == int(port)}
    own = _sockets_of(servers, set(listening)) - servers
    places = [_flink(*listening[inode], job_name) for inode in own]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for place, has_it in zip(places, threads.map(_has_the_job, places), strict=True):
            if has_it:
                return place
    return None


def _flink(host: str, port: int, job_name: str) -> Flink:
    address = f"{host}:{port}"
    return EmbeddedFlink(f"the Flink of the job server at {address}", f"http://{address}", job_name, _ANSWER_SECONDS)


def _has_the_job(place: Flink) -> bool:
    try:
        return place.state() is not None
    except NoAnswer:
        return False


def _is_this_host(host: str) -> bool:
    """Whether a name means this host: only its own addresses can be bound."""
    with suppress(OSError, UnicodeError):
        for family, kind, _, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with suppress(OSError), socket.socket(family, kind) as probe:
                probe.bind(address)
                return True
    return False


def _listening() -> Iterator[tuple[str, tuple[str, int]]]:
    """Address and port of every socket of this host that listens, by its inode."""
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                words = line.split()
                address, _, port = words[1].partition(":")
                if words[3] == _LISTENS:
                    yield words[9], (_readable(address), int(port, 16))


def _readable(address: str) -> str:
    """An address as it is written, localhost for any; /proc has words of four bytes in the order of this machine."""
    parts = [address[at : at + _WORD] for at in range(0, len(address), _WORD)]
    packed = b"".join(int(part, 16).to_bytes(4, "little") for part in parts)
    if not any(packed):
        return "localhost"
    return socket.inet_ntoa(packed) if len(parts) == 1 else f"[{socket.inet_ntop(socket.AF_INET6, packed)}]"


def _sockets_of(servers: set[str], listening: set[str]) -> set[str]:
    """The sockets that listen, of the processes that have one of `servers`; others' processes cannot be looked into."""
    found: set[str] = set()
    for process in _PROC.glob("[0-9]*"):
        sockets: set[str] = set()
        with suppress(OSError):  # it has ended, or is another user's
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):  # it has just been closed
                    sockets.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
        if sockets & servers:
            found |= sockets & listening
    return found
