"""A directory of a Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from enrich.ray import directory as directories
from enrich.ray import own_ray
from enrich.ray.directory import RayDirectory


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RayDirectory:
    """A directory of a Ray that is never started."""
    monkeypatch.setattr(directories, "_parent", lambda: tmp_path)
    directory = RayDirectory.make()
    directory.for_ray.mkdir()
    monkeypatch.setattr(own_ray, "_OWN_DIRECTORIES", [directory])
    return directory
