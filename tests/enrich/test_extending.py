"""Enriched days that keep their vectors: the bytes of a new enrichment, without a store and without Ray."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from daeda.compiler.compile import compile_runnable
from daeda.dataset.layout import Layout, layout_of
from daeda.dataset.manifest import DayName, Manifest, read_manifest
from daeda.dataset.publish.staging import open_staging
from daeda.dataset.stores import Stores
from daeda.planning.days import Action, DayPlan, plan_skeleton
from daeda.planning.enriched_days import plan_enriched
from daeda.planning.extension import Extension
from daeda.planning.sources import find_sources
from enrich.extending import NotAsPlanned, extend_enriched, planned_work, with_published
from enrich.job import EnrichRun, _plan_day
from enrich.part import extended_part
from enrich.part import part as part_module
from enrich.part.part import enrich_part
from enrich.preflight import identify_stores
from enrich.preload import Preload
from enrich.publish import States, publish_enriched, verify_skeleton
from enrich.store.vectors import DayVectors
from tests.beam_pipeline.extending import build
from tests.beam_pipeline.test_extend import many_rows
from tests.daeda.compiler.test_identity import add, rename
from tests.projects import TinyProject, moment

DAY = dt.date(2024, 1, 2)


def made(root: Path) -> TinyProject:
    project = TinyProject(root)
    for name in ("user_id", "item_id"):
        project.column(name)["nullable"] = True
    project.aggregations["enrichment_specs"].append(
        {"name": "taste", "kind": "avg_pool", "column": "recent_items", "store": "vectors", "normalize": "l2"}
    )
    add(project, {"name": "taste", "kind": "embedding", "dtype": "list<float>"})
    return many_rows(project).write_data().write_store()


def enrich(project: TinyProject, output: str, extension: Extension | None = None, day: dt.date = DAY) -> Stores:
    """Enrich the day below `output`, whose skeleton is published, without Ray."""
    project.runtime["output_root"] = output
    loaded = project.write().load()
    dag = compile_runnable(loaded)
    preload = Preload(loaded, dag)
    layout = layout_of(loaded)
    with open_staging(layout) as staging:
        work = _plan_day(EnrichRun(loaded, dag, (day,)), staging, day)
        stores = identify_stores(loaded, dag, None)
        if extension is not None and not extension.vectors:
            extend_enriched(dag, staging, work, extension, stores)
            return stores
        states: States = {}
        if extension is not None:
            work, states = with_published(planned_work(dag, layout, work, extension, stores), staging)
            assert {column.name for column in work.tasks[0].computed} == set(extension.vectors)
        verified = {**verify_skeleton(work, layout), **states}
        computed = work.tasks[0].computed
        preload.open_for(computed)
        needs = preload.needs(day, work.skeleton_parts, computed)
        assert set(preload._maps) == {column.store for column in computed}
        vectors = {
            name: DayVectors.load(preload._stores[name], preload._maps[name], ids) for name, ids in needs.ids.items()
        }
        receipts = [enrich_part(task, vectors) for task in work.tasks]
        publish_enriched(staging, dag, work, receipts, {}, stores, verified)
    return stores


def planned(project: TinyProject, stores: Stores, output: str = "output") -> tuple[DayPlan, DayPlan]:
    project.runtime["output_root"] = output
    loaded = project.write().load()
    dag = compile_runnable(loaded)
    skeleton = plan_skeleton(loaded, dag.skeleton(), find_sources(loaded, dag.skeleton()), [DAY], "rebuild")
    (enriched,) = plan_enriched(loaded, dag, skeleton, "rebuild", lambda: stores)
    return skeleton[0], enriched


def day_of(project: TinyProject, output: str, version: str = "") -> tuple[list[bytes], dict[str, Any]]:
    directory = project.root / output / "ranking" / version / "enriched" / f"dt={DAY}"
    manifest = json.loads((directory / "_manifest.json").read_text())
    left = {name: value for name, value in manifest.items() if name not in ("seconds", "software", "stamps")}
    return [path.read_bytes() for path in sorted(directory.glob("part-*"))], left


def add_column(project: TinyProject) -> None:
    add(project, {"name": "double_amount", "kind": "derived", "dtype": "double", "expression": "amount * 2"})


def rename_vectors(project: TinyProject) -> None:
    rename(project, "taste", "flavour")
    project.aggregations["enrichment_specs"][1]["name"] = "flavour"
    listed = project.runtime["output_columns"]
    project.runtime["output_columns"] = [*listed[3:], *listed[:3]]


def drop_vectors(project: TinyProject) -> None:
    project.without("item_vector")
    del project.aggregations["enrichment_specs"][0]


@pytest.mark.parametrize("edit", [add_column, rename_vectors, drop_vectors])
def test_an_enriched_day_that_keeps_its_vectors(tmp_path: Path, edit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_module, "GROUP_ROWS", 5)
    project = made(tmp_path)
    build(project, "output")
    stores = enrich(project, "output")
    assert [plan.action for plan in planned(project, stores)] == [Action.SKIP, Action.SKIP]
    edit(project)
    assert [plan.action for plan in planned(project, stores)] == [Action.EXTEND, Action.EXTEND]
    build(project, "output")
    skeleton, plan = planned(project, stores)
    assert (skeleton.action, plan.action) == (Action.SKIP, Action.EXTEND)
    enrich(project, "output", plan.extension)
    assert [plan.action for plan in planned(project, stores)] == [Action.SKIP, Action.SKIP]
    build(project, "again", extend=False)
    enrich(project, "again")
    assert day_of(project, "output") == day_of(project, "again")


def another_store(project: TinyProject) -> None:
    """A third column of vectors, of a store of its own."""
    shutil.copytree(project.root / "data/vectors.lance", project.root / "data/more.lance")
    stores = project.aggregations["embedding_stores"]
    stores.append({**stores[0], "name": "more", "path": "more.lance"})
    project.aggregations["enrichment_specs"].append(
        {"name": "kin", "kind": "lookup", "column": "item_id", "store": "more", "normalize": "l2"}
    )
    add(project, {"name": "kin", "kind": "embedding", "dtype": "list<float>"})


def other_ids(project: TinyProject) -> None:
    """The ids of one column change."""
    project.aggregations["aggregation_specs"][1]["max_length"] = 1


def other_normalize(project: TinyProject) -> None:
    """One column is computed anew, another one is renamed."""
    project.aggregations["enrichment_specs"][0]["normalize"] = "l2"
    rename_vectors(project)


PARTLY: dict[str, tuple[Any, tuple[str, ...]]] = {
    "a store more": (another_store, ("kin",)),
    "other ids": (other_ids, ("taste",)),
    "another operator": (other_normalize, ("item_vector",)),
}


@pytest.mark.parametrize("name", PARTLY)
def test_vectors_that_are_new_are_read_and_the_others_kept(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_module, "GROUP_ROWS", 5)
    edit, computed = PARTLY[name]
    project = made(tmp_path)
    build(project, "output")
    stores = enrich(project, "output")
    edit(project)
    if name == "a store more":
        stores = {**stores, "more": stores["vectors"]}
    build(project, "output")
    skeleton, plan = planned(project, stores)
    assert (skeleton.action, plan.action, plan.reads_stores) == (Action.SKIP, Action.EXTEND, True)
    assert plan.extension is not None
    assert plan.extension.vectors == computed
    stores = enrich(project, "output", plan.extension)
    assert [plan.action for plan in planned(project, stores)] == [Action.SKIP, Action.SKIP]
    build(project, "again", extend=False)
    enrich(project, "again")
    assert day_of(project, "output") == day_of(project, "again")


def test_an_order_that_goes_on_keeps_vectors(tmp_path: Path) -> None:
    """Rows that tie may change places, all of which have one id; but not all have one amount."""
    project = made(tmp_path)
    project.views["events"]["fields"].append({"name": "channel", "dtype": "int64"})
    rng = random.Random(15)
    project.data["events"] = [
        (rng.choice([1, 2]), 10, moment(f"02 0{rng.randrange(4)}:00"), 1.5, rng.choice([None, 3, 4])) for _ in range(60)
    ]
    project.write_data()
    build(project, "output")
    stores = enrich(project, "output")
    add(project, {"name": "channel", "kind": "spine", "dtype": "int64"})
    assert [plan.action for plan in planned(project, stores)] == [Action.EXTEND, Action.EXTEND]
    build(project, "output")
    plan = planned(project, stores)[1]
    assert plan.extension is not None
    assert (plan.extension.vectors, set(plan.extension.computed)) == ((), {"channel", "amount"})
    enrich(project, "output", plan.extension)
    build(project, "again", extend=False)
    enrich(project, "again")
    assert day_of(project, "output") == day_of(project, "again")


@pytest.mark.parametrize("edit", [add_column, other_ids])
def test_a_version_takes_vectors_from_a_lower_one(tmp_path: Path, edit: Any) -> None:
    project = made(tmp_path)
    build(project, "output")
    stores = enrich(project, "output")
    first = day_of(project, "output")
    project.service["version"] = 2
    edit(project)
    # Before its skeleton is there, and when it is.
    for _ in range(2):
        _, plan = planned(project, stores)
        assert (plan.action, plan.extension is not None and plan.extension.version) == (Action.BUILD, 1)
        build(project, "output")
    enrich(project, "output", plan.extension)
    assert [plan.action for plan in planned(project, stores)] == [Action.SKIP, Action.SKIP]
    build(project, "again", extend=False)
    enrich(project, "again")
    assert day_of(project, "output", "v2") == day_of(project, "again", "v2")
    assert day_of(project, "output") == first


def test_a_lower_version_that_is_damaged_is_not_needed(tmp_path: Path) -> None:
    project = made(tmp_path)
    build(project, "output")
    stores = enrich(project, "output")
    project.service["version"] = 2
    add_column(project)
    build(project, "output")
    extension = planned(project, stores)[1].extension
    path = tmp_path / "output/ranking/enriched" / f"dt={DAY}" / "part-0-0.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    with pytest.raises(NotAsPlanned, match="the bytes on disk are not those that were written"):
        enrich(project, "output", extension)
    assert planned(project, stores)[1].extension is None
    assert planned(project, stores)[1].action is Action.BUILD


def test_columns_that_are_unchanged_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[list[str]] = []
    read = extended_part.row_groups
    monkeypatch.setattr(
        extended_part,
        "row_groups",
        lambda batches, rows: read((written.append(batch.schema.names) or batch for batch in batches), rows),
    )
    project = made(tmp_path)
    build(project, "output")
    stores = enrich(project, "output")
    add_column(project)
    build(project, "output")
    enrich(project, "output", planned(project, stores)[1].extension)
    # Of vectors the NULLs are read that hold their place in the skeleton.
    assert {tuple(names) for names in written} == {("item_vector", "taste", "double_amount")}


def _manifest(project: TinyProject) -> Manifest:
    layout = Layout(project.root / "output/ranking")
    manifest = read_manifest(layout.day_dir("enriched", DAY), DayName("ranking", "enriched", DAY))
    assert manifest is not None
    return manifest


def test_what_needs_the_store_is_enriched_as_any_day(tmp_path: Path) -> None:
    project = made(tmp_path)
    build(project, "output")
    stores = enrich(project, "output")
    other = {"vectors": dataclasses.replace(stores["vectors"], content="another")}
    assert planned(project, other)[1].action is Action.REBUILD
    # Another version of what writes pages.
    add_column(project)
    build(project, "output")
    assert planned(project, stores)[1].action is Action.EXTEND
    path = tmp_path / "output/ranking/enriched" / f"dt={DAY}" / "_manifest.json"
    written = json.loads(path.read_text())
    path.write_text(json.dumps({**written, "software": {**written["software"], "pyarrow": "1.0"}}))
    assert planned(project, stores)[1].action is Action.REBUILD
    path.write_text(json.dumps(written))
    # A column that must not be NULL now, and is: the store may have what it lacked.
    project.column("item_vector")["nullable"] = False
    extension = planned(project, stores)[1].extension
    assert extension is not None
    assert extension.vectors == ("item_vector",)


def test_a_published_part_that_is_damaged_is_not_kept(tmp_path: Path) -> None:
    project = made(tmp_path)
    build(project, "output")
    stores = enrich(project, "output")
    add_column(project)
    build(project, "output")
    extension = planned(project, stores)[1].extension
    path = tmp_path / "output/ranking/enriched" / f"dt={DAY}" / "part-0-0.parquet"
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(NotAsPlanned, match="the bytes on disk are not those that were written"):
        enrich(project, "output", extension)
    assert planned(project, stores)[1].action is Action.REBUILD
