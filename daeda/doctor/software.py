"""What is installed: Python, daeda's libraries and extras in the versions it wants, DuckDB's extensions, and Java."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import metadata

from daeda.doctor.finding import Finding, Probe
from daeda.errors import first_line
from daeda.installed import DISTRIBUTION, ROOT, VERSION, install_command

# Extras that are for examples and for daeda's own tests.
_LEFT_OUT = frozenset({"demo", "dev"})
# Extensions of DuckDB, each with the extra that brings it.
_EXTENSIONS = {"httpfs": "s3", "postgres_scanner": "postgres", "ducklake": "ducklake"}
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,.-]*\])?\s*([^;]*)(?:;\s*extra\s*==\s*['\"]([\w-]+)['\"])?")
_BOUND = re.compile(r"(>=|<=|==|!=|<|>)\s*([\w.]+)")
_JAVA_SECONDS = 5.0


@dataclass(frozen=True)
class Requirement:
    """A package that daeda, or one of its extras, wants, within bounds like `>=1.5.5,<1.6`."""

    package: str
    bounds: str
    extra: str = ""


def software_probes(needed: Collection[str]) -> list[Probe]:
    """The probes of what is installed; `needed` are the extras that a project here needs."""
    return [
        Probe("Python", _python),
        Probe("libraries", lambda: _libraries(needed)),
        Probe("DuckDB extensions", lambda: _extensions(needed)),
        Probe("Java", _java),
    ]


def requirements() -> list[Requirement]:
    """What the installed daeda wants, by its own metadata."""
    found = (_REQUIREMENT.match(line) for line in metadata.requires(DISTRIBUTION) or ())
    return [Requirement(match[1], match[2].strip(), match[3] or "") for match in found if match]


def within(version: str, bounds: str) -> bool:
    """Whether a version lies within bounds; of each the numbers are compared, and no name of a pre-release.

    >>> within("1.5.5", ">=1.5.5,<1.6"), within("1.6.0", ">=1.5.5,<1.6"), within("15.0", "<16,>=14")
    (True, False, True)
    """
    given = _numbers(version)
    for sign, text in _BOUND.findall(bounds):
        bound = _numbers(text)
        width = max(len(given), len(bound))
        left, right = (numbers + (0,) * (width - len(numbers)) for numbers in (given, bound))
        holds = {
            ">=": left >= right, "<=": left <= right, "==": left == right, "!=": left != right, "<": left < right,
            ">": left > right,
        }  # fmt: skip
        if not holds[sign]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version.partition("+")[0]))


def _python() -> Iterator[Finding]:
    # Code alone says nothing of what it needs: that is told of the libraries.
    bounds = "" if _installed(DISTRIBUTION) is None else metadata.metadata(DISTRIBUTION)["Requires-Python"] or ""
    version = platform.python_version()
    seen = f"{version}, {sys.executable}"
    if within(version, bounds):
        yield Finding("ok", "Python", seen)
    else:
        yield Finding("wrong", "Python", seen, f"install daeda in an environment of Python {bounds}")


def _libraries(needed: Collection[str]) -> Iterator[Finding]:
    if _installed(DISTRIBUTION) is None:
        seen = (
            f"the code of daeda {VERSION} is in {ROOT}, and {DISTRIBUTION}, which says what it needs, is not installed"
        )
        yield Finding("warning", "libraries", seen, f"`{install_command('')}`, unless all that is needed is here")
        return
    by_extra: dict[str, list[Requirement]] = {}
    for requirement in requirements():
        if requirement.package != DISTRIBUTION:
            by_extra.setdefault(requirement.extra, []).append(requirement)
    for extra, wanted in by_extra.items():
        if extra not in _LEFT_OUT:
            yield _of_extra(extra, wanted, needed)


def _of_extra(extra: str, wanted: list[Requirement], needed: Collection[str]) -> Finding:
    what = f"extra {extra}" if extra else f"daeda {VERSION}"
    versions = {requirement.package: _installed(requirement.package) for requirement in wanted}
    missing = [package for package, version in versions.items() if version is None]
    shown = ", ".join(f"{package} {version}" for package, version in versions.items() if version is not None)
    necessary = not extra or extra in needed
    if missing:
        seen = f"not installed: {', '.join(missing)}" if shown else "not installed"
        why = (
            "this project needs it"
            if extra in needed
            else "no run can do without"
            if necessary
            else "where it is wanted"
        )
        return Finding("wrong" if necessary else "ok", what, seen, f"{why}: `{install_command(extra)}`")
    outside = [
        f"{requirement.package} {versions[requirement.package]} is not {requirement.bounds}"
        for requirement in wanted
        if not within(versions[requirement.package] or "", requirement.bounds)
    ]
    if outside:
        return Finding("wrong" if necessary else "warning", what, "; ".join(outside), f"`{install_command(extra)}`")
    return Finding("ok", what, shown)


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _extensions(needed: Collection[str]) -> Iterator[Finding]:
    states = {name: _load(name, extra) for name, extra in _EXTENSIONS.items()}
    loaded = [name for name, problem in states.items() if problem is None]
    if loaded:
        yield Finding("ok", "DuckDB extensions", f"{', '.join(loaded)}: loaded from packages, without a network")
    for name, problem in states.items():
        extra = _EXTENSIONS[name]
        # What is not installed is told by its extra.
        if problem is not None and _installed(f"duckdb-extension-{name.replace('_', '-')}") is not None:
            yield Finding(
                "wrong" if extra in needed else "warning", f"DuckDB extension {name}", problem,
                f"`{install_command(extra)}`",
            )  # fmt: skip


def _load(name: str, extra: str) -> str | None:
    """Load an extension into a database of its own; returns what is wrong with it."""
    import duckdb

    from daeda.errors import InputError
    from daeda.sql.locked import AllowedPaths, connect, load_extension

    def load(connection: duckdb.DuckDBPyConnection) -> AllowedPaths:
        load_extension(connection, name, extra)
        return AllowedPaths()

    try:
        connect(load).close()
    except (duckdb.Error, InputError) as error:
        return first_line(error)
    return None


def _java() -> Iterator[Finding]:
    wanted = "only the job servers of --runner FlinkRunner and SparkRunner want it: docs/runners.md"
    path = shutil.which("java")
    if path is None:
        yield Finding("ok", "Java", "not there", wanted)
        return
    try:
        told = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=_JAVA_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        yield Finding("warning", "Java", f"{path} does not run ({first_line(error)})", wanted)
        return
    yield Finding("ok", "Java", f"{(told.stderr or told.stdout).partition(chr(10))[0]}, {path}")
