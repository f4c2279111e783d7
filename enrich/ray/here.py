"""What a node of a cluster has that decides whether it can work for a run.

This module travels to the node as code, before anything of daeda is imported there: it needs Python alone.
"""

from __future__ import annotations

from typing import Any


def look(directory: str, packages: tuple[str, ...], code: str) -> dict[str, Any]:
    """The name of the host, whether it sees the directory and may write there, the versions of `packages` ("none" for
    what is not installed), and the digest of the Python files of the package `code`, empty where there is none.
    """
    import hashlib
    import importlib.metadata
    import importlib.util
    import os
    import socket
    from pathlib import Path

    versions = {}
    for package in packages:
        try:
            from daeda.installed import version_of

            versions[package] = version_of(package)
        except (ImportError, importlib.metadata.PackageNotFoundError):
            versions[package] = "none"
    spec = importlib.util.find_spec(code)
    digest = hashlib.sha256()
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return {
        "host": socket.gethostname(),
        "sees": Path(directory).is_dir(),
        "writes": os.access(directory, os.R_OK | os.W_OK | os.X_OK),
        "versions": versions,
        "code": digest.hexdigest() if spec is not None else "",
    }
