"""The enrichment of the root project on a Ray cluster of two nodes: the bytes of a Ray of the run's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.art_feed.conftest import DAYS, SERVICE, ArtFeed
from tests.engines.ray_cluster import OTHER, ray_cluster
from tests.faults.scene import bytes_of_days


@pytest.mark.long
def test_a_cluster_of_two_nodes_gives_the_bytes_of_a_local_ray(trained: ArtFeed, tmp_path: Path) -> None:
    shutil.copytree(trained.output / "skeleton", tmp_path / SERVICE / "skeleton")
    words = [sys.executable, "-m", "daeda", "pipeline", "train", SERVICE, "--output-root", str(tmp_path)]
    settings = {"DAEDA_FEED_END": DAYS[-1], "DAEDA_ROWS_PER_PART": "300"}
    with ray_cluster() as cluster:
        cluster.ensure(OTHER)
        done = subprocess.run(
            [*words, "--enrich-only", "--ray-address", cluster.address],
            cwd=trained.root,
            env={**os.environ, **settings, **cluster.environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    built = bytes_of_days(tmp_path / SERVICE, "enriched")
    assert sorted(built) == [f"dt={day}" for day in DAYS]
    assert all(len(parts) > 1 for parts in built.values())
    assert built == bytes_of_days(trained.output, "enriched")
