"""An environment of its own for Feast, below bench/peers: its dependencies do not fit daeda's.

It is made once, with pip, from a name and a version, and kept. Where that fails (no network, no package), the reason is
given and Feast is skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "0.67.0"
REQUIREMENT = f"feast[duckdb]=={VERSION}"
DIRECTORY = Path(__file__).parent / f".feast-{VERSION}"
_PATIENCE_SECONDS = 900


class NoFeast(RuntimeError):
    """Feast cannot be had here; the message says why, in one line."""


def feast_python() -> Path:
    """The interpreter of the environment, which is made where it is missing; raises NoFeast where it cannot be."""
    python = DIRECTORY / "bin" / "python"
    if python.exists():
        return python
    print(f"feast: installing {REQUIREMENT} into {DIRECTORY} (a minute, the first time)", file=sys.stderr, flush=True)
    # Beside its final place, so that a broken installation is never taken for a whole one.
    fresh = Path(tempfile.mkdtemp(prefix=".feast-new-", dir=DIRECTORY.parent))
    try:
        _run([sys.executable, "-m", "venv", str(fresh)])
        pip = [str(fresh / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, REQUIREMENT])
        _run([str(fresh / "bin" / "python"), "-c", "import feast"])
        fresh.rename(DIRECTORY)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return python


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        raise NoFeast(f"installing {REQUIREMENT} took more than {_PATIENCE_SECONDS} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise NoFeast(f"installing {REQUIREMENT} failed: {lines[-1] if lines else 'pip said nothing'}")
