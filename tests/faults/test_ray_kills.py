"""A Ray of its own is killed: its driver, its node, its store of metadata, an agent, the enrichment itself; and what a
run's own Ray lets others see. Actors, SIGINT and SIGTERM are killed and sent in tests/enrich/test_job.py.
"""

from __future__ import annotations

import contextlib
import stat
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.ray_scene import SECONDS_TO_BEGIN, RayScene, ray_directories
from tests.faults.scene import left_in_staging

pytestmark = pytest.mark.cases

# The store of metadata, the node, the driver and two actors.
LEAST_SERVERS = 5


@pytest.fixture(scope="module")
def ray_scene(tmp_path_factory: pytest.TempPathFactory) -> RayScene:
    return RayScene.make(tmp_path_factory.mktemp("ray"))


# One after another on one output root: each run begins with what the kill before it has left.
@pytest.mark.some(1, cases=4)
@pytest.mark.parametrize("kind", ["driver SIGKILL", "node", "metadata", "enrichment"])
def test_what_is_killed_of_ray_loses_nothing(ray_scene: RayScene, kind: str) -> None:
    assert ray_scene.kill(kind, 0.3, rerun=False) == f"ray {kind}"


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("kind", ["metadata", "node"])
def test_what_is_killed_while_ray_starts_is_told(ray_scene: RayScene, kind: str) -> None:
    ray_scene.kill_at_the_start(kind)


def test_a_plain_run_after_the_kills_gives_the_wanted_bytes(ray_scene: RayScene) -> None:
    ray_scene.check_after_rerun()


def test_ray_is_closed_to_others_and_leaves_nothing(ray_scene: RayScene, tmp_path: Path) -> None:
    """The environment names a cluster that is not there, and a temporary directory too deep for sockets."""
    home, deep = tmp_path / "home", tmp_path / ("d" * 80)
    home.mkdir()
    deep.mkdir()
    left_before = left_in_staging(ray_scene.service_dir)
    process = ray_scene.start("slow.py", HOME=str(home), TMPDIR=str(deep), RAY_ADDRESS="192.0.2.255:6379")
    try:
        until = time.monotonic() + SECONDS_TO_BEGIN
        servers: dict[int, str] = {}
        directories: list[Path] = []
        # Looked at all the while: on a busy machine the parts may be done before anybody looks again.
        while not (ray_scene.has_begun(left_before) and len(servers) >= LEAST_SERVERS):
            assert process.poll() is None, (servers, process.communicate())
            assert time.monotonic() < until
            servers |= listening(ray_scene.alive())
            directories = ray_directories(ray_scene.alive()) or directories
            time.sleep(0.2)
        modes = [stat.S_IMODE(path.stat().st_mode) for path in directories]
        stdout, stderr = process.communicate(timeout=300)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, stderr
    assert stdout == f"{ray_scene.service_dir / 'enriched'}\n"
    assert "not passed on to Ray: RAY_ADDRESS of the environment; a run joins a cluster by --ray-address alone" in (
        stderr.splitlines()
    )
    assert set(servers.values()) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}, servers
    assert len(directories) == 1
    assert modes == [0o700]
    assert not directories[0].exists()
    assert list(home.iterdir()) == []
    assert list(deep.iterdir()) == []
    ray_scene.check_after_fault()


def listening(processes: list[psutil.Process]) -> dict[int, str]:
    """The address of each server, by port."""
    addresses = {}
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    addresses[connection.laddr.port] = connection.laddr.ip
    return addresses
