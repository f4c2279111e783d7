"""Days that are not what would be built now: what the audit says of them, and what it refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daeda_audit.command import main
from tests.daeda_audit.feed import build, feed, words
from tests.projects import TinyProject

ROOT = Path(__file__).parents[2]
DAY = "output/ranking/skeleton/dt=2024-01-03"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = feed(tmp_path_factory.mktemp("stale"))
    build(made)
    return made.root


@pytest.fixture
def made(built: Path, tmp_path: Path) -> TinyProject:
    shutil.copytree(built, tmp_path / "feed")
    return TinyProject(tmp_path / "feed")


def audit(made: TinyProject, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, list[str]]:
    code = main(words(made, "--probe", "recompute", "--rows", "5", *more))
    told = capsys.readouterr()
    return code, told.out, told.err.replace(str(made.root), "{root}").splitlines()


def driven(made: TinyProject) -> tuple[int, list[str]]:
    """The audit as the driver starts it."""
    command = [sys.executable, "-m", "daeda", "audit", "leakage"]
    command += words(made, "--days", "2024-01-03", "--rows", "5", "--probe", "recompute")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stderr.splitlines()


def test_another_configuration_is_told(made: TinyProject) -> None:
    runtime = made.runtime_path
    runtime.write_text(f"{runtime.read_text()}\nrows_per_part: 50\n")  # as the days were built
    code, told = driven(made)
    assert code == 0, "\n".join(told)
    assert not [line for line in told if "configuration" in line]
    path = made.root / "feature_services/ranking.yaml"
    path.write_text(path.read_text().replace("coalesce(price, 9) < 3", "coalesce(price, 9) < 300"))
    code, told = driven(made)
    assert code == 1
    assert [line for line in told if "configuration" in line] == [
        "warning: 2024-01-03 was built from another configuration (operator assemble changed): mismatches may come "
        "from that; build the day again"
    ]


def test_a_configuration_that_cannot_be_compiled_is_told(made: TinyProject) -> None:
    path = made.root / "config/pipelines/ranking.yaml"
    path.parent.mkdir()
    path.write_text("service: ranking\n")
    code, told = driven(made)
    assert code == 0
    assert told[0].startswith("note: whether days were built from this configuration is not known: ")


def test_a_partition_that_is_gone_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = feed(tmp_path)
    build(made)
    partition = tmp_path / "data/prices/dt=2024-01-03"
    shutil.rmtree(partition)
    code, out, told = audit(made, capsys)
    assert (code, out, told[-1]) == (
        2, "",
        "error: view 'prices': {root}/data/prices/dt=2024-01-03, which 2024-01-03 was built from, is not there any "
        "more: bring it back; or, where it is to be an empty day, say source.missing_partitions: empty, and build the "
        "day again",
    )  # fmt: skip
    partition.mkdir()
    code, _, told = audit(made, capsys)
    gone = (
        "warning: 2024-01-03 was built from {root}/data/prices/dt=2024-01-03/part-0.parquet, gone since: mismatches "
        "may come from that; build the day again"
    )
    assert (code, gone in told) == (1, True)


def test_a_link_in_the_place_of_a_day_is_refused(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    day, elsewhere = made.root / DAY, made.root / "elsewhere"
    day.rename(elsewhere)
    day.symlink_to(elsewhere)
    code, out, told = audit(made, capsys)
    assert (code, out, told[-1]) == (
        2, "",
        f"error: {{root}}/{DAY} is a link, which is not followed: remove it, or put what it leads to in its place",
    )  # fmt: skip
    assert audit(made, capsys, "--days", "2024-01-02")[0] == 0


def test_a_link_in_the_place_of_a_part_is_refused(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    part = made.root / DAY / "part-0-0.parquet"
    part.rename(made.root / "elsewhere.parquet")
    part.symlink_to(made.root / "elsewhere.parquet")
    code, out, told = audit(made, capsys)
    assert (code, out, told[-1]) == (
        2, "",
        f"error: {{root}}/{DAY}/part-0-0.parquet is a link, and not the file that was published: build the day again",
    )  # fmt: skip


def test_a_day_of_the_range_that_is_not_published_is_told(
    made: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(made.root / DAY)
    code, _, told = audit(made, capsys)
    note = "note: 1 day of the range not published in skeleton, and left out: 2024-01-03"
    assert (code, note in told) == (0, True)
    _, _, told = audit(made, capsys, "--days", "2024-01-02")
    assert note not in told


def test_rows_whose_value_is_null_do_not_count(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.root / "config/training/aggregations.yaml"
    path.write_text(path.read_text().replace("kind: mean\n", "kind: max\n"))
    code, _, told = audit(made, capsys)
    example = told[next(at for at, line in enumerate(told) if line.startswith("mean_spent: row ")) :]
    assert code == 1
    assert not [line for line in example if line.startswith("  counts ") and line.endswith("amount NULL")]
    assert any(line.endswith("amount NULL: its 'amount' is NULL") for line in example)
