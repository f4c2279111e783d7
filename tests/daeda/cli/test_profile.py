"""`--profile`: what each operator of a day took, kept beside the datasets and shown as a table."""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from beam_pipeline.command import main
from daeda.dataset.layout import Layout
from daeda.dataset.profile import DayProfile, Meter, Usage, Waiting, added_up, read_profile
from daeda.planning.due_days import waiting_line
from tests.projects import TinyProject

DAYS = (dt.date(2024, 1, 2), dt.date(2024, 1, 3))
MIB = 2**20


def test_a_block_is_measured(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    meter = Meter(spill)
    (tmp_path / "in").write_bytes(bytes(3 * MIB))
    with meter.measure("copy"):
        data = (tmp_path / "in").read_bytes()
        (tmp_path / "out").write_bytes(data[:MIB])
        spill.mkdir()
        (spill / "block").write_bytes(bytes(2 * MIB))
        held = b"x" * (64 * MIB)
        time.sleep(0.05)
        (spill / "block").unlink()
    for rows in (3, 4):
        with meter.measure("nothing"):
            pass
        meter.add_rows("nothing", rows)
    copied, nothing = meter.usages
    assert (copied.operator, copied.rows, nothing.operator, nothing.rows) == ("copy", None, "nothing", 7)
    assert copied.seconds >= 0.05
    assert 3 * MIB <= copied.read_bytes < 4 * MIB
    assert 3 * MIB <= copied.written_bytes < 4 * MIB
    assert copied.spill_bytes == 2 * MIB
    assert copied.peak_bytes > len(held)
    assert nothing.read_bytes < MIB
    assert nothing.spill_bytes == 0


def test_a_block_that_fails_leaves_nothing() -> None:
    meter = Meter()
    with pytest.raises(ValueError, match="wrong"), meter.measure("failing"):
        raise ValueError("wrong")
    assert meter.usages == ()


def test_operators_of_several_days_add_up() -> None:
    first = (Usage("scan", 0.25, None, 1, 2, 300, 0), Usage("sink", 1.0, 10, 3, 4, 500, 6))
    second = (Usage("scan", 0.5, None, 10, 20, 200, 0), Usage("sink", 2.0, 5, 30, 40, 900, 2))
    whole = (Usage("scan", 0.75, None, 11, 22, 300, 0), Usage("sink", 3.0, 15, 33, 44, 900, 6))
    assert added_up([*first, *second]) == whole


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    project = TinyProject(tmp_path).without("item_vector").write().write_data()
    monkeypatch.chdir(tmp_path)
    return project


def test_each_day_leaves_its_operators(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--profile"]) == 0
    layout = Layout(project.root / "output" / "ranking")
    operators = [operator.name for operator in project.compile().operators]
    for day in DAYS:
        manifest = json.loads((layout.day_dir("skeleton", day) / "_manifest.json").read_text(encoding="utf-8"))
        profile = read_profile(layout, "skeleton", day)
        assert profile is not None
        assert profile.days_at_once == 1
        assert [operator.operator for operator in profile.operators] == operators
        sink, spine = profile.operators[-1], profile.operators[0]
        assert sink.rows == manifest["rows"]
        assert spine.rows is None
        parts = sum(part["size"] for part in manifest["parts"])
        assert sink.written_bytes >= parts > 0
        assert all(operator.peak_bytes > MIB for operator in profile.operators)
    told = capsys.readouterr()
    assert told.out == f"{layout.dataset_dir('skeleton')}\n"
    assert "skeleton, 2 days" in told.err
    for name in operators:
        assert f" {name} " in told.err
    assert f"each day: {layout.service_dir / '_profile' / 'skeleton'}\n" in told.err


def test_without_the_flag_nothing_is_kept(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert sorted(path.name for path in (project.root / "output" / "ranking").iterdir()) == ["_staging", "skeleton"]
    assert "skeleton, 2 days" not in capsys.readouterr().err


def test_what_actors_waited_is_of_the_time_that_they_had() -> None:
    day = DayProfile(DAYS[0], 1, ())
    assert waiting_line([day]) is None
    waited = [Waiting(2, 3.0, 0.4, 0.1, 0.5, 2.5), Waiting(2, 2.0, 0.2, 0.3, 0.25, 1.75)]
    assert waiting_line([day, *(replace(day, waiting=one) for one in waited)]) == (
        "2 actors waited 10 % of 10.00 s: 0.60 s for parts, 0.40 s for their vectors; the process that hands out parts "
        "waited 0.75 s for vectors and 4.25 s for parts"
    )
