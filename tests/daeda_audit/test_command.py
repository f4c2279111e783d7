"""What the command says: about wrong words and files, and about what it judges by."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import daeda_audit.command
from daeda.dataset.layout import Layout
from daeda_audit.command import main
from daeda_audit.published.days import PublishedDay, published_days
from daeda_audit.report import Progress
from tests.clocks import set_clock
from tests.daeda_audit.feed import build, feed, words
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
    assert refused(made, capsys, "--days", "0001-01-01..9999-12-31") == (
        "error: --days '0001-01-01..9999-12-31' has 3,652,059 days, and a range at most 40,000: name those published"
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


def test_quick_says_what_it_leaves_out(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(words(made, "--quick"))
    told = capsys.readouterr()
    assert code == 0
    assert told.out.startswith("quick leakage audit of ranking, 2 days: ")
    assert told.out.endswith(" values recomputed, 0 mismatches\n")
    assert "\nquick: the append probe is left out: audit without --quick for it\n" in told.err
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daeda_audit.command, "QUICK_DAYS", 2)
        patch.setattr(daeda_audit.command, "published_days", more_days)
        main(words(made, "--quick"))
    assert (
        "\nquick: 2 days (2024-01-05, 2024-01-06) and the append probe are left out: audit without --quick for them\n"
    ) in capsys.readouterr().err


def more_days(layout: Layout, asked: Sequence[dt.date], copies: Path) -> dict[dt.date, list[PublishedDay]]:
    """The published days, two more between them that are not looked at, and the second again at the end."""
    first, second = published_days(layout, asked, copies).values()
    between = {dt.date(2024, 1, day): second for day in (5, 6)}
    return {first[0].day: first, **between, second[0].day: second}


def test_quick_finds_what_is_wrong_with_the_same_exit_code(
    made: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made.root / "feature_services/ranking.yaml"
    path.write_text(path.read_text().replace("coalesce(price, 9) < 3", "coalesce(price, 9) < 300"))
    assert main(words(made, "--quick")) == 1
    assert capsys.readouterr().out.endswith(" in is_cheap\n")


def test_quick_and_the_append_probe_exclude_each_other(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(words(made, "--quick", "--probe", "append"))
    assert (code, capsys.readouterr().err) == (
        2, "error: --quick leaves the append probe out, and --probe append asks for it alone: give one of them\n"
    )  # fmt: skip


def test_an_append_probe_without_a_skeleton_is_no_pass(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    day = made.root / "output/ranking/skeleton/dt=2024-01-03"
    enriched = made.root / "output/ranking/enriched/dt=2024-01-03"
    enriched.parent.mkdir()
    day.rename(enriched)
    path = enriched / "_manifest.json"
    path.write_text(path.read_text().replace('"dataset": "skeleton"', '"dataset": "enriched"'))
    code = main(words(made, "--probe", "append", "--days", "2024-01-03"))
    told = capsys.readouterr()
    assert (code, told.out, told.err.splitlines()[-1]) == (
        2, "",
        "error: append probe: 2024-01-03 has no skeleton to compare with: build it with `daeda pipeline train`",
    )  # fmt: skip


def test_progress_counts_days_and_columns_and_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [dt.date(2024, 1, day) for day in (2, 3, 4)]
    clock = iter([100.0, 100.0, 103.0, 112.0, 124.0])
    set_clock(monkeypatch, "daeda_audit.report", monotonic=lambda: next(clock))
    progress = Progress(days, append=True)
    assert progress.line() == "audit 0/3 days · starting"
    progress.column(days[0], "price", 0.5)
    assert progress.line() == "audit 0/3 days · about 0:00:33 left · 2024-01-02 price"
    for _ in days:
        progress.day_done()
    progress.append("the day is rebuilt", 0.0)
    assert progress.line() == "audit 3/3 days · about 0:00:12 left · append probe: the day is rebuilt"
    progress.append("the days are compared", 1.0)
    assert progress.line() == "audit 3/3 days · about 0:00:00 left · append probe: the days are compared"


def test_progress_is_live_on_a_terminal_and_says_nothing_elsewhere(
    made: TinyProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(made, "--quick")) == 0
    assert "audit 0/2 days" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(words(made, "--quick")) == 0
    assert re.search(r"audit [01]/2 days · .*2024-01-0[23] \w+", capsys.readouterr().err)
