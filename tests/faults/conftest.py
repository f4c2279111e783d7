from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.scene import Scene
from tests.faults.warm import Warm, warm_process


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """One warm process for all tests."""
    with warm_process() as process:
        yield process


@pytest.fixture(scope="session")
def scene(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene.make(tmp_path_factory.mktemp("faults"), warm)
