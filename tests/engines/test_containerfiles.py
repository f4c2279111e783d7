"""The container files of both kinds of worker, parsed as BuildKit parses them; none of them is built here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.engines import cache
from tests.packages import PACKAGES

REPOSITORY = Path(__file__).parents[2]
FILES = sorted((REPOSITORY / "deploy").glob("Containerfile.*"))


@pytest.fixture(scope="module")
def parser() -> Path:
    """The program of tests/engines/containerfile."""
    try:
        return cache.containerfile_parser()
    except cache.NotToBeHad as reason:
        pytest.skip(str(reason))


def parse(parser: Path, text: str) -> str:
    """What the parser says against the text of a container file."""
    return subprocess.run([parser], input=text, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_container_file_is_one(parser: Path, file: Path) -> None:
    text = file.read_text()
    assert parse(parser, text) == ""
    assert "unknown instruction: COPPY" in parse(parser, text.replace("COPY daeda daeda", "COPPY daeda daeda"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_a_container_file_copies_is_there_and_installs_what_it_names(file: Path) -> None:
    copied = [line.split()[1:-1] for line in file.read_text().splitlines() if line.startswith("COPY ")]
    missing = [name for names in copied for name in names if not (REPOSITORY / name).exists()]
    assert missing == []
    assert set(PACKAGES) <= {name for names in copied for name in names}


def test_both_kinds_of_worker_have_one() -> None:
    assert [file.name for file in FILES] == ["Containerfile.enrichment", "Containerfile.skeleton"]
