"""Prism, Beam's own portable runner in Go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.beam_pipeline.runners.conftest import free_port
from tests.engines.processes import serving


@contextlib.contextmanager
def prism_service(program: Path, directory: Path) -> Iterator[str]:
    """A job service; yields its address."""
    port = free_port()
    words = [program, "-job_port", str(port), "-serve_http=false", "-log_kind", "text"]
    with serving(words, directory / "prism.log") as server:
        server.said("Serving JobManagement")
        yield f"localhost:{port}"
