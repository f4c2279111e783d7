"""`daeda prune`: what nobody needs is listed, and removed after a yes; what somebody needs stays."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from daeda.cli.main import main
from daeda.dataset.layout import Layout
from daeda.dataset.pruning import unneeded
from daeda.dataset.publish import tagging
from daeda.dataset.publish.claims import claim_days
from daeda.dataset.publish.removal import remove
from daeda.dataset.publish.staging import open_staging
from daeda.dataset.tags import read_tag
from tests.daeda.cli.test_answers import checked
from tests.daeda.dataset.tables import publish_table
from tests.projects import TinyProject

BEFORE, FIRST, SECOND = (dt.date(2024, 1, day) for day in (1, 2, 3))


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Version 2 of the tiny project, whose range are two days; one day lies before it, and one is of version 1."""
    project = TinyProject(tmp_path)
    project.service["version"] = 2
    project.write().write_data()
    made = Layout(tmp_path / "output/ranking", version=2)
    for day in (BEFORE, FIRST, SECOND):
        publish_table(made, day, pa.table({"id": [1, 2]}))
    publish_table(made.of_version(1), FIRST, pa.table({"id": [1]}))
    publish_table(made.of_version(3), FIRST, pa.table({"id": [3]}))
    monkeypatch.chdir(tmp_path)
    return made


def there(layout: Layout) -> list[str]:
    root = Path(str(layout.service_dir))
    return sorted(str(path.parent.relative_to(root)) for path in root.rglob("_manifest.json"))


ALL = ["skeleton/dt=2024-01-02", *(f"v2/skeleton/dt=2024-01-0{day}" for day in (1, 2, 3)), "v3/skeleton/dt=2024-01-02"]
NEEDED = ["v2/skeleton/dt=2024-01-02", "v2/skeleton/dt=2024-01-03", "v3/skeleton/dt=2024-01-02"]


def test_what_is_needed_stays(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "ranking", "--dry-run"]) == 0
    out, said = capfd.readouterr()
    root = layout.service_dir
    lines = [line.split(": ") for line in out.splitlines()]
    assert [(line[0], line[1].rpartition(", ")[0], line[2]) for line in lines] == [
        (f"{root}/skeleton", "1 day, 2024-01-02", "of version 1"),
        (f"{root}/v2/skeleton", "1 day, 2024-01-01", "outside of the range"),
    ]
    assert f"left: {root}/v3: version 3 is newer than the one of the project\n" in said
    assert said.endswith(" bytes; nothing was removed\n")
    # Nobody is there to be asked.
    assert main(["prune", "ranking"]) == 2
    assert "and nobody to ask: look with --dry-run, remove with --yes; nothing was removed" in capfd.readouterr().err
    assert there(layout) == ALL
    assert main(["prune", "ranking", "--yes", "--json"]) == 0
    answered = checked(capfd.readouterr().out, "daeda.prune/1")
    assert (answered["removed"], [one["why"] for one in answered["things"]]) == (
        True, ["of version 1", "outside of the range"],
    )  # fmt: skip
    assert there(layout) == NEEDED
    assert not (Path(str(root)) / "skeleton").exists()
    assert main(["prune", "ranking", "--dry-run"]) == 0
    assert capfd.readouterr().err.endswith("ranking v2: nothing to remove\n")
    assert main(["prune", "ranking", "--yes", "--end", "2024-01-02"]) == 0
    assert there(layout) == [NEEDED[0], NEEDED[2]]


def test_a_tag_keeps_its_days(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "ranking", "old", "--days", "2024-01-01"]) == 0
    assert main(["prune", "ranking", "--yes"]) == 0
    assert there(layout) == ["_tags/old/skeleton/dt=2024-01-01", *ALL[1:]]
    # A day that was built anew since is not the one of the tag.
    publish_table(layout, BEFORE, pa.table({"id": [9]}))
    assert main(["prune", "ranking", "--yes"]) == 0
    assert there(layout) == ["_tags/old/skeleton/dt=2024-01-01", *NEEDED]
    capfd.readouterr()
    assert main(["verify", "ranking@old"]) == 0


def test_a_day_that_a_tag_has_lost_stays(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "ranking", "old", "--days", "2024-01-01"]) == 0
    lost = Path(str(layout.of_tag("old").day_dir("skeleton", BEFORE)))
    shutil.rmtree(lost)
    assert main(["prune", "ranking", "--yes"]) == 0
    assert (
        f"left: {layout.day_dir('skeleton', BEFORE)}: a tag has lost this day, and this may be the only one left: "
        "`daeda verify` the tags\n"
    ) in capfd.readouterr().err
    assert there(layout) == ALL[1:]


def test_a_tag_that_is_finished_meanwhile_stays(
    layout: Layout, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tagging, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            tagging.make_tag(layout, "half", [FIRST])
    found, _ = unneeded(layout, [BEFORE, FIRST, SECOND])
    assert [one.kind for one in found] == ["day", "tag"]
    tag, _ = tagging.make_tag(layout, "half", [FIRST])
    remove(found)
    target = layout.of_tag("half")
    assert (read_tag(target), there(layout)) == (tag, ["_tags/half/skeleton/dt=2024-01-02", *ALL[1:]])
    assert capfd.readouterr().err.endswith(f"left: {target.version_dir}: the tag was finished meanwhile\n")


def test_remains_of_the_dead_go_and_those_of_the_living_stay(
    layout: Layout, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tagging, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            tagging.make_tag(layout, "half", [FIRST])
    dead = layout.staging / "run-20240101T000000-00000000"
    (dead / "work").mkdir(parents=True)
    (dead / "work/x").write_text("x" * 2048)
    (dead / "run.lock").touch()
    with open_staging(layout.of_version(1)) as staging:
        claim_days(staging, [("skeleton", FIRST)], "fail", tell=print)
        assert main(["prune", "ranking", "--dry-run"]) == 0
        out = capfd.readouterr().out
        assert f"{dead}: 2.0 KiB: left by a run that has ended\n" in out
        assert f"{layout.service_dir}/_tags/half: " in out
        assert str(staging.directory) not in out
        # A day that a run is building is nobody's to remove.
        assert main(["prune", "ranking", "--yes"]) == 1
        assert "locked: 2024-01-02 (skeleton) held by process" in capfd.readouterr().err
    assert main(["prune", "ranking", "--yes"]) == 0
    assert (dead.exists(), there(layout)) == (False, NEEDED)


@pytest.mark.parametrize("name", ["own.parquet", "_notes", "more/x"])
def test_what_daeda_did_not_write_keeps_its_day(layout: Layout, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    foreign = Path(str(layout.day_dir("skeleton", BEFORE))) / name
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("of the user")
    assert main(["prune", "ranking", "--yes"]) == 0
    assert foreign.read_text() == "of the user"
    said = f"left: {layout.day_dir('skeleton', BEFORE)}: {name.partition('/')[0]} was not written by daeda: move it"
    assert said in capfd.readouterr().err
    assert there(layout) == ALL[1:]


def test_flags_that_exclude_each_other(layout: Layout, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "ranking", "--yes", "--dry-run"]) == 2
    assert capfd.readouterr().err == (
        "error: --dry-run removes nothing, and --yes answers whether to: give one of them\n"
    )
