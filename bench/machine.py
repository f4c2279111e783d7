"""The machine that a figure comes from."""

from __future__ import annotations

import platform
from importlib.metadata import version

from daeda.process.host import probe_host

_PACKAGES = ("apache-beam", "duckdb", "numpy", "pyarrow", "pylance", "ray")


def describe_machine() -> dict[str, object]:
    """Cores and memory that may be used, and the versions that decide speed."""
    host = probe_host()
    return {
        "cores": host.cores,
        "memory_gib": round(host.memory_bytes / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
