"""Programs that tests drive and that no package of Python carries: a shell, a browser."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

import pytest


@functools.cache
def command(name: str, package: str | None = None) -> str:
    """The path of a program. Where it is absent, CI installs Debian's package, and elsewhere the test is skipped."""
    package = package or name
    path = shutil.which(name)
    if path is None and os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
        path = _installed(name, package)
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return path


def _installed(name: str, package: str) -> str | None:
    quiet = {"check": False, "capture_output": True, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    # A lock is waited for: another process of this run may install, too.
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    subprocess.run([*apt, "update"], **quiet)  # type: ignore[call-overload]
    subprocess.run([*apt, "install", "--yes", "--no-install-recommends", package], **quiet)  # type: ignore[call-overload]
    return shutil.which(name)
