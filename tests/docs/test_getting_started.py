"""The page is walked as a stranger walks it: each block is copied into an empty folder, and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/getting-started.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Walk:
    """The folder, and what the last commands printed."""

    folder: Path

    def copy(self, text: str) -> None:
        """Write a block to the file that its first line names; `(added)`: at its end, `(below KEY)`: behind a key."""
        head, _, body = text.partition("\n")
        name, _, how = head.removeprefix("# ").partition(" ")
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") if how else ""
        if key := re.fullmatch(r"\(below (\w+)\)", how):
            ahead, line, behind = before.partition(f"{key[1]}:\n")
            assert line, f"{name} has no {key[1]}"
            before, body = ahead + line, body + behind
        path.write_text(before + body, encoding="utf-8")

    def run(self, text: str) -> str:
        """Run the commands of a block; returns what they printed on stdout."""
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-euc", text], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.mark.cases
def test_every_block_of_the_page_does_what_the_page_says(tmp_path: Path) -> None:
    walk, printed, shown = Walk(tmp_path), "", 0
    for language, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        match language:
            case "yaml" | "python":
                walk.copy(text)
            case "sh":
                printed = walk.run(text)
            case "text":
                assert printed.rstrip().endswith(text.rstrip())
                shown += 1
    assert shown == 4
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.yaml"))
    assert files == [
        "config/training/aggregations.yaml",
        "config/training/runtime.yaml",
        "feature_services/next_purchase.yaml",
        "feature_views/purchases.yaml",
    ]
    assert list(tmp_path.glob("output/next_purchase/skeleton/dt=2024-03-03/*.parquet"))
