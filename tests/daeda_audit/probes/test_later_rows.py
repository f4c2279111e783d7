"""The append probe: a copy of the input with a future, rebuilt by the driver; no row before the cut may change."""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlglot import exp

import daeda.sql.statements
import daeda_audit.inputs.later_rows
import daeda_audit.probes.later_rows
from daeda.catalog.project import Project
from daeda.dataset.layout import Layout
from daeda.operators.temporal import PointInTimeJoin
from daeda_audit.command import main
from daeda_audit.inputs.later_rows import LaterInput, copy_with_later_rows
from daeda_audit.instants import parse_instant
from daeda_audit.published.days import PublishedDay, published_days
from daeda_audit.raw.local_copies import LocalCopies
from daeda_audit.raw.view import RawViews
from tests.daeda_audit.feed import DAYS, build, feed, words
from tests.projects import TinyProject

CUT = parse_instant("2024-01-03 12:00:00").nanoseconds


def sees_hours_ahead(operator: PointInTimeJoin, left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """The planted leak of a look-up."""
    return exp.GT(this=exp.Add(this=left, expression=exp.Literal.number(6 * 3_600_000_000)), expression=right)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    made = feed(tmp_path_factory.mktemp("append"))
    build(made)
    return made


def files(root: Path) -> dict[str, str]:
    """Digest of every Parquet file."""
    found = sorted(root.rglob("*.parquet"))
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def run(made: TinyProject, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daeda", "audit", "leakage", *words(made, *more)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def rebuilt_here(
    project: Project, published: PublishedDay, arguments: argparse.Namespace, directory: Path, later_input: LaterInput
) -> PublishedDay:
    """The day from the copy, in this process: where a test has broken the product."""
    made = TinyProject(project.root)
    build(made, days=[published.day], data=later_input.data_root, output=directory / "output/ranking")
    return published_days(Layout(directory / "output/ranking"), [published.day], directory)[published.day][0]


def table(told: str) -> dict[str, list[str]]:
    """Of each column: rows compared, changed, and the note."""
    lines = told.splitlines()
    head = next(place for place, line in enumerate(lines) if line.split()[:3] == ["column", "checked", "changed"])
    rows = [line.split(maxsplit=3) for line in lines[head + 1 :]]
    end = rows.index([]) if [] in rows else len(rows)
    return {row[0]: row[1:] for row in rows[:end]}


@pytest.fixture(scope="module")
def later_input(made: TinyProject, tmp_path_factory: pytest.TempPathFactory) -> LaterInput:
    project = made.load()
    before = files(made.root)
    copies = tmp_path_factory.mktemp("copy")
    day = published_days(Layout(project.service_dir), [DAYS[1]], copies)[DAYS[1]][0]
    copied = copy_with_later_rows(project, RawViews(project, LocalCopies(copies)), day, CUT, copies, 0)
    assert files(made.root) == before
    return copied


def test_every_view_that_changes_gets_rows_and_no_other(later_input: LaterInput) -> None:
    assert sorted(later_input.added) == ["clicks", "events", "prices", "stock"]
    assert all(number > 0 for number in later_input.added.values())
    assert later_input.outside == ()


def test_the_rows_of_the_original_are_all_there(made: TinyProject, later_input: LaterInput) -> None:
    for path in (made.root / "data").rglob("*.parquet"):
        original = pq.read_table(path, partitioning=None)
        copied = pq.read_table(later_input.data_root / path.relative_to(made.root / "data"), partitioning=None)
        assert copied.slice(0, len(original)).equals(original)


def test_what_is_added_is_known_only_after_the_cut(made: TinyProject, later_input: LaterInput) -> None:
    cut = CUT // 1000
    for name in ("events", "stock"):
        for path in (later_input.data_root / name).rglob("zz-*.parquet"):
            assert min(pq.read_table(path, partitioning=None).column("event_timestamp").cast("int64").to_pylist()) > cut
    added = [
        pq.read_table(path, partitioning=None)
        for path in sorted((later_input.data_root / "prices").rglob("zz-*.parquet"))
    ]
    assert all(min(one.column("known_at").cast("int64").to_pylist()) > cut // 1000 for one in added)
    # Corrections of what was known before the cut, too.
    assert any(min(one.column("event_timestamp").cast("int64").to_pylist()) < cut for one in added)
    clicks = pq.read_table(later_input.data_root / "clicks.parquet").slice(150)
    assert min(clicks.column("seen_at").to_pylist()) > cut // 1000


def test_the_future_changes_only_what_is_marked(made: TinyProject) -> None:
    done = run(made, "--probe", "append")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("leakage audit of ranking, 2 days: ")
    assert done.stdout.endswith(" rows rebuilt with later rows added, 0 changes\n")
    found = table(done.stderr)
    assert int(found["on_stock"][1]) > 0
    assert found["on_stock"][2] == "sees the future"
    assert found["(rows)"][2] == "sees the future"
    changed = {name for name, line in found.items() if line[1] != "0"}
    assert changed <= {"on_stock", "(rows)"}
    assert int(found["price"][0]) > 10


def test_a_look_up_that_sees_hours_ahead_is_found(
    made: TinyProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both the published day and the rebuilt one are made by the broken product: only the future differs."""
    broken = TinyProject(tmp_path / "broken")
    shutil.copytree(made.root, broken.root)
    monkeypatch.setattr(daeda.sql.statements, "_seen", sees_hours_ahead)
    monkeypatch.setattr(daeda_audit.probes.later_rows, "_rebuild", rebuilt_here)
    build(broken, days=DAYS[1:])
    assert main(words(broken, "--probe", "append", "--days", "2024-01-03")) == 1
    done = capsys.readouterr()
    changed = {name for name, line in table(done.err).items() if line[1] != "0" and len(line) < 3}
    names = ["price", "label", "price_2h", "price_late", "known_of_price", "prices_then", "is_cheap"]
    assert changed == set(names)
    assert done.out.endswith(f" in {', '.join(names)}\n")
    assert "\nprice: row " in done.err


@pytest.mark.parametrize(
    ("day", "known"),
    [
        ("2024-01-06", "2024-01-08 01:00:00"), ("9999-12-29", "9999-12-31 01:00:00"), ("9999-12-30", None),
        ("9999-12-31", None),
    ],
)  # fmt: skip
def test_labels_are_known_as_early_as_they_are_mature_and_never_behind_the_calendar(
    tmp_path: Path, day: str, known: str | None
) -> None:
    label = {"name": "again", "entity": "user", "history": {"view": "events"}, "kind": "count", "window": "1d"}
    made = TinyProject(tmp_path).without("item_vector")
    made.aggregations.pop("enrichment_specs")
    made.aggregations["label_specs"] = [{**label, "gap": "1h"}]
    made.service["columns"].append({"name": "again", "kind": "label"})
    made.runtime["output_columns"].append("again")
    project, published = made.write().load(), dt.date.fromisoformat(day)
    assert daeda_audit.probes.later_rows._known_until(project, published) == known
    run: Any = SimpleNamespace(project=project)
    of_day: Any = SimpleNamespace(day=published)
    assert daeda_audit.probes.later_rows.why_impossible(run, of_day) == (
        None
        if known
        else f"not possible on {day}, whose labels mature after the year 9999, before which there is no room for "
        "later rows"
    )


def test_no_rows_are_added_behind_the_calendar(made: TinyProject) -> None:
    view, last = made.load().views["events"], dt.date.max
    cut = (last - dt.date(1970, 1, 1)).days * 86_400 * 10**9
    later = daeda_audit.inputs.later_rows._later_instants(view, last, cut)
    assert [instant // (86_400 * 10**9) - cut // (86_400 * 10**9) for instant in later] == [0, 0]
