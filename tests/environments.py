"""Environments beside that of the project, for programs that tests drive and that share no library with daeda."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@functools.cache
def python_of(name: str, requirements: str, made_by: str) -> Path:
    """The interpreter of `name`. Where it is absent CI makes it, and elsewhere the test is skipped with how to."""
    python = ROOT / name / "bin/python"
    if not python.exists() and os.environ.get("CI"):
        subprocess.run([sys.executable, "-m", "venv", ROOT / name], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*install, "--requirement", ROOT / requirements], check=False).returncode:
            pytest.skip(f"what {requirements} names could not be installed")
    if not python.exists():
        pytest.skip(f"{name} is not there: {made_by}")
    return python
