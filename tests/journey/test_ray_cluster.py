"""The enrichment of the example on a Ray cluster of two nodes: the bytes of a Ray of the run's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.engines.ray_cluster import OTHER, ray_cluster
from tests.journey.conftest import DAYS, SERVICE, Journey, digests


@pytest.mark.long
def test_a_cluster_of_two_nodes_gives_the_bytes_of_a_local_ray(
    journey: Journey, whole_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole_run / SERVICE / "skeleton", tmp_path / SERVICE / "skeleton")
    with ray_cluster() as cluster:
        cluster.ensure(OTHER)
        done = subprocess.run(
            journey.command(tmp_path, "--enrich-only", "--ray-address", cluster.address),
            env={**journey.environment(), **cluster.environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    assert "the resource envelope holds for each node of the Ray cluster (2 nodes): " in done.stderr
    built = digests(tmp_path, "enriched")
    assert len(built) > len(DAYS)
    assert built == digests(whole_run, "enriched")
