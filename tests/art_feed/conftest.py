"""The root project in a directory of its own, over a small sample, with two days trained through the driver."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = "dssm_ranking"
DAYS = ("2025-03-08", "2025-03-09")
SIZE = ("--days", "10", "--users", "110", "--artworks", "600", "--seed", "12")


@dataclass(frozen=True)
class ArtFeed:
    """A copy of the project: its YAML files, and data/ and output/ beside them."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def output(self) -> Path:
        return self.root / "output" / SERVICE

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """A command in the project's directory; fails the test when the exit code is not 0."""
        chosen = {"FEED_END": DAYS[-1], **settings}
        environment = {**os.environ, **{f"DAEDA_{name}": value for name, value in chosen.items()}}
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="session")
def art_feed(tmp_path_factory: pytest.TempPathFactory) -> ArtFeed:
    """The project with a sample, and nothing trained."""
    root = tmp_path_factory.mktemp("art_feed")
    for name in ("config", "feature_views", "feature_services"):
        shutil.copytree(ROOT / name, root / name)
    command = [sys.executable, "-m", "sample_data", *SIZE, "--data", str(root / "data")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return ArtFeed(root)


@pytest.fixture(scope="session")
def trained(art_feed: ArtFeed) -> ArtFeed:
    """The project with its days trained, in parts that are small enough for a day to have several."""
    art_feed.run("daeda", "pipeline", "train", SERVICE, ROWS_PER_PART="300")
    return art_feed
