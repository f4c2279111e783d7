"""The pages by task are walked on the project of getting started: each block is copied or run, as a reader would."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.walking import Walk, blocks, started

# Pages that begin with the days built, and those that begin with none.
BUILT = (
    "docs/add-a-feature.md", "docs/audit.md", "docs/erasing.md", "docs/keeping.md", "docs/reliability.md",
    "docs/report.md", "docs/semantics.md",
)  # fmt: skip
TASKS = (
    *BUILT, "docs/checks.md", "docs/coming-from.md", "docs/importing.md", "docs/labels.md", "docs/preview.md",
    "docs/python.md", "docs/schedule.md", "docs/several-services.md",
)  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return started(tmp_path_factory.mktemp("walked")).folder


@pytest.mark.cases
@pytest.mark.parametrize("page", sorted(TASKS))
def test_every_block_of_a_task_does_what_the_page_says(project: Path, tmp_path: Path, page: str) -> None:
    walk = Walk(shutil.copytree(project, tmp_path / "project"))
    if page in BUILT:
        walk.run("daeda train next_purchase")
    tried = [block for block in blocks(page) if block.language != "crontab"]
    for block in tried:
        walk.block(block)
    walk.end()
    assert {block.language for block in tried} & {"sh", "python"}


@pytest.mark.cases
def test_the_first_ten_minutes_go_as_the_page_says(tmp_path: Path) -> None:
    walk, shown, commands = Walk(tmp_path), 0, 0
    for block in blocks("docs/first-ten-minutes.md"):
        walk.block(block)
        if block.language == "text":
            shown += 1
        if block.language == "sh":
            # Commands until there is a frame: no editor was opened.
            commands += block.text.count("\n") if shown == 0 else 0
            if entered := re.search(r"^cd (\w+)$", block.text, re.MULTILINE):
                walk = Walk(walk.folder / entered[1])
    assert (shown, commands) == (3, 8)
    # Five short files of YAML, as the page says.
    assert len(list(walk.folder.rglob("*.yaml"))) == 5
