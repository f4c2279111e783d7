"""A new version of a service is made from the days of the greatest lower one, which stay as they are."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

from daeda.cli.answers import built_days
from daeda.dataset.layout import layout_of
from daeda.planning.days import Action
from tests.beam_pipeline.extending import build
from tests.beam_pipeline.test_extend import DAY, without_vectors
from tests.daeda.compiler.test_identity import add_window
from tests.projects import TinyProject


def day_of(project: TinyProject, output: str, version: int = 1, day: dt.date = DAY) -> Path:
    """The directory of a skeleton day."""
    service = project.root / output / "ranking"
    return (service / f"v{version}" if version > 1 else service) / "skeleton" / f"dt={day}"


def content(directory: Path) -> dict[str, object]:
    """Bytes of the parts, and the manifest but for what tells when and by what it was made."""
    held: dict[str, object] = {path.name: path.read_bytes() for path in directory.glob("*.parquet")}
    written = json.loads((directory / "_manifest.json").read_text())
    return held | {key: written[key] for key in written if key not in ("seconds", "software", "stamps")}


def test_a_version_computes_what_the_lower_ones_do_not_have(tmp_path: Path) -> None:
    project = without_vectors(tmp_path)
    build(project, "output")
    first = content(day_of(project, "output"))
    project.service["version"] = 2
    add_window(project)
    ran: list[str] = []
    (plan,) = build(project, "output", operators=ran)
    assert (plan.action, plan.extension is not None and plan.extension.version) == (Action.BUILD, 1)
    assert plan.reasons[0].startswith("extend: +")
    assert plan.reasons[0].endswith(" columns kept of version 1")
    (built,) = built_days(layout_of(project.load()), {"skeleton": (plan,)}, {})
    assert built.datasets["skeleton"].outcome == "extended"
    assert ran == ["scan_spine", "scan_events_by_user", "rolling_events_by_user", "assemble", "extend", "sink"]
    build(project, "again", extend=False)
    assert content(day_of(project, "output", 2)) == content(day_of(project, "again", 2))
    assert content(day_of(project, "output")) == first
    assert [plan.action for plan in build(project, "output")] == [Action.SKIP]

    # The greatest lower version that has the day, and of it nothing is to be computed.
    project.service["version"] = 9
    ran.clear()
    (plan,) = build(project, "output", operators=ran)
    assert (plan.extension is not None and plan.extension.version, ran) == (2, ["extend", "sink"])
    assert content(day_of(project, "output", 9)) == content(day_of(project, "output", 2))


def test_a_lower_version_that_is_damaged_or_goes_is_not_needed(tmp_path: Path) -> None:
    project = without_vectors(tmp_path)
    build(project, "output")
    project.service["version"] = 2
    build(project, "again", extend=False)
    whole = content(day_of(project, "again", 2))

    (plan,) = build(project, "output", meanwhile=lambda: shutil.rmtree(day_of(project, "output")))
    assert (plan.extension is not None, content(day_of(project, "output", 2))) == (True, whole)

    # A part that only looks whole is found when it is read, and one that does not when the day is planned.
    for same_size in (True, False):
        project.service["version"] = 3
        part = day_of(project, "output", 2) / "part-0-0.parquet"
        written = part.read_bytes()
        shutil.rmtree(day_of(project, "output", 3), ignore_errors=True)

        def damage(path: Path = part, body: bytes = written, same: bool = same_size) -> None:
            path.write_bytes(body[:40] + bytes([body[40] ^ 1]) + body[41:] if same else b"short")

        if not same_size:
            damage()
        (plan,) = build(project, "output", meanwhile=damage)
        assert (plan.extension is not None, plan.action) == (same_size, Action.BUILD)
        assert content(day_of(project, "output", 3)) == whole
        part.write_bytes(written)


def test_other_rows_or_no_extending_build_the_version_from_its_sources(tmp_path: Path) -> None:
    project = without_vectors(tmp_path)
    build(project, "output")
    project.service["version"] = 2
    assert [plan.extension for plan in build(project, "output", extend=False)] == [None]
    project.service["version"] = 1
    shutil.rmtree(day_of(project, "output", 2))
    project.data["events"] = [row for row in project.data["events"] if row[0] != 3]
    project.write_data()
    project.service["version"] = 2
    assert [(plan.action, plan.extension) for plan in build(project, "output")] == [(Action.BUILD, None)]
