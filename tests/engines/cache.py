"""The engines themselves, fetched once into a cache outside of the tree, and known by their digests.

    python -m tests.engines.cache       fetch what is missing, and say what cannot be had and why

Flink and Beam's job server for it come by Maven, pinned by pom.xml, and are what jars.sha256 lists; Prism and the
parser of container files are built by Go, which holds modules to go.sum or to its own database of digests. Where Java,
Maven, Go or what they ask cannot be had, `NotToBeHad` says so, and tests are skipped with that reason. Other bytes than
those that were tested are an error.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
LISTED = HERE / "jars.sha256"
PRISM = "github.com/apache/beam/sdks/v2/go/cmd/prism"
PRISM_VERSION = "v2.77.0"
# `make test` fetches before the first test; a test that has to fetch has less time.
_SECONDS = 1800.0
_SECONDS_IN_A_TEST = 200.0


class NotToBeHad(Exception):
    """An engine cannot be fetched here; its text is the reason."""


def cache_directory() -> Path:
    """Where engines are kept: $ENGINES_CACHE, or below the user's directory of caches."""
    below = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("ENGINES_CACHE") or below / "daeda-engines")


@cache
def flink_jars(seconds: float = _SECONDS_IN_A_TEST) -> Path:
    """The directory of the jars, fetched where it is not there yet; raises ValueError for other bytes than those."""
    _need("java", "mvn")

    def fetch(fresh: Path) -> None:
        words = ["mvn", "--batch-mode", "--quiet", "--file", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
        _run([*words, f"-DoutputDirectory={fresh}"], seconds)
        check_digests(fresh)

    # A list of other jars has a directory of its own.
    target = _fetched(f"flink-{hashlib.sha256(LISTED.read_bytes()).hexdigest()[:12]}", fetch)
    check_digests(target)
    return target


@cache
def prism(seconds: float = _SECONDS_IN_A_TEST) -> Path:
    """The program Prism, built where it is not there yet."""
    _need("go")

    def fetch(fresh: Path) -> None:
        _run(["go", "install", f"{PRISM}@{PRISM_VERSION}"], seconds, {"GOBIN": str(fresh)})

    return _fetched(f"prism-{PRISM_VERSION}", fetch) / "prism"


@cache
def containerfile_parser(seconds: float = _SECONDS_IN_A_TEST) -> Path:
    """The program of tests/engines/containerfile, which parses a container file as BuildKit does."""
    _need("go")
    sources = HERE / "containerfile"

    def fetch(fresh: Path) -> None:
        _run(["go", "build", "-C", str(sources), "-o", str(fresh / "containerfile"), "."], seconds)

    digest = hashlib.sha256(b"".join((sources / name).read_bytes() for name in ("main.go", "go.sum"))).hexdigest()
    return _fetched(f"containerfile-{digest[:12]}", fetch) / "containerfile"


def check_digests(directory: Path) -> None:
    """Raise ValueError unless the files of a directory are the jars of jars.sha256, byte for byte."""
    lines = (line.split() for line in LISTED.read_text().splitlines())
    listed = {name: digest for digest, name in lines}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}
    differing = sorted(name for name in listed.keys() | found.keys() if listed.get(name) != found.get(name))
    if differing:
        raise ValueError(
            f"{directory}: {', '.join(differing[:3])}: of {len(listed)} jars, {len(differing)} are not what {LISTED} "
            "lists: remove the directory to fetch them again; where they differ then, too, ask who changed them"
        )


def _fetched(name: str, fetch: Callable[[Path], None]) -> Path:
    """A directory of the cache, whole or not there; processes that ask at once wait for the one that fetches."""
    target = cache_directory() / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            fresh = target.with_name(f"{name}.fresh")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            fetch(fresh)
            fresh.rename(target)
    return target


def _need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise NotToBeHad(f"not on the PATH: {', '.join(missing)}")


def _run(words: Sequence[str], seconds: float, settings: Mapping[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            words, env={**os.environ, **(settings or {})}, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotToBeHad(
            f"{words[0]} has not fetched it within {seconds:g} s: python -m tests.engines.cache takes more time"
        ) from None
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        first_error = next((line for line in said if "ERROR" in line), said[-1] if said else "no word")
        raise NotToBeHad(f"{words[0]}: exit code {done.returncode}: {first_error}")


def main() -> int:
    """Fetch every engine that can be had; what cannot is said, and is no failure."""
    for name, fetch in {"Flink": flink_jars, "Prism": prism, "BuildKit's parser": containerfile_parser}.items():
        try:
            fetch(_SECONDS)
        except NotToBeHad as reason:
            print(f"{name} cannot be had, and its tests will be skipped: {reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
