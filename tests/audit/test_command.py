"""What the command says: about wrong words and files, and about what it judges by."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from daeda_audit.command import main
from tests.audit.feed import build, feed, words
from tests.projects import TinyProject


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = feed(tmp_path_factory.mktemp("command"))
    build(made)
    return made.root


@pytest.fixture
def made(built: Path, tmp_path: Path) -> TinyProject:
    shutil.copytree(built, tmp_path / "feed")
    return TinyProject(tmp_path / "feed")


def audit(made: TinyProject, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    code = main(words(made, "--probe", "recompute", "--rows", "10", *more))
    told = capsys.readouterr()
    return code, told.out, told.err.replace(str(made.root), "{root}")


def refused(made: TinyProject, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    code, out, told = audit(made, capsys, *more)
    assert (code, out) == (2, "")
    return told.splitlines()[-1]


def test_a_day_that_is_not_published(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(made, capsys, "--days", "2024-01-02..2024-01-04") == (
        "error: --days: 2024-01-04 is not published in {root}/output/ranking: 2024-01-02, 2024-01-03 are there"
    )


def test_what_is_not_a_day(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(made, capsys, "--days", "yesterday") == (
        "error: --days 'yesterday' is not a day: write YYYY-MM-DD, or YYYY-MM-DD..YYYY-MM-DD"
    )
    assert refused(made, capsys, "--days", "2024-01-03..2024-01-02") == (
        "error: --days '2024-01-03..2024-01-02' ends before it begins: swap its ends"
    )


def test_nothing_is_published(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(made.root / "output")
    assert refused(made, capsys) == (
        "error: {root}/output/ranking holds no published day: build one with `daeda pipeline train`, or name the "
        "directory with --output-root"
    )


def test_a_part_that_is_not_the_one_that_was_published(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.root / "output/ranking/skeleton/dt=2024-01-03/part-0-0.parquet"
    pq.write_table(pq.read_table(path), path, compression="gzip")
    assert refused(made, capsys) == (
        "error: {root}/output/ranking/skeleton/dt=2024-01-03/part-0-0.parquet is not the file that was published: "
        "build the day again"
    )


def test_a_function_that_the_audit_does_not_know(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.root / "feature_services/ranking.yaml"
    path.write_text(path.read_text().replace("coalesce(price, 9) < 3", "soundex(kind) = 3"))
    assert refused(made, capsys).startswith(
        "error: the expression of 'is_cheap': the audit cannot recompute 'soundex' in \"soundex(kind) = 3 OR kind = "
        "'x'\" yet: "
    )


def test_an_input_that_changed_since_is_told(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    original = TinyProject(made.root)
    shutil.rmtree(made.root / "output")
    build(TinyProject(made.root))
    path = original.root / "data/items.parquet"
    pq.write_table(pq.read_table(path).slice(0, 2), path)
    code, _, told = audit(made, capsys, "--days", "2024-01-03")
    assert code == 1
    assert (
        "warning: 2024-01-03 was built from other bytes of {root}/data/items.parquet: mismatches may come from that; "
        "build the day again\n"
    ) in told
    assert "\ncategory: row " in told


def test_a_hand_edited_pipeline_is_judged_by_the_yaml(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.root / "config/pipelines/ranking.yaml"
    path.parent.mkdir()
    path.write_text("service: ranking\n")
    code, _, told = audit(made, capsys)
    assert code == 0
    assert told.startswith(
        "note: config/pipelines/ranking.yaml is a hand-edited pipeline: the audit judges by the feature views and the "
        "service, and a column that was changed by hand shows as a mismatch\n"
    )


def test_a_day_without_events_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = feed(tmp_path)
    made.service["spine"]["filters"] = [{"where": "kind = 'nothing'"}]
    made.write()
    build(made)
    code, out, told = audit(made, capsys)
    assert (code, out) == (0, "leakage audit of ranking, 2 days: 0 values recomputed, 0 mismatches\n")
    assert "\n2024-01-03: 0 of 0 rows recomputed\n" in f"\n{told}"
