"""Extended days whose total order goes on behind the end of the old one, or ends before it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from daeda.dataset.identity import Recipe, Recipes, in_same_rows
from daeda.dataset.manifest import ColumnIdentities
from daeda.planning.days import Action, DayPlan
from tests.beam_pipeline.extending import build, published
from tests.beam_pipeline.test_extend import without_vectors
from tests.daeda.compiler.test_identity import add
from tests.projects import TinyProject, moment


def with_channels(root: Path) -> TinyProject:
    """Rows of which many agree in all fields but `channel`, which is declared last and stands in no column."""
    project = without_vectors(root)
    project.views["events"]["fields"].append({"name": "channel", "dtype": "int64"})
    rng = random.Random(15)
    rows = [
        (
            rng.choice([1, 2]),
            10,
            moment(f"02 0{rng.randrange(4)}:00"),
            rng.choice([None, 1.5]),
            rng.choice([None, 3, 4]),
        )
        for _ in range(90)
    ]
    project.data["events"] = [(1, 10, moment("01 23:00"), 2.0, 3), *rows]
    project.write_data()
    return project


def add_channel(project: TinyProject) -> None:
    add(project, {"name": "channel", "kind": "spine", "dtype": "int64"})


def rebuilt(project: TinyProject) -> tuple[DayPlan, ...]:
    """The plan of days that are built in place, whose bytes are those of a rebuild."""
    plans = build(project, "output")
    shutil.rmtree(project.root / "again", ignore_errors=True)
    build(project, "again", extend=False)
    assert published(project, "output") == published(project, "again")
    return plans


def test_an_order_that_goes_on_or_ends_before(tmp_path: Path) -> None:
    project = with_channels(tmp_path)
    build(project, "output")
    add_channel(project)
    longer = rebuilt(project)
    # Rows that tie may differ in the bits of a NaN, so what is made of the spine's `amount` is computed.
    assert {plan.reasons[0] for plan in longer} == {
        "extend: +channel; computed anew: amount, share; 8 of 11 columns kept"
    }
    project.without("channel")
    shorter = rebuilt(project)
    assert {plan.action for plan in (*longer, *shorter)} == {Action.EXTEND}


def test_an_order_with_other_columns_in_front_is_another(tmp_path: Path) -> None:
    project = with_channels(tmp_path)
    add_channel(project)
    build(project, "output")
    fields = project.views["events"]["fields"]
    fields.append(fields.pop(3))
    assert {plan.action for plan in rebuilt(project)} == {Action.REBUILD}


def test_a_column_that_shows_a_tie_of_the_shorter_order_is_not_kept() -> None:
    recipes = Recipes(
        Recipe("rows", ()),
        ("time", "user", "item"),
        {
            "by_user": Recipe("1", (), frozenset({"user"})),
            "by_item": Recipe("2", (), frozenset({"user", "item"})),
            "by_float": Recipe("3", (), None),
        },
    )
    columns = {name: recipe.digest for name, recipe in recipes.columns.items()}
    after = ColumnIdentities("rows", recipes.order, columns)

    def kept(rows: str, *order: str) -> set[str]:
        return set(in_same_rows(ColumnIdentities(rows, order, columns), after, recipes))

    assert kept("rows", "time", "user", "item") == {"by_user", "by_item", "by_float"}
    assert kept("rows", "time", "user") == {"by_user"}
    assert kept("rows", "time", "user", "item", "more") == {"by_user", "by_item"}
    assert kept("rows", "time", "item", "user") == set()
    assert kept("other rows", "time", "user", "item") == set()
