"""The audit of extended days: it passes, and finds a column that was kept though it had changed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tests.beam_pipeline.extending as harness
from daeda.compiler import identity
from daeda.dataset.fingerprint import enriched_identities
from daeda.dataset.identity import Recipe, Recipes
from daeda.dataset.manifest import ColumnIdentities
from daeda.dataset.stores import Stores
from daeda.functions import loading
from daeda.operators.dag import Dag
from daeda.planning import enriched_days, extension
from daeda.planning.days import Action
from daeda_audit.command import main
from enrich import extending, publish
from tests.beam_pipeline.extending import build
from tests.beam_pipeline.test_extend import without_vectors
from tests.daeda.compiler.test_identity import add, add_window, spec
from tests.daeda_audit.feed import words
from tests.enrich import test_extending as enriched
from tests.projects import TinyProject, moment


def audited(made: TinyProject, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = main(words(made, "--probe", "recompute", "--rows", "100"))
    told = capsys.readouterr()
    return code, told.out + told.err


def forgetting(column: str) -> Callable[[Dag, Mapping[str, str]], Recipes]:
    """Recipes in which a column is always made of the same."""

    def recipes_of(dag: Dag, codes: Mapping[str, str]) -> Recipes:
        recipes = identity.recipes_of(dag, codes)
        return replace(recipes, columns={**recipes.columns, column: Recipe("0" * 64, ())})

    return recipes_of


def older_row(project: TinyProject) -> None:
    project.data["events"] = [(1, 10, moment("01 23:45"), 4.0), *project.data["events"]]
    project.write_data()


def with_function(root: Path) -> TinyProject:
    """A project with a column `scaled`, whose function takes its factor from another module of the project."""
    made = without_vectors(root)
    (root / "audited_scale.py").write_text(
        "import pyarrow.compute as pc\nfrom audited_factor import FACTOR\n\n"
        "def scaled(amount):\n    return pc.multiply(amount, FACTOR)\n"
    )
    other_library(made, 2.0)
    made.aggregations["udf_specs"] = [
        {"name": "scaled", "function": "audited_scale:scaled", "columns": ["amount"], "dtype": "double"}
    ]
    add(made, {"name": "scaled", "kind": "udf", "dtype": "double"})
    return made


def other_library(project: TinyProject, factor: float = 3.0) -> None:
    (project.root / "audited_factor.py").write_text(f"FACTOR = {factor}\n")
    forget_modules()


def forget_modules() -> None:
    """Import them anew, as another process does."""
    for name in ("audited_scale", "audited_factor"):
        sys.modules.pop(name, None)
        loading._codes.pop(name, None)


# By what is forgotten: the column, and the change that it does not see.
FORGOTTEN: dict[str, tuple[str, Callable[[TinyProject], Any]]] = {
    "where": ("spent", spec(2, where="amount > 2")),
    "an input": ("events_1d", older_row),
    "a default": ("price", lambda project: project.column("price").update(default=77.0)),
    "the code of a library": ("scaled", other_library),
}


def test_an_extended_day_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = without_vectors(tmp_path)
    build(made, "output")
    add_window(made)
    made.column("price")["default"] = 77.0
    assert [plan.action for plan in build(made, "output")] == [Action.EXTEND]
    code, told = audited(made, capsys)
    assert (code, " 0 mismatches" in told) == (0, True), told


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_a_column_that_was_falsely_kept_is_found(
    tmp_path: Path, forgotten: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    column, edit = FORGOTTEN[forgotten]
    monkeypatch.setattr(harness, "recipes_of", forgetting(column))
    monkeypatch.setattr(extension, "recipes_of", forgetting(column))
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = with_function(tmp_path)
    build(made, "output")
    edit(made)
    add_window(made)
    (plan,) = build(made, "output")
    assert plan.extension is not None
    assert column in plan.extension.kept
    code, told = audited(made, capsys)
    forget_modules()
    assert code == 1
    assert column in told, told


@pytest.mark.parametrize("forgotten", [None, "where"])
def test_a_day_that_was_made_of_a_lower_version(
    tmp_path: Path, forgotten: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes, and a column that was falsely kept of the lower version is found; the lower day is not looked at."""
    column, edit = FORGOTTEN[forgotten or "where"]
    if forgotten:
        monkeypatch.setattr(harness, "recipes_of", forgetting(column))
        monkeypatch.setattr(extension, "recipes_of", forgetting(column))
    made = without_vectors(tmp_path)
    build(made, "output")
    made.service["version"] = 2
    edit(made)
    add_window(made)
    (plan,) = build(made, "output")
    assert plan.extension is not None
    assert (plan.extension.version, column in plan.extension.kept) == (1, forgotten is not None)
    code, told = audited(made, capsys)
    if forgotten:
        assert (code, column in told) == (1, True), told
    else:
        assert (code, " 0 mismatches" in told) == (0, True), told


@pytest.mark.parametrize("forgotten", [False, True])
def test_an_enriched_day_that_keeps_vectors_of_a_lower_version(
    tmp_path: Path, forgotten: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes, and vectors are found whose identity forgot how they are normalized."""
    if forgotten:
        for module in (enriched_days, extending, publish):
            monkeypatch.setattr(module, "enriched_identities", _forgetting_taste)
    made = enriched.made(tmp_path)
    build(made, "output")
    stores = enriched.enrich(made, "output")
    made.service["version"] = 2
    enriched.other_normalize(made)
    if forgotten:
        made.aggregations["enrichment_specs"][1]["normalize"] = "none"
    build(made, "output")
    _, plan = enriched.planned(made, stores)
    assert plan.extension is not None
    assert (plan.extension.version, plan.extension.kept["flavour"]) == (1, "taste")
    assert plan.extension.vectors == ("item_vector",)
    enriched.enrich(made, "output", plan.extension)
    code, told = audited(made, capsys)
    if forgotten:
        assert (code, "flavour" in told) == (1, True), told
    else:
        assert (code, " 0 mismatches" in told) == (0, True), told


def _forgetting_taste(dag: Dag, skeleton: ColumnIdentities, stores: Stores) -> ColumnIdentities:
    identities = enriched_identities(dag, skeleton, stores)
    same = {name: "0" * 64 for name in identities.columns if name in ("taste", "flavour")}
    return replace(identities, columns={**identities.columns, **same})
