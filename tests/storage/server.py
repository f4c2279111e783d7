"""A real S3 server process on loopback (moto), and a proxy in front of it that misbehaves when told to."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

START_SECONDS = 120
ANYBODY = "AWS4-HMAC-SHA256 Credential=x/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def s3_server() -> Iterator[int]:
    """moto's server in a process of its own; gives its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert process.poll() is None, "moto's server has ended"
            with contextlib.suppress(OSError):
                # The first request of all loads what answers it, which may take longer than tests wait.
                forward(port, "GET", "/warm-up", b"", {"Authorization": ANYBODY})
                break
            assert time.monotonic() < deadline, "moto's server does not answer"
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def forward(
    port: int, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()
    finally:
        connection.close()


# Answers without a look at what was asked; 200 is one that S3 would never give.
_CODES = {
    "503": "SlowDown", "500": "InternalError", "403": "AccessDenied", "400": "Other", "429": "Other", "200": "",
}  # fmt: skip


@dataclass
class Fault:
    """What happens to the next `times` requests that `applies` to: a status, a cut answer, silence, or a pause."""

    kind: str
    times: int = 1
    applies: Callable[[str, str], bool] = lambda method, path: True
    seconds: float = 0.0
    hits: int = 0


@dataclass
class Proxy:
    """Faults to come, and the requests that were seen: method, path, headers."""

    port: int = 0
    faults: list[Fault] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(
        self, kind: str, times: int = 1, applies: Callable[[str, str], bool] | None = None, seconds: float = 0.0
    ) -> Fault:
        fault = Fault(kind, times, applies or (lambda method, path: True), seconds)
        with self.lock:
            self.faults.append(fault)
        return fault

    def next_fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            self.seen.append((method, path))
            for fault in self.faults:
                if fault.hits < fault.times and fault.applies(method, path):
                    fault.hits += 1
                    return fault
            return None


def hold(connection: socket.socket, fault: Fault | None) -> None:
    """No answer at all, or one of which a byte comes now and then, and never the end of its headers or of its body."""
    assert fault is not None
    if fault.kind == "silent":
        time.sleep(fault.seconds)
        return
    headers = b"X-More: " if "headers" in fault.kind else b'ETag: "x"\r\nContent-Length: 100000\r\n\r\n'
    with contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + headers)
        until = time.monotonic() + fault.seconds
        while time.monotonic() < until:
            connection.sendall(b"x")
            time.sleep(0.1)


@contextlib.contextmanager
def proxy_before(server: int) -> Iterator[Proxy]:
    proxy = Proxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.next_fault(self.command, self.path)
            match fault.kind if fault else "":
                case "hang up":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                case "silent" | "drip" | "drip headers":
                    hold(self.connection, fault)
                    self.close_connection = True
                    return
                case "slow":
                    time.sleep(fault.seconds if fault else 0)
                case kind if kind in _CODES:
                    # What a server in trouble may repeat: everything that it was sent.
                    text = f"<Error><Code>{_CODES[kind]}</Code><Message>{self.headers}</Message></Error>".encode()
                    text = b"<html/>" if kind == "200" else text
                    self.answer(int(kind), [("Content-Type", "application/xml")], text, len(text))
                    return
            status, headers, answer = forward(server, self.command, self.path, body, dict(self.headers.items()))
            whole = len(answer)
            if fault and fault.kind == "lose the answer":
                self.close_connection = True
                return
            if fault and fault.kind == "truncate" and whole:
                answer = answer[: whole // 2]
                self.close_connection = True
            length = next((int(value) for name, value in headers if name.lower() == "content-length"), whole)
            self.answer(status, headers, answer, length)

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: int) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body if self.command != "HEAD" else b"")

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any

        def log_message(self, *arguments: object) -> None:
            pass

    server_object = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server_object.daemon_threads = True
    proxy.port = server_object.server_address[1]
    thread = threading.Thread(target=server_object.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server_object.shutdown()
        server_object.server_close()
        thread.join()
