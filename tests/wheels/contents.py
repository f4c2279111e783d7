"""The wheel, and whether it has every file of the packages."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.packages import PACKAGES


def build(root: Path, to: Path) -> Path:
    """The wheel of a clone, built from a copy of what git has, so that nothing else gets in."""
    copy = to / "source"
    copy.mkdir(parents=True)
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout.split(b"\0")
    for name in filter(None, (name.decode() for name in tracked)):
        if name.split("/")[0] in PACKAGES or "/" not in name:
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((root / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "-w",
        to,
        copy,
    ]
    subprocess.run(command, check=True)
    [wheel] = to.glob("*.whl")
    return wheel


def missing_files(root: Path, wheel: Path) -> list[str]:
    """Files of the packages that git has and the wheel has not: code, assets, schemas."""
    tracked = subprocess.run(["git", "ls-files", "-z", *PACKAGES], cwd=root, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(wheel) as packed:
        there = set(packed.namelist())
    return sorted(name for name in tracked.stdout.split("\0") if name and name not in there)
