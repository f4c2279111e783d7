"""What `daeda diff` says of days that were rebuilt, extended and edited: exactly the edited columns."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from daeda.diff.explained import makers_of
from daeda.diff.run import Difference, Options, compare_sides
from daeda.diff.sides import side_of_directory
from tests.beam_pipeline.extending import build
from tests.beam_pipeline.test_extend import EDITS, without_vectors
from tests.beam_pipeline.test_extend_campaign import Campaign
from tests.budget import by_run
from tests.projects import TinyProject

# By the edit: columns on one side alone, renamed or of another kind; columns with other values; what explains those.
TOLD: dict[str, tuple[set[str], set[str], set[str]]] = {
    "a neighbour with another reach and order of ties": ({"events_2d", "amounts"}, set(), set()),
    "names": ({"events_1d"}, set(), set()),
    "places": (set(), set(), set()),
    "an outcome is marked": ({"amount", "share"}, set(), set()),
    "an expression is marked": ({"share"}, set(), set()),
    "a column less": ({"recent_items", "share"}, set(), set()),
    "nullability": (set(), set(), set()),
    "default": (set(), {"category"}, {"operator assemble differs"}),
    "where": (set(), {"spent"}, {"operator filter_events_by_user_2 differs"}),
}


def difference(project: TinyProject, here: Path, there: Path) -> Difference:
    sides = side_of_directory(str(here / "ranking")), side_of_directory(str(there / "ranking"))
    loaded = project.load()
    grain = (*loaded.service.grain, "event_timestamp")
    return compare_sides(*sides, "skeleton", None, Options(grain), makers_of(project.compile()))


@pytest.mark.slow
def test_each_edit_is_told_by_the_columns_that_it_changed(tmp_path: Path) -> None:
    first = without_vectors(tmp_path / "first")
    build(first, "output")
    for number, (name, (edit, _)) in enumerate(EDITS.items()):
        project = without_vectors(tmp_path / str(number))
        shutil.copytree(first.root / "output", project.root / "output")
        edit(project)
        build(project, "output")
        told = difference(project, first.root / "output", project.root / "output")
        only, columns, why = TOLD[name]
        assert ({one.column for one in told.schema}, set(told.columns)) == (only, columns), name
        assert {one.what for one in told.schema} <= {"only here", "only there", "renamed", "kind"}
        assert {clause for column in told.columns.values() for clause in column.why} == why, name
        assert set(told.remade) <= columns
        assert (told.only_here.count, told.only_there.count) == (0, 0)
        # Built anew it is the same: nothing is read.
        build(project, "again", extend=False)
        again = difference(project, project.root / "output", project.root / "again")
        assert again.is_empty
        assert again.same_bytes == again.days != []


@pytest.mark.slow
@pytest.mark.cases
@pytest.mark.parametrize("seed", range(by_run(1, 1, 8)))
def test_random_edits_are_told_as_the_identities_tell_them(seed: int, tmp_path: Path) -> None:
    """Neighbours of a campaign: what differs is among what is made otherwise, and nothing else is."""
    campaign = Campaign(tmp_path, random.Random(seed), "duckdb")
    campaign.write()
    build(campaign.project, "output-0")
    for step in range(1, by_run(4, 4, 9)):
        what = campaign.edit()
        campaign.write()
        shutil.copytree(tmp_path / f"output-{step - 1}", tmp_path / f"output-{step}")
        build(campaign.project, f"output-{step}")
        told = difference(campaign.project, tmp_path / f"output-{step - 1}", tmp_path / f"output-{step}")
        again = difference(campaign.project, tmp_path / f"output-{step}", tmp_path / f"output-{step}")
        assert again.is_empty, what
        if told.only_here.count or told.only_there.count or what.startswith("input impressions"):
            continue  # other rows
        for name, column in told.columns.items():
            assert "made of the same" not in " ".join(column.why), f"{what}: {name}: {column.why}"
        if what.startswith(("order", "rename")):
            assert not told.columns, what
            assert {one.what for one in told.schema} <= {"renamed"}, what
