"""A Ray of its own is killed: its driver, its node, its store of metadata. Actors, SIGINT and SIGTERM are killed and
sent in tests/enrich/test_job.py.
"""

from __future__ import annotations

import pytest

from tests.faults.ray_scene import RayScene


@pytest.fixture(scope="module")
def ray_scene(tmp_path_factory: pytest.TempPathFactory) -> RayScene:
    return RayScene.make(tmp_path_factory.mktemp("ray"))


# One after another on one output root: each run begins with what the kill before it has left.
@pytest.mark.parametrize("kind", ["driver SIGKILL", "node", "metadata"])
def test_what_is_killed_of_ray_loses_nothing(ray_scene: RayScene, kind: str) -> None:
    assert ray_scene.kill(kind, 0.3, rerun=False) == f"ray {kind}"


def test_a_plain_run_after_the_kills_gives_the_wanted_bytes(ray_scene: RayScene) -> None:
    ray_scene.check_after_rerun()
