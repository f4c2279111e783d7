"""Where Ray is: whether anything answers there, found out without Ray."""

from __future__ import annotations

import contextlib
import os
import re
import socket

from daeda.errors import InputError, NotRegular, refusal
from daeda.storage.regular import read_regular

PROBE_SECONDS = 5.0
AUTH_MODE = "RAY_AUTH_MODE"
# What a client of gRPC, which Ray's head speaks, begins with, and the types of the frames that it is answered with.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4
_DATA, _HEADERS, _LAST_KIND = 0, 1, 9
_FRAME_BYTES = 9
# A request that anybody may make, and what a head answers that wants a token.
_REQUEST = "/ray.rpc.NodeInfoGcsService/GetClusterId"
_NO_TOKEN = b"InvalidAuthToken"
# What Ray says where a process of other versions joins: those of the cluster, then those of the process.
_VERSIONS = r".*?Ray: (\S+)\s+Python: (\S+)"
_OTHER_VERSIONS = re.compile(f"Version mismatch:{_VERSIONS}{_VERSIONS}", re.DOTALL)


def probe_address(address: str) -> None:
    """Raise InputError unless a head of Ray answers at `address`, host:port, within five seconds, and wants no token
    where this process is told of none.

    Ray itself would wait for minutes, and then end the process or say that nothing is there.
    """
    host, _colon, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_SECONDS) as connection:
            connection.sendall(_PREFACE)
            kind, _stream, _content = _frame(connection)
            if kind != _SETTINGS:
                raise unreachable(address, "what answers there is something else")
            if not _has_token_mode() and _wants_token(connection):
                raise wants_token(address)
    except UnicodeError as error:
        raise unreachable(address, "no host has such a name") from error
    except OSError as error:
        reason = error.strerror or "no answer" if not isinstance(error, TimeoutError) else "no answer in time"
        raise unreachable(address, reason) from error


def _has_token_mode() -> bool:
    """Whether this process is told that clusters want tokens; Ray reads the word in any case."""
    return os.environ.get(AUTH_MODE, "").lower() == "token"


def check_token_given(address: str) -> None:
    """Raise InputError where this process is told that the cluster wants a token, and has none: Ray would end it."""
    if not _has_token_mode() or os.environ.get("RAY_AUTH_TOKEN"):
        return
    path = os.path.expanduser(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token")  # noqa: PTH111 - never fails
    try:
        token = read_regular(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, NotRegular) as error:
        raise wants_token(address) from error
    except OSError as error:
        raise InputError(f"the token for the Ray cluster at ray.address {address}: {refusal(error)}") from error
    if not token.strip():
        raise wants_token(address)


def _frame(connection: socket.socket) -> tuple[int, int, bytes]:
    """Type, stream and content of the next frame of HTTP/2; of type -1 where there is none."""
    head = _read(connection, _FRAME_BYTES)
    if len(head) < _FRAME_BYTES:
        return -1, 0, b""
    if head[3] > _LAST_KIND:
        return -1, 0, b""
    return head[3], int.from_bytes(head[5:9]) & 0x7FFFFFFF, _read(connection, int.from_bytes(head[:3]))


def _read(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count and (more := connection.recv(count - len(content))):
        content += more
    return content


def _wants_token(connection: socket.socket) -> bool:
    """Ask for the name of the cluster, without a token; whether that is refused for want of one."""
    headers = {
        ":method": "POST", ":scheme": "http", ":path": _REQUEST, ":authority": "ray",
        "content-type": "application/grpc", "te": "trailers",
    }  # fmt: skip
    block = b"".join(b"\0" + _literal(name) + _literal(value) for name, value in headers.items())
    # The headers of stream 1, which end with this frame, and an empty message, with which the request ends.
    for kind, flags, content in ((_HEADERS, 4, block), (_DATA, 1, bytes(5))):
        connection.sendall(len(content).to_bytes(3) + bytes([kind, flags, 0, 0, 0, 1]) + content)
    # A head that is too busy to answer this has not refused anything.
    with contextlib.suppress(TimeoutError):
        while (frame := _frame(connection))[0] >= 0:
            kind, stream, content = frame
            if stream == 1 and kind == _HEADERS:
                return _NO_TOKEN in content
    return False


def _literal(text: str) -> bytes:
    """A text of less than 127 bytes, as HPACK has it without a table and without a code."""
    return bytes([len(text.encode())]) + text.encode()


def wants_token(address: str) -> InputError:
    """The sentence for a cluster with token authentication, where this process has no token."""
    return InputError(
        f"the Ray cluster at ray.address {address} wants a token: set {AUTH_MODE}=token, and RAY_AUTH_TOKEN to its "
        "token, or RAY_AUTH_TOKEN_PATH to a file that has it (without both, it is read from ~/.ray/auth_token)"
    )


def refuses_token(address: str) -> InputError:
    """The sentence for a cluster with token authentication that has another token than this process."""
    return InputError(
        f"the Ray cluster at ray.address {address} refuses the token: give the cluster's own by RAY_AUTH_TOKEN, "
        "RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token"
    )


def other_versions(address: str, text: str) -> InputError | None:
    """The sentence for a cluster of another Ray or Python, where Ray has said by `text` that it is one."""
    found = _OTHER_VERSIONS.search(text)
    if found is None:
        return None
    there, here = (f"Ray {found[ray]} and Python {found[ray + 1]}" for ray in (1, 3))
    return InputError(
        f"the Ray cluster at ray.address {address} was started with {there}, and this process has {here}: install the "
        "same versions on both sides"
    )


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
