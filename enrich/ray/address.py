"""Where Ray is: whether anything answers there, found out without Ray."""

from __future__ import annotations

import socket

from daeda.errors import InputError

PROBE_SECONDS = 5.0
# What a client of gRPC, which Ray's head speaks, begins with, and the type of the frame that it is answered with.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4


def probe_address(address: str) -> None:
    """Raise InputError unless a server of gRPC answers at `address`, host:port, within five seconds.

    Ray itself would wait for minutes, and then end the process.
    """
    host, _colon, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS) as connection:
            connection.sendall(_PREFACE)
            answer = connection.recv(9)
    except OSError as error:
        reason = error.strerror or "no answer" if not isinstance(error, TimeoutError) else "no answer in time"
        raise unreachable(address, reason) from error
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise unreachable(address, "what answers there is something else")


def unreachable(address: str, reason: str) -> InputError:
    """The sentence for a cluster that cannot be used."""
    return InputError(
        f"no Ray cluster at ray.address {address} ({reason}): start its head with `ray start --head`, correct "
        "--ray-address, or leave it out, and the run starts a Ray of its own"
    )


def probe_loopback() -> None:
    """Raise InputError unless this host can talk to itself, as the processes of a Ray of the run's own do."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=PROBE_SECONDS).close()
    except OSError as error:
        raise InputError(
            f"this host does not reach itself at 127.0.0.1 ({error.strerror or 'no answer in time'}), where the "
            "processes of Ray talk to each other: bring its loopback interface up (`ip link set lo up`), or name a "
            "cluster that runs already (--ray-address)"
        ) from error
